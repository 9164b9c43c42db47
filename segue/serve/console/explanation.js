/** How an answer came about: what was understood, what was searched, who was asked, and how long each step took. */
import { html } from "./vendor/preact-htm.js";
import { Bar } from "./bars.js";
import { milliseconds, number, percent, score } from "./format.js";
import { Understood } from "./group.js";
import { link } from "./route.js";
import { Timing } from "./timing.js";

const WIDE = matchMedia("(min-width: 68rem)");
let open = WIDE.matches;

/** Open beside the results where there is room; later as the reader left it. */
export function Explanation({ answer, hue }) {
  const { trace, milliseconds: total } = answer;
  return html`<details class="explanation" open=${open} onToggle=${(event) => (open = event.currentTarget.open)}>
    <summary><h2>How this answer came about</h2><span class="time">${milliseconds(total)}</span></summary>
    <h3>What was understood</h3>
    <ul class="hypotheses">
      ${answer.hypotheses.map((one) => html`<${Hypothesis} ...${one} hue=${hue(one.domain)} text=${answer.request.text}
        walked=${answer.walked} acts=${answer.walked && answer.results[0]?.domain === one.domain}
        searched=${trace.domains?.find(({ domain }) => domain === one.domain)} />`)}
    </ul>
    <h3>Who was asked</h3>
    ${answer.walked ? html`<${Agent} ...${answer.walked} />` : html`<${Selection} selection=${answer.selection} />`}
    ${Object.entries(answer.explanation ?? {}).map(([domain, about]) => html`<${Decision} key=${domain} domain=${domain} ...${about} />`)}
    <h3>Where the time went</h3>
    <${Timing} laps=${trace.milliseconds ?? {}} total=${total} strategies=${answer.selection.map(({ strategy }) => strategy)} />
    <dl class="small-print">
      ${trace.policy && html`<div><dt>policy</dt><dd><code>${trace.policy}</code></dd></div>`}
      <div><dt>answer</dt><dd><a href=${link(`/answers/${answer.id}`)}>${answer.id}</a>, seed ${answer.request.seed}</dd></div>
    </dl>
  </details>`;
}

/** Who walked, and where. */
const Agent = ({ agent, house }) =>
  html`<p class="faint">The agent <code>${agent}</code>, in the generated house ${house.number} of seed ${house.seed}.</p>`;

function Hypothesis({ domain, confidence, intent, slots, hue, searched, text, walked, acts }) {
  return html`<li>
    <div class="hypothesis"><span class="name">${domain}</span><${Bar} share=${confidence} hue=${hue} /><span class="number">${percent(confidence)}</span></div>
    <${Understood} intent=${intent} slots=${slots} />
    ${!searched && html`<p class="faint">${acts ? "An instruction: it was carried out." : walked ? "Not searched: it is an instruction." : "Not searched: too unlikely to get a place on the page."}</p>`}
    ${searched && html`<p class="faint">
      Searched ${number(searched.catalogue.items)} items for ${searched.query === text ? "the whole text" : html`<q>${searched.query}</q>`}.
    </p>`}
    ${searched?.readings.length > 0 && html`<ul class="readings" aria-label="Readings">${searched.readings.map((one) => html`<${Reading} ...${one} />`)}</ul>`}
  </li>`;
}

/** A reading of the request as values of fields, and the words that are left. */
const Reading = ({ slots, words, probability }) =>
  html`<li>
    <span class="number">${percent(probability)}</span>
    <span>${Object.entries(slots).map(([name, value]) => html`<span class="slot"><span class="slot-name">${name}</span> ${String(value)}</span> `)}
      ${words.length > 0 && html`<span class="slot">words ${words.map((word) => html`<q>${word}</q> `)}</span>`}</span>
  </li>`;

/** Strategies down, domains across; a cell says how many candidates, and how likely that choice was when it was not sure. */
function Selection({ selection }) {
  const domains = [...new Set(selection.map(({ domain }) => domain))];
  const strategies = [...new Set(selection.map(({ strategy }) => strategy))];
  const chosen = (strategy, domain) => selection.find((one) => one.strategy === strategy && one.domain === domain);
  if (!selection.length) return html`<p class="faint">Nobody.</p>`;
  return html`<div class="scroll"><table class="selection">
    <caption>Candidates asked for, and the propensity of that choice</caption>
    <thead><tr><th scope="col">strategy</th>${domains.map((domain) => html`<th scope="col" class="number">${domain}</th>`)}</tr></thead>
    <tbody>
      ${strategies.map((strategy) => html`<tr><th scope="row">${strategy}</th>
        ${domains.map((domain) => html`<td class="number"><${Choice} chosen=${chosen(strategy, domain)} /></td>`)}</tr>`)}
    </tbody>
  </table></div>`;
}

/** What the policy saw of the request in one domain, and what those brought whom it asked. Known of logged answers only. */
function Decision({ domain, request, strategies, ...about }) {
  const brought = strategies.filter((one) => "brought" in one);
  if (!brought.length) return null;
  return html`<h3>What was seen and found in ${domain}</h3>
    <p class="faint">Decided by the ${about["decided by"]}${about.ranker && `, then put in order by the ranker ${about.ranker}`}. Of the request it saw, where not 0:</p>
    <ul class="slots features">${Object.entries(request).map(([name, value]) => html`<li><span class="slot-name">${name}</span> ${score(value)}</li>`)}</ul>
    <div class="scroll"><table class="brought">
      <caption class="unseen">What the strategies brought in ${domain}</caption>
      <thead><tr><th scope="col">strategy</th><th scope="col" class="number">brought</th><th scope="col">its first</th></tr></thead>
      <tbody>${brought.map((one) => html`<tr><th scope="row">${one.strategy}</th><td class="number">${one.brought}</td><td><${First} ...${one} /></td></tr>`)}</tbody>
    </table></div>
    ${about["not asked"].length > 0 && html`<p class="faint">Not asked: ${about["not asked"].join(", ")}.</p>`}`;
}

function First({ brought, first, ...about }) {
  if (about["left out"]) return html`<b>left out: it is broken at present</b>`;
  if (!brought) return html`<span class="faint">nothing</span>`;
  return first ? first.title : html`<span class="faint">did not make the page</span>`;
}

const Choice = ({ chosen }) =>
  chosen ? html`${chosen.k} <span class="propensity" title="propensity">${percent(chosen.propensity)}</span>` : html`<span class="faint">not asked</span>`;
