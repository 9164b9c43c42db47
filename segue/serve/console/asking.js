/** Asking and teaching, and what is known of the last answer to each query while this page is open. */
import { useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";

const KEPT = 50;

/** Query → { answer, previous, taught, stale }. The back button shows these, and asks nothing anew. */
const remembered = new Map();
const keyOf = (text, domain) => JSON.stringify([text, domain]);

/** The name of a result inside an answer. */
export const nameOf = (result) => `${result.domain}/${result.id}`;

/**
 * `seen` is what to show: { answer, previous, taught }, or { error }, or {}. `taught` maps a result's name to the actions
 * that this answer was told about it. `ask` asks what the address names, once more.
 */
export function useAsking(text, domain, say) {
  const [seen, see] = useState({});
  const [busy, setBusy] = useState(false);
  const running = useRef(null);

  const ask = useCallback(async () => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    setBusy(true);
    try {
      const answer = await api.ask(text, domain, mine.signal);
      if (!mine.signal.aborted) see(remember(keyOf(text, domain), answer));
    } catch (error) {
      if (!mine.signal.aborted) see({ error });
    }
    if (!mine.signal.aborted) setBusy(false);
  }, [text, domain]);

  useEffect(() => {
    const known = remembered.get(keyOf(text, domain));
    if (text && (!known || known.stale)) {
      ask();
    } else {
      see(text ? known : {});
      setBusy(false);
    }
    return () => running.current?.abort();
  }, [text, domain]);

  const teach = useCallback(async (answer, result, action) => {
    try {
      await api.feedback(answer, result, action);
    } catch (error) {
      say({ text: error.message, bad: true });
      return;
    }
    const [entry, undone] = note(answer, result, action);
    see((now) => (entry && now.answer?.id === answer.id ? { ...entry } : now));
    say(undone ? { text: `undone: ${undone}` } : { text: `learned: ${action}`, undo: () => teach(answer, result, "undo") });
  }, []);

  return { seen, busy, ask, teach };
}

/** The next visit of this query is a new question, not a look back. */
export function askAnew(text, domain) {
  const known = remembered.get(keyOf(text, domain));
  if (known) known.stale = true;
}

function remember(key, answer) {
  const entry = { answer, previous: remembered.get(key)?.answer, taught: {} };
  remembered.delete(key);
  remembered.set(key, entry);
  if (remembered.size > KEPT) remembered.delete(remembered.keys().next().value);
  return entry;
}

/** Keep what an answer was told. Returns what is known of it (nothing once it was asked again) and what an undo undid. */
function note(answer, result, action) {
  const entry = [...remembered.values()].find((one) => one.answer.id === answer.id);
  const before = entry?.taught[nameOf(result)] ?? [];
  const undo = action === "undo";
  if (entry) entry.taught = { ...entry.taught, [nameOf(result)]: undo ? before.slice(0, -1) : [...before, action] };
  return [entry, undo ? (before.at(-1) ?? "the last action") : null];
}
