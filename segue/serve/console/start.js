/** Before the first question: what could be asked, and how. */
import { html } from "./vendor/preact-htm.js";
import { count } from "./format.js";

const EXAMPLES = ["mary poppins", "love", "comedies from 1995", "watch titanic", "stephen king horror"];
const ACT = "go to the kitchen and stop at the sink";

export function Start({ domains, acting, onExample }) {
  const items = domains?.reduce((sum, { items }) => sum + items, 0);
  return html`<section class="start" aria-labelledby="start-title">
    <h1 id="start-title">Ask for something in your own words</h1>
    <p>
      Segue finds out which domain you mean, what to search there and how. It shows why each result is where it is, and learns
      from what you do with it.
    </p>
    <div class="examples" role="group" aria-label="Examples">
      ${[...EXAMPLES, ...(acting?.length ? [ACT] : [])].map((words) => html`<button type="button" onClick=${() => onExample(words)}>${words}</button>`)}
    </div>
    ${domains && html`<p class="faint">${count(items, "item")} in ${count(domains.length, "domain")}${domains.length === 0 ? ". Add some with: segue index FILE --domain NAME" : ""}</p>`}
    <dl class="keys">
      ${[["/", "to the box"], ["Enter", "ask, and ask again"], ["↓ ↑", "through the results"], ["Esc", "clear"]].map(
        ([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`,
      )}
    </dl>
  </section>`;
}
