/** A short message at the foot of the page, with a way back. */
import { html, useCallback, useEffect, useState } from "./vendor/preact-htm.js";
import { Icon } from "./icons.js";

const SHOWN_FOR = 8000;

/** [what is shown now, say]: `say({ text, undo, bad })` shows a message, `say(null)` takes it away. */
export function useToast() {
  const [toast, set] = useState(null);
  const say = useCallback((message) => set(message && { ...message }), []);
  return [toast, say];
}

/** It waits while someone points at it or has its button focused. */
export function Toast({ toast, say }) {
  const [held, hold] = useState(false);
  useEffect(() => {
    if (!toast || held) return undefined;
    const timer = setTimeout(() => say(null), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [toast, held]);
  useEffect(() => hold(false), [toast]);
  const undo = () => {
    say(null);
    toast.undo();
  };
  return html`<div class="toast-place" role="status" aria-live="polite">
    ${toast &&
    html`<div class=${toast.bad ? "toast bad" : "toast"}
      onMouseEnter=${() => hold(true)} onMouseLeave=${() => hold(false)} onFocusIn=${() => hold(true)} onFocusOut=${() => hold(false)}>
      <span>${toast.text}</span>
      ${toast.undo && html`<button type="button" onClick=${undo}><${Icon} name="undo" />Undo</button>`}
    </div>`}
  </div>`;
}
