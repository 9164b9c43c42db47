/** Asking, and what is known of the last answer to each query while this page is open. */
import { useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";

/** Query → { answer, previous, taught }. The back button shows these, and asks nothing anew. */
const remembered = new Map();
const keyOf = (text, domain) => JSON.stringify([text, domain]);

/** The name of a result inside an answer. */
export const nameOf = (result) => `${result.domain}/${result.id}`;

/**
 * `seen` is what to show: { answer, previous, taught }, or { error }, or {}. `taught` maps a result's name to the actions
 * that this answer was told. `ask` asks again, or something else that the address will name next.
 */
export function useAsking(text, domain, say) {
  const [seen, see] = useState({});
  const [busy, setBusy] = useState(false);
  const running = useRef(null);

  const ask = useCallback(async (words, where) => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    const key = keyOf(words, where);
    setBusy(true);
    try {
      const answer = await api.ask(words, where, mine.signal);
      remembered.set(key, { answer, previous: remembered.get(key)?.answer, taught: {} });
      if (running.current === mine) see(remembered.get(key));
    } catch (error) {
      if (running.current === mine && error.name !== "AbortError") see({ error });
    } finally {
      if (running.current === mine) setBusy(false);
    }
  }, []);

  useEffect(() => {
    const known = remembered.get(keyOf(text, domain));
    if (!text || (known && !known.stale)) {
      running.current?.abort();
      setBusy(false);
      see(text ? known : {});
    } else {
      ask(text, domain);
    }
  }, [text, domain]);
  useEffect(() => () => running.current?.abort(), []);

  const teach = useCallback(async (answer, result, action) => {
    try {
      await api.feedback(answer.id, result, action);
    } catch (error) {
      say({ text: error.message, bad: true });
      return;
    }
    const undone = note(answer, result, action);
    see((now) => (now.answer?.id === answer.id ? { ...entryOf(answer) } : now));
    say(undone ? { text: `undone: ${undone}` } : { text: `learned: ${action}`, undo: () => teach(answer, result, "undo") });
  }, []);

  return { seen, busy, ask, teach };
}

/** The next visit of this query is a new question, not a look back. */
export function forget(text, domain) {
  const known = remembered.get(keyOf(text, domain));
  if (known) known.stale = true;
}

const entryOf = (answer) => remembered.get(keyOf(answer.request.text, answer.request.domain));

/** Keep what an answer was told; returns the action that an undo took back. */
function note(answer, result, action) {
  const entry = entryOf(answer);
  const mine = entry?.answer.id === answer.id ? (entry.taught[nameOf(result)] ?? []) : [];
  const after = action === "undo" ? mine.slice(0, -1) : [...mine, action];
  if (entry?.answer.id === answer.id) entry.taught = { ...entry.taught, [nameOf(result)]: after };
  return action === "undo" ? (mine.at(-1) ?? "the last action") : null;
}
