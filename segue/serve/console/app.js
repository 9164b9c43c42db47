/** The console: a header, and the page that the address names. */
import { html, render, useEffect, useErrorBoundary, useRef } from "./vendor/preact-htm.js";
import { focusSearch } from "./keys.js";
import { DomainsPage } from "./domains.js";
import { InterfacePage } from "./interface.js";
import { LearningPage } from "./learning.js";
import { PastPage } from "./past.js";
import { RecentPage } from "./recent.js";
import { go, useRoute } from "./route.js";
import { SearchPage } from "./search.js";
import { ThemeToggle } from "./theme.js";
import { Toast, useToast } from "./toast.js";
import { UpgradesPage } from "./upgrades.js";

/** A page is called with { route, match, say }; one with a `name` is in the menu, the `rest` of it where there is room. */
const PAGES = [
  { path: /^\/$/, page: SearchPage, name: "Search", href: "#/" },
  { path: /^\/answers$/, page: RecentPage, name: "Recent", rest: " answers", href: "#/answers" },
  { path: /^\/answers\/(.+)$/, page: PastPage },
  { path: /^\/learning$/, page: LearningPage, name: "Learning", href: "#/learning" },
  { path: /^\/domains$/, page: DomainsPage, name: "Domains", href: "#/domains" },
  { path: /^\/upgrades$/, page: UpgradesPage, name: "Upgrades", href: "#/upgrades" },
  { path: /^\/interface$/, page: InterfacePage, name: "API", href: "#/interface" },
];

function App() {
  const route = useRoute();
  const [toast, say] = useToast();
  useSlash();
  useArrival(route.path);
  const at = PAGES.find(({ path }) => path.test(route.path));
  return html`
    <a class="skip-link" href="#main" onClick=${skipToMain}>Skip to the content</a>
    <${Header} path=${route.path} />
    <main id="main" tabindex="-1">
      <${Boundary} key=${route.path}>
        ${at ? html`<${at.page} route=${route} match=${at.path.exec(route.path)} say=${say} />` : html`<${Nowhere} />`}
      <//>
    </main>
    <${Toast} toast=${toast} say=${say} />
  `;
}

function Header({ path }) {
  return html`<header>
    <a class="brand" href="#/" aria-label="Segue, start page"><img src="favicon.svg" alt="" width="26" height="26" /><span>Segue</span></a>
    <nav aria-label="Pages">
      ${PAGES.filter(({ name }) => name).map(
        ({ name, rest, href }) => html`<a href=${href} aria-current=${href === `#${path}` ? "page" : null}>${name}${rest && html`<span class="wide-only">${rest}</span>`}</a>`,
      )}
    </nav>
    <${ThemeToggle} />
  </header>`;
}

/** A page that fails says so, and the rest of the console goes on. */
function Boundary({ children }) {
  const [error, again] = useErrorBoundary((failure) => console.error(failure));
  if (!error) return children;
  return html`<div class="problem" role="alert">
    <strong>This page failed.</strong> ${String(error.message ?? error)} <button type="button" onClick=${again}>Try again</button>
  </div>`;
}

const Nowhere = () =>
  html`<div class="problem" role="alert"><strong>There is no such page.</strong> Go to <a href="#/">the search</a>.</div>`;

/** A new page starts at its top, and the keyboard with it, unless the page has put the focus somewhere. */
function useArrival(path) {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) {
      scrollTo(0, 0);
      if (document.activeElement === document.body) document.getElementById("main").focus();
    }
    first.current = false;
  }, [path]);
}

/** "/" starts a search from anywhere. */
function useSlash() {
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input, textarea, select")) return;
      event.preventDefault();
      if (!focusSearch()) go("/");
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** By hand: the part after # is our route. */
function skipToMain(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${App} />`, document.getElementById("app"));
