/** The box, and the choice of a domain below it. */
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { number } from "./format.js";
import { Icon } from "./icons.js";

const LONGEST = 1000;

export function SearchBox({ text, domain, domains, busy, onSearch }) {
  const box = useRef(null);
  const [draft, set] = useState(text);
  useEffect(() => set(text), [text]);
  useEffect(() => box.current.focus(), []);

  const submit = (event) => {
    event.preventDefault();
    if (draft.trim()) onSearch(draft.trim(), domain);
  };
  /** Once clears the box, once more goes back to the start. */
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (draft) set("");
    else onSearch("", domain);
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <div class="box">
      <${Icon} name="search" />
      <input id="query" ref=${box} type="search" value=${draft} onInput=${(event) => set(event.target.value)} onKeyDown=${escape}
        aria-label="Ask in plain language" placeholder="Ask in plain language: play mary poppins" maxlength=${LONGEST}
        autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="search" />
      <button type="submit" class="primary" disabled=${busy && draft.trim() === text}>Ask</button>
    </div>
    ${domains?.length > 1 &&
    html`<div class="filter" role="group" aria-label="Search in">
      ${[null, ...domains].map((one) => html`<${Choice} about=${one} chosen=${domain} onChoose=${(name) => onSearch(draft.trim(), name)} />`)}
    </div>`}
  </form>`;
}

function Choice({ about, chosen, onChoose }) {
  const name = about?.domain ?? null;
  return html`<button type="button" aria-pressed=${String(name === chosen)} onClick=${() => onChoose(name)}>
    ${name ?? "All"}${about && html` <span class="size">${number(about.items)}</span>`}
  </button>`;
}
