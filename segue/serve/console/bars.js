/** Small bars. The number always stands beside them as text, so they are hidden from screen readers. */
import { html } from "./vendor/preact-htm.js";

/** `share` from 0 to 1 of the full width; `hue` names a colour of style.css. */
export const Bar = ({ share, hue = "plain" }) =>
  html`<span class="bar" data-hue=${hue} aria-hidden="true"><span style=${{ width: `${(100 * share).toFixed(2)}%` }}></span></span>`;

/** A colour for each domain, the same on every page: by its place in the alphabet. */
export function hues(domains) {
  const sorted = [...domains].sort();
  return (domain) => String(Math.max(0, sorted.indexOf(domain)) % 6);
}
