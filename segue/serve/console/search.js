/** The search page: ask, see, teach, ask again. */
import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { AnswerView } from "./answer.js";
import * as api from "./api.js";
import { askAnew, useAsking } from "./asking.js";
import { changes, summary } from "./changes.js";
import { count, milliseconds } from "./format.js";
import { Icon } from "./icons.js";
import { useArrowKeys } from "./keys.js";
import { Question } from "./question.js";
import { go } from "./route.js";
import { SearchBox } from "./searchbox.js";
import { Start } from "./start.js";

export function SearchPage({ route, say }) {
  const text = (route.query.get("q") ?? "").trim();
  const domain = route.query.get("domain") || null;
  const { seen, busy, ask, teach } = useAsking(text, domain, say);
  const { domains, acting, actions, error } = useServer(seen.answer?.id);
  useArrowKeys();
  useEffect(() => {
    document.title = text ? `${text} · Segue` : "Segue";
  }, [text]);

  const search = (words, where) => {
    if (words && words === text && where === domain) return ask();
    askAnew(words, where);
    return go("/", { q: words, domain: where });
  };
  const moved = seen.answer ? changes(seen.answer, seen.previous) : new Map();
  return html`
    <${SearchBox} text=${text} domain=${domain} domains=${domains} busy=${busy} onSearch=${search} />
    <${Status} seen=${seen} busy=${busy} moved=${moved} onAgain=${ask} />
    ${(seen.error ?? error) && html`<div class="problem" role="alert">${(seen.error ?? error).message}</div>`}
    ${seen.answer && !busy && html`<${Question} answer=${seen.answer} onChoose=${(name) => search(text, name)} />`}
    ${seen.answer &&
    html`<${AnswerView} answer=${seen.answer} previous=${seen.previous} moved=${moved} busy=${busy}
      actions=${actions} taught=${seen.taught} onTeach=${(result, action) => teach(seen.answer, result, action)} />`}
    ${!text && html`<${Start} domains=${domains} acting=${acting} onExample=${(words) => search(words, domain)} />`}
  `;
}

/** What the server offers: its domains, and the actions that feedback may name. When that failed, each answer tries again. */
function useServer(answered) {
  const [server, set] = useState({ domains: null, actions: {} });
  useEffect(() => {
    if (server.domains) return;
    Promise.all([api.domains(), api.actions()])
      .then(([{ domains, acting }, actions]) => set({ domains, acting, actions }))
      .catch((error) => set({ domains: null, actions: {}, error }));
  }, [answered]);
  return server;
}

/** How many results, how fast, and what to do once something was learned. It is read out when it changes. */
function Status({ seen, busy, moved, onAgain }) {
  const { answer, previous, taught } = seen;
  const learned = Object.values(taught ?? {}).flat().length;
  const domains = new Set(answer?.results.map((result) => result.domain)).size;
  return html`<div class="status">
    <p aria-live="polite">
      ${answer && !busy && html`<span>${count(answer.results.length, "result")} in ${count(domains, "domain")}</span>
        <span class="time">${milliseconds(answer.milliseconds)}</span>
        ${previous && html`<span class=${moved.size ? "changed" : null}>${summary(moved)} since you last asked</span>`}`}
      ${busy && html`<span>asking…</span>`}
    </p>
    ${answer && html`<button type="button" class=${learned ? "again primary" : "again"} onClick=${onAgain}>
      <${Icon} name="again" />Ask again${learned > 0 && html`<span>· ${count(learned, "action")} learned</span>`}
    </button>`}
  </div>`;
}
