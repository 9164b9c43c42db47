/** One domain's results under what was understood there. */
import { html, useState } from "./vendor/preact-htm.js";
import { Bar } from "./bars.js";
import { count, percent } from "./format.js";
import { ResultRow } from "./result.js";
import { Walk } from "./walk.js";

const FIRST = 5;
/** What there is to tell of a walk. */
const THUMBS = ["like", "dislike"];

/** With `walked`, the one result is what an agent did. */
export function Group({ hypothesis, hue, before, results, walked, actions, onTeach }) {
  const [all, showAll] = useState(false);
  const { domain, intent, slots, confidence } = hypothesis;
  const offered = walked ? Object.fromEntries(Object.entries(actions).filter(([name]) => THUMBS.includes(name))) : actions;
  const visible = all ? results : results.slice(0, FIRST);
  const changed = before !== undefined && percent(before) !== percent(confidence);
  return html`<section class="group" data-domain=${domain} data-hue=${hue} aria-labelledby=${`domain-${domain}`}>
    <div class="group-head">
      <h2 id=${`domain-${domain}`}>${domain}</h2>
      <span class="confidence"><${Bar} share=${confidence} hue=${hue} /><b>${percent(confidence)}</b></span>
      ${changed && html`<span class="was">was ${percent(before)}</span>`}
      <${Understood} intent=${intent} slots=${slots} />
      <span class="how-many">${results.length ? count(results.length, "result") : "no place on this page"}</span>
    </div>
    ${results.length > 0 &&
    html`<ol class="results">
      ${visible.map((shown, index) => html`<${ResultRow} key=${shown.result.id} ...${shown} place=${index + 1} actions=${offered} onTeach=${onTeach} />`)}
    </ol>`}
    ${walked && html`<${Walk} key=${results[0]?.answer.id} walked=${walked} goal=${slots} fresh=${Boolean(onTeach)} />`}
    ${results.length > FIRST &&
    html`<button type="button" class="show-all" aria-expanded=${String(all)} onClick=${() => showAll(!all)}>
      ${all ? "Show fewer" : `Show ${results.length - FIRST} more in ${domain}`}
    </button>`}
  </section>`;
}

/** What is wanted and of what: "find", "year 1995". */
export const Understood = ({ intent, slots }) =>
  html`<ul class="slots" aria-label="Understood">
    <li class="intent">${intent}</li>
    ${Object.entries(slots).map(([name, value]) => html`<li><span class="slot-name">${name}</span> ${String(value)}</li>`)}
  </ul>`;
