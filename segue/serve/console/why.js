/** Why a result is there: who found it, at which rank, and what the memory knows of it. */
import { html } from "./vendor/preact-htm.js";
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
    <div class="scroll"><table>
      <caption>Found by</caption>
      <thead><tr><th scope="col">strategy</th><th scope="col" class="number">rank</th><th scope="col" class="number">score</th><th scope="col">goes by</th></tr></thead>
      <tbody>
        ${byRank(result.sources).map(
          ([name, source]) => html`<tr><th scope="row">${name}</th><td class="number">${source.rank}</td><td class="number">${score(source.score)}</td><td>${GOES_BY[name] ?? ""}</td></tr>`,
        )}
      </tbody>
    </table></div>
    <p><${Place} ...${shown} /></p>
    <dl class="fields">
      ${[...fields, ["id", result.id]].map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}
    </dl>
  `;
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
