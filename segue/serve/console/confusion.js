/** Which domain requests were meant for, and which they went to; a number that is pressed shows some of them. */
import { html, useState } from "./vendor/preact-htm.js";
import { count, number, percent } from "./format.js";
import { link } from "./route.js";

const OTHER = "other";

/** `arms`: [{ name, names: [...], counts: [[...]], examples: [{ meant, went, requests: [{ text, read, confidence }] }] }]. */
export function Confusion({ arms, note }) {
  const [chosen, choose] = useState(arms.length - 1);
  const [cell, open] = useState(null);
  const arm = arms[chosen];
  const requests = cell && arm.examples.find(({ meant, went }) => meant === cell.meant && went === cell.went);
  return html`<section class="figure confusion" aria-labelledby="confusion">
    <div class="page-head">
      <h2 id="confusion">Confusion between domains</h2>
      <div class="switch" role="group" aria-label="Measured with">
        ${arms.map(({ name }, place) => html`<button type="button" aria-pressed=${String(place === chosen)} onClick=${() => choose(place)}>${name}</button>`)}
      </div>
    </div>
    <p>${note}</p>
    <${Table} ...${arm} cell=${cell} onOpen=${(at) => open(at.meant === cell?.meant && at.went === cell?.went ? null : at)} />
    <div role="status">${cell && html`<${Examples} ...${cell} total=${at(arm, cell)} requests=${requests?.requests ?? []} />`}</div>
  </section>`;
}

const at = ({ names, counts }, { meant, went }) => counts[names.indexOf(meant)][names.indexOf(went)];

function Table({ name, names, counts, cell, onOpen }) {
  return html`<div class="scroll"><table class="heat" data-many=${names.length > 8 ? "true" : null}>
    <caption class="unseen">Requests by the domain they were meant for, and the domain they went to, ${name}</caption>
    <thead>
      <tr><td></td><th scope="colgroup" colspan=${names.length} class="over">went to</th></tr>
      <tr><th scope="col">meant for</th>${names.map((went) => html`<th scope="col"><span>${person(went)}</span></th>`)}</tr>
    </thead>
    <tbody>${counts.map((row, place) => {
      const total = row.reduce((sum, many) => sum + many, 0);
      return html`<tr key=${names[place]}>
        <th scope="row">${person(names[place])} <span class="size">${number(total)}</span></th>
        ${row.map((many, column) => html`<${Cell} many=${many} share=${many / Math.max(total, 1)} meant=${names[place]} went=${names[column]}
          open=${cell?.meant === names[place] && cell?.went === names[column]} onOpen=${onOpen} />`)}
      </tr>`;
    })}</tbody>
  </table></div>`;
}

function Cell({ many, share, meant, went, open, onOpen }) {
  const right = meant === went;
  const shade = { "--share": `${(45 * Math.sqrt(share)).toFixed(1)}%` };
  if (right || !many) return html`<td class=${right ? "right" : many ? "" : "empty"} style=${shade}>${number(many)}</td>`;
  return html`<td class="wrong" style=${shade}><button type="button" aria-expanded=${String(open)} onClick=${() => onOpen({ meant, went })}
    aria-label=${`${count(many, "request")} meant for ${person(meant)} went to ${person(went)}: show some`} title=${`${percent(share)} of those meant for ${person(meant)}`}>${number(many)}</button></td>`;
}

function Examples({ meant, went, total, requests }) {
  return html`<h3>Meant for ${person(meant)}, went to ${person(went)}: ${number(total)}</h3>
    ${requests.length ? html`<ul class="examples-of">${requests.map(({ text, read, confidence }) => html`<li key=${text}>
      <a href=${link("/", { q: text })}>${text}</a> <span class="faint">read as</span> ${read} <span class="number faint">${percent(confidence)}</span></li>`)}</ul>
      ${requests.length < total && html`<p class="faint">${requests.length} of them were kept.</p>`}`
      : html`<p class="faint">${total ? "None of them was kept." : "There is none."}</p>`}`;
}

const person = (domain) => (domain === OTHER ? "nobody" : domain);
