/** One result: what it is, why it is there, and what to tell about it. */
import { html, useState } from "./vendor/preact-htm.js";
import { Actions } from "./actions.js";
import { fieldLine } from "./format.js";
import { Icon } from "./icons.js";
import { Chips, Details } from "./why.js";

export function ResultRow(shown) {
  const { result, place, change, taught, actions, onTeach } = shown;
  const [open, setOpen] = useState(false);
  const line = fieldLine(result.fields);
  const details = `details-${result.domain}-${place}`;
  /** To open an item is to show interest, once; to ask why it is there is not. */
  const click = () => {
    setOpen(!open);
    if (onTeach && !open && "click" in actions && !taught.includes("click")) onTeach(result, "click");
  };
  return html`<li class="result" data-item=${result.id}>
    <span class="place" aria-hidden="true">${place}</span>
    <div class="what">
      <h3>
        <button type="button" class="title" aria-expanded=${String(open)} onClick=${click}>${result.title}</button>
        <${Mark} change=${change} />
        ${taught.length > 0 && html`<span class="taught">learned: ${taught.join(", ")}</span>`}
      </h3>
      ${line.length > 0 && html`<p class="line">${line.map((part, index) => html`${index > 0 && html`<i aria-hidden="true"> · </i>`}<span>${part}</span>`)}</p>`}
      <${Chips} ...${shown} />
    </div>
    <div class="do">
      ${onTeach && html`<${Actions} title=${result.title} actions=${actions} taught=${taught} onAct=${(action) => onTeach(result, action)} />`}
      <button type="button" class="quiet why" aria-expanded=${String(open)} aria-controls=${open ? details : null} onClick=${() => setOpen(!open)}
        aria-label=${`Why is ${result.title} here?`} title="Why is it here?"><${Icon} name="open" /></button>
    </div>
    ${open && html`<div class="details" id=${details}><${Details} ...${shown} /></div>`}
  </li>`;
}

function Mark({ change }) {
  if (!change) return null;
  if (change.fresh) return html`<span class="mark fresh">new</span>`;
  const up = change.up > 0;
  const places = Math.abs(change.up);
  return html`<span class=${up ? "mark up" : "mark down"} title=${`${places} ${up ? "up" : "down"} since you last asked`}>
    <span aria-hidden="true">${up ? "▲" : "▼"}</span><span class="unseen">${up ? "up" : "down"} </span>${places}
  </span>`;
}
