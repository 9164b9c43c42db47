/** Why a result is there: who found it, at which rank, and what the memory knows of it. */
import { html } from "./vendor/preact-htm.js";
import { nameOf } from "./asking.js";
import { Bar } from "./bars.js";
import { Icon } from "./icons.js";
import { count, fieldList, number, percent, score } from "./format.js";

/** What each strategy goes by, in a few words; one that is not here is shown by its name alone. */
const GOES_BY = {
  memory: "what people took when they asked this before",
  popular: "what people take most, whatever was asked",
  text: "the words, anywhere in the item",
  title: "the words in the title, and how well known it is",
  structured: "the values of its fields, such as year and genre",
  grams: "three letters at a time: finds the misspelt",
  dense: "the meaning, in other words too",
  sparse: "words that the item stands for, learned beforehand",
  misspelt: "values of its fields, as they were probably meant",
  related: "what belongs to the item that was named",
  new: "what was added last",
  personal: "what this person took, and others like them",
};

const byRank = (sources) => Object.entries(sources).sort((one, other) => one[1].rank - other[1].rank);

export function Chips({ result, memory }) {
  return html`<ul class="chips" aria-label="Found by">
    ${byRank(result.sources).map(
      ([name, { rank, score: value }]) => html`<li class="chip" data-rank=${rank === 1 ? "first" : rank <= 10 ? "near" : "far"}
        title=${`${GOES_BY[name] ?? name}: rank ${rank}, score ${score(value)}`}>${name} <span class="unseen">rank </span><b>${rank}</b></li>`,
    )}
    ${memory && memory.weight !== 0 && html`<li class=${memory.weight > 0 ? "chip memory" : "chip memory against"}><${Remembered} memory=${memory} /></li>`}
  </ul>`;
}

const Remembered = ({ memory: { weight, shown } }) =>
  html`${weight > 0 ? "taken before" : "turned down before"}: weight ${number(weight).replace("-", "−")} in ${count(shown, "showing")}`;

export function Details(shown) {
  const { result } = shown;
  const fields = fieldList(result.fields);
  return html`
    ${Object.keys(result.sources).length > 0 && html`<div class="scroll"><table>
      <caption>Found by</caption>
      <thead><tr><th scope="col">strategy</th><th scope="col" class="number">rank</th><th scope="col" class="number">score</th><th scope="col">goes by</th></tr></thead>
      <tbody>
        ${byRank(result.sources).map(
          ([name, source]) => html`<tr><th scope="row">${name}</th><td class="number">${source.rank}</td><td class="number">${score(source.score)}</td><td>${GOES_BY[name] ?? ""}</td></tr>`,
        )}
      </tbody>
    </table></div>`}
    <${Parts} ...${shown} />
    <p><${Place} ...${shown} /> <${Chance} ...${shown} /></p>
    <dl class="fields">
      ${[...fields, ["id", result.id]].map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}
    </dl>
  `;
}

/** What each strategy, popularity, and what was taken before adds to the total by which the domain's results are ordered. */
function Parts({ answer, result }) {
  const { total, ...parts } = answer.trace.contributions?.[nameOf(result)] ?? {};
  if (total === undefined) return null;
  const ordered = Object.entries(parts).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  const most = Math.max(...ordered.map(([, value]) => Math.abs(value)), 1e-9);
  return html`<div class="scroll"><table class="parts">
    <caption>What its total is made of</caption>
    <tbody>${ordered.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="chart"><${Bar} share=${Math.abs(value) / most} hue=${value < 0 ? "against" : "search"} /></td><td class="number">${signed(value)}</td></tr>`)}</tbody>
    <tfoot><tr><th scope="row">total</th><td></td><td class="number">${signed(total)}</td></tr></tfoot>
  </table></div>`;
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** How likely it was to stand there: known of logged answers whose policy tries things out. */
function Chance({ answer, result }) {
  const { ranker, results } = answer.explanation?.[result.domain] ?? {};
  const chance = results?.[result.id];
  if (!chance) return null;
  return html`${ranker ? "Before the ranker, it" : "It"} stood at place ${chance.place} of ${result.domain} with a chance of ${percent(chance.stands)}; that it was kept at all had one of ${percent(chance.kept)}.${chance.tried && html` <b>This place was given away, to learn what people think of it.</b>`}`;
}

/** How it came to its place on the page, in a sentence. */
function Place({ answer, result, place, position, memory }) {
  const searched = answer.trace.domains ?? [];
  const share = searched.find(({ domain }) => domain === result.domain)?.confidence ?? 1;
  const remembered = memory && html` <span class="nowrap"><${Icon} name="save" /><${Remembered} memory=${memory} />,</span> memory score ${score(memory.score)}.`;
  if (searched.length < 2) return html`Place ${position} with score ${score(result.score)}.${remembered}`;
  return html`Place ${position} of ${answer.results.length} on the page, ${place} in ${result.domain}. Its bid for a place was ${score(result.score)}, made of the
    domain's ${percent(share)}, its share of the domain's best score and the places that ${result.domain} already had.${remembered}`;
}
