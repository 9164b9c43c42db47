/** When the first two domains are close, which is meant; and that a request is nobody's, when it is. */
import { html } from "./vendor/preact-htm.js";

export function Question({ answer, onChoose }) {
  if (answer.decision === "nobody's") {
    return html`<p class="question" role="note">Nothing here is likely what you mean. These are the nearest guesses.</p>`;
  }
  if (answer.decision !== "ask" || !answer.question) return null;
  const { text, choices } = answer.question;
  return html`<div class="question" role="group" aria-label=${text}>
    <span>${text}</span>
    ${choices.map(
      ({ domain, label, title }) => html`<button type="button" onClick=${() => onChoose(domain)}>
        ${label}${title && html` <span class="title">${title}</span>`}
      </button>`,
    )}
  </div>`;
}
