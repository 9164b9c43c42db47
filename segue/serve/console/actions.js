/** What a person can tell about a result: the common actions as buttons, the rest in a menu. */
import { html, useCallback, useRef, useState } from "./vendor/preact-htm.js";
import { has, Icon } from "./icons.js";

const COMMON = ["play", "save", "like", "dislike"];

/** A click is told by opening the item, so it has no button. */
export function Actions({ title, actions, taught, onAct }) {
  const [busy, setBusy] = useState(false);
  const act = async (action) => {
    if (busy) return;
    setBusy(true);
    await onAct(action);
    setBusy(false);
  };
  const common = COMMON.filter((name) => name in actions);
  const others = Object.keys(actions).filter((name) => name !== "click" && !common.includes(name));
  const menu = [...others, ...(taught.length ? ["undo"] : [])];
  return html`<div class="actions" role="group" aria-label=${`Tell about ${title}`} aria-busy=${String(busy)}>
    ${common.map(
      (name) => html`<button type="button" class=${taught.includes(name) ? "act done" : "act"} data-action=${name} title=${says(name, actions)}
        aria-label=${`${name}: ${title}${taught.includes(name) ? " (learned)" : ""}`} onClick=${() => act(name)}>
        ${has(name) ? html`<${Icon} name=${name} />` : name}
      </button>`,
    )}
    ${menu.length > 0 && html`<${More} title=${title} names=${menu} actions=${actions} onAct=${act} />`}
  </div>`;
}

/** What an action weighs, which may be against the item. */
const says = (name, actions) => (name in actions ? `${name} (weight ${String(actions[name]).replace("-", "−")})` : `${name} the last action`);

function More({ title, names, actions, onAct }) {
  const menu = useRef(null);
  const close = () => {
    menu.current.open = false;
    menu.current.firstElementChild.focus();
  };
  const keyed = (event) => {
    if (event.key === "Escape" && menu.current.open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  const left = useCallback((event) => {
    const to = event.type === "focusout" ? event.relatedTarget : event.target;
    if (to && menu.current && !menu.current.contains(to)) menu.current.open = false;
  }, []);
  const toggled = () => (menu.current?.open ? addEventListener : removeEventListener)("pointerdown", left);
  const choose = (name) => {
    close();
    onAct(name);
  };
  return html`<details class="more" ref=${menu} onKeyDown=${keyed} onFocusOut=${left} onToggle=${toggled}>
    <summary aria-label=${`More about ${title}`} title="More"><${Icon} name="more" /></summary>
    <div class="menu">
      ${names.map((name) => html`<button type="button" data-action=${name} title=${says(name, actions)} onClick=${() => choose(name)}>${name}</button>`)}
    </div>
  </details>`;
}
