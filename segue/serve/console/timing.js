/** Milliseconds of each step as bars, all on one scale. */
import { html } from "./vendor/preact-htm.js";
import { Bar } from "./bars.js";
import { milliseconds } from "./format.js";

/** Strategies are marked: they are the searching, the rest is the house around it. */
export function Timing({ laps, total, strategies }) {
  const longest = Math.max(...Object.values(laps), 0.001);
  return html`<div class="scroll"><table class="timing">
    <caption class="unseen">Milliseconds by step</caption>
    <tbody>
      ${Object.entries(laps).map(
        ([step, value]) => html`<tr><th scope="row">${step}</th><td class="chart"><${Bar} share=${value / longest} hue=${strategies.includes(step) ? "search" : "plain"} /></td><td class="number">${milliseconds(value)}</td></tr>`,
      )}
    </tbody>
    <tfoot><tr><th scope="row">in all</th><td></td><td class="number">${milliseconds(total)}</td></tr></tfoot>
  </table></div>`;
}
