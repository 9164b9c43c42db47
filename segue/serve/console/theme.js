/** Auto, dark or light; remembered in this browser. The colours themselves are in style.css. */
import { html, useState } from "./vendor/preact-htm.js";
import { Icon } from "./icons.js";

const THEMES = ["auto", "dark", "light"];

export function ThemeToggle() {
  const [theme, set] = useState(document.documentElement.dataset.theme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const change = () => {
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("segue-theme", next);
    } catch {
      // storage is switched off: the choice lasts as long as the page
    }
    set(next);
  };
  return html`<button class="quiet" type="button" onClick=${change} aria-label=${`Theme: ${theme}. Change to ${next}`} title=${`Theme: ${theme}`}>
    <${Icon} name=${theme} /><span class="wide-only">${theme}</span>
  </button>`;
}
