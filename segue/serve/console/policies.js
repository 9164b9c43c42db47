/** Other policies, judged from the log when somebody asks for it. */
import { html, useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";
import { Figure, Intervals, short } from "./charts.js";
import { count, number, percent } from "./format.js";

const NAMES = { fusion: "rank fusion", bandit: "bandit, no trying" };
const WAYS = [
  { way: "by place", hue: "0" },
  { way: "by item", hue: "1" },
];
const HALF = 0.5;

export function Policies({ domain }) {
  const [{ judged, error, busy }, set] = useState({});
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), []);
  const judge = useCallback(() => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    set({ busy: true });
    api.policies(domain, mine.signal).then(
      (judged) => set({ judged }),
      (error) => !mine.signal.aborted && set({ error }),
    );
  }, [domain]);
  return html`<section class="figure policies" aria-labelledby="policies" aria-busy=${String(Boolean(busy))}>
    <div class="page-head">
      <h3 id="policies">What other policies would have earned</h3>
      <button type="button" class=${judged ? "" : "primary"} disabled=${busy} onClick=${judge}>${busy ? "Judging…" : judged ? "Judge again" : "Judge other policies"}</button>
    </div>
    <p>Rank fusion, the bandit without trying things out, and each strategy alone, judged on the last answers without being shown to anybody: by what people took from pages in
      which something was tried out. It takes some seconds; <code>segue evaluate policy</code> does the same.</p>
    <div role="status">${busy && html`<p class="faint">Asking the last requests again…</p>`}</div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${judged && html`<${Judged} ...${judged} />`}
  </section>`;
}

function Judged({ log, policies, "logged policy": own }) {
  const rows = Object.entries(policies).filter(([, about]) => about["results a page"] > 0);
  const silent = Object.keys(policies).filter((name) => !rows.some(([other]) => other === name));
  const marks = ({ estimates }) => WAYS.filter(({ way }) => way in estimates).map(({ way, hue }) => ({ ...estimates[way], hue, faint: estimates[way].coverage < HALF }));
  return html`
    <${Figure} title="Weighted actions a page" table=${{ head: ["policy", "by place", "self-normalised", "covered", "by item", "self-normalised", "covered", "effective pages"], rows: rows.map(cells) }}
      note=${`Estimates with 95 % intervals on ${count(log.pages, "page")}; the bandit learned from the ${count(log["learned from"], "answer")} before. By place: what stood just where the policy would have put it counts. By item: what it would have shown counts, wherever it stood. Hollow: less than half of what the policy would show could have been logged, so the estimate is far too low.`}>
      <${Intervals} label=${`Estimated value of ${rows.length} policies against ${short(own.value)} as logged.`} xName="weighted actions a page" level=${{ at: own.value, name: `logged: ${short(own.value)}` }}
        rows=${rows.map(([name, about]) => ({ name: NAMES[name] ?? name, marks: marks(about) }))} kinds=${[...WAYS.map(({ way, hue }) => ({ name: way, hue })), { name: "less than half covered", hue: "plain", faint: true }]} />
    <//>
    ${silent.length > 0 && html`<p class="faint">Found nothing for any of these requests: ${silent.join(", ")}.</p>`}
    ${log["put in order by a ranker"] > 0 && html`<p class="faint">By place without the ${count(log["put in order by a ranker"], "page")} that a ranker put in order.</p>`}
    ${Object.entries(log["left out"]).map(([why, many]) => html`<p class="faint">Left out: ${count(many, "page")} ${why}.</p>`)}
    <details class="numbers"><summary>What to beware of</summary>
      <dl class="warnings">${rows.map(([name, { estimates }]) => html`<div key=${name}><dt>${NAMES[name] ?? name}</dt>
        ${WAYS.flatMap(({ way }) => (estimates[way]?.warnings ?? []).map((warning) => html`<dd><span class="faint">${way}:</span> ${warning}</dd>`))}
        ${WAYS.every(({ way }) => !estimates[way]?.warnings.length) && html`<dd>Nothing.</dd>`}</div>`)}</dl>
    </details>`;
}

function cells([name, { estimates }]) {
  const of = (way) => !(way in estimates) ? ["–", "–", "–"] : [interval(estimates[way]), estimates[way].coverage < HALF ? "–" : interval(estimates[`${way}, self-normalised`]), percent(estimates[way].coverage)];
  const sizes = WAYS.map(({ way }) => (way in estimates ? number(Math.round(estimates[way].effective_sample_size)) : "–"));
  return [NAMES[name] ?? name, ...of("by place"), ...of("by item"), sizes.join(" / ")];
}

const interval = ({ value, low, high }) => `${short(value)} (${short(low)} to ${short(high)})`;
