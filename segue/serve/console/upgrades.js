/** Which encoder answers, which is to take over and how far it is, what the gate said of each candidate; go live, and go back. */
import { html, useCallback, useEffect, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";
import { Bar } from "./bars.js";
import { clock, count, fullTime, number, percent } from "./format.js";
import { Icon } from "./icons.js";

const OFTEN = 2000;
const FIRST = 5;
const LOOKED_AT = { vectors: "by vectors alone", answers: "in the whole answer", domain: "the right domain first" };
const WAYS = { fusion: "old and new scores together", ridge: "a map by ridge regression", procrustes: "a map by rotation", compatible: "no map: it was trained to find the stored vectors" };

export function UpgradesPage({ say }) {
  const [{ about, error, busy }, set] = useState({});
  const keep = useCallback((about) => set({ about }), []);
  const load = useCallback(() => api.upgrades().then(keep, (error) => set((was) => ({ ...was, error }))), []);
  useEffect(() => {
    document.title = "Upgrades · Segue";
    load();
  }, []);
  useEffect(() => {
    if (!about?.upgrade) return undefined;
    const timer = setInterval(load, OFTEN);
    return () => clearInterval(timer);
  }, [about?.upgrade?.name]);
  const change = async (how, done) => {
    set((was) => ({ ...was, busy: true, error: undefined }));
    try {
      keep(await how());
      say({ text: done });
    } catch (error) {
      set((was) => ({ ...was, busy: false }));
      say({ text: error.message, bad: true });
    }
  };
  const back = () => {
    const to = about.upgrade ? about.encoder : about.before;
    if (confirm(`Go back to ${to}? Searches are by its vectors alone again. Nothing that was embedded is lost.`)) change(api.rollback, `${to} answers again`);
  };
  const live = (candidate) => {
    if (confirm(`Let ${candidate.encoder} answer beside ${about.encoder} from now on? One press goes back.`)) change(() => api.goLive(candidate.name), `${candidate.encoder} answers`);
  };
  return html`<div class="page upgrades" aria-busy=${String(Boolean(busy))}>
    <div class="page-head">
      <h1>Upgrades</h1>
      <button type="button" onClick=${load}><${Icon} name="again" />Refresh</button>
    </div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${about && html`<${Lineage} ...${about} busy=${busy} back=${back} />`}
    ${about && !about.candidates.length && html`<${Start} />`}
    ${about && [...about.candidates].reverse().map((one) => html`<${Candidate} key=${one.name} ...${one} busy=${busy} free=${!about.upgrade} live=${() => live(one)} isLive=${one.live} />`)}
  </div>`;
}

function Lineage({ encoder, before, upgrade, domains, busy, back }) {
  const steps = [
    before && { name: before, what: "before" },
    { name: encoder ?? "none yet", what: upgrade ? `answers, counts ${counting(1 - upgrade.weight, 1 - upgrade.real)}` : "answers" },
    upgrade && { name: upgrade.encoder, what: `takes over, counts ${counting(upgrade.weight, upgrade.real)}` },
  ].filter(Boolean);
  return html`<section class="figure" aria-labelledby="lineage">
    <div class="page-head"><h2 id="lineage">Encoders of this store</h2>
      ${(upgrade || before) && html`<button type="button" disabled=${busy} onClick=${back}><${Icon} name="undo" />Roll back</button>`}</div>
    <ol class="lineage">${steps.map(({ name, what }) => html`<li key=${name}><code>${name}</code><span>${what}</span></li>`)}</ol>
    ${upgrade && html`<table class="health backfill"><caption class="unseen">Items embedded anew</caption><tbody>
      ${domains.map(({ domain, items, embedded }) => html`<tr key=${domain}><th scope="row">${domain}</th>
        <td><${Bar} share=${items ? embedded / items : 1} hue="0" /></td>
        <td class="number">${number(embedded)} of ${number(items)}</td><td class="number">${percent(items ? embedded / items : 1)}</td></tr>`)}
    </tbody></table>
    <p>${next(domains)}</p>`}
  </section>`;
}

/** How much an encoder counts for items with a mapped vector, and for those embedded anew. */
const counting = (mapped, real) => (mapped === real ? percent(mapped) : `${percent(mapped)}, ${percent(real)} of items embedded anew`);

function next(domains) {
  const left = domains.reduce((sum, { items, embedded }) => sum + items - embedded, 0);
  if (!left) return html`Every item has a vector of the new encoder. Let it answer alone: <code>segue upgrade finish --store STORE</code>`;
  return html`${count(left, "item")} still ${left === 1 ? "has" : "have"} a mapped vector. Embed them behind the running store: <code>segue upgrade backfill --store STORE</code>`;
}

function Start() {
  return html`<section class="figure" aria-labelledby="start-upgrade">
    <h2 id="start-upgrade">Replace the encoder without a re-index</h2>
    <p>A bridge lets a new encoder answer on the vectors that are there; the gate says beforehand which searches would break.</p>
    <pre>segue upgrade plan   --store STORE --model MODEL      what it changes and costs
segue upgrade bridge --store STORE --model MODEL      a candidate
segue upgrade gate   --store STORE --candidate NAME   what it breaks</pre>
    <p>A candidate that passes can go live from here, and back.</p>
  </section>`;
}

function Candidate({ name, encoder, created, weight, real, how, calibrated, gate, busy, free, live, isLive }) {
  const [tone, word] = !gate ? ["faint", "not judged"] : gate.passed ? ["good", "passed"] : ["bad", "refused"];
  const embedded = Object.values(calibrated).reduce((sum, items) => sum + items, 0);
  return html`<section class="figure candidate" data-candidate=${name} aria-labelledby=${name}>
    <div class="page-head"><h2 id=${name}>${name} <span class=${`state ${tone}`}>${word}</span>${isLive && html` <span class="state good">live</span>`}</h2>
      ${gate?.passed && free && html`<button type="button" class="primary" disabled=${busy} onClick=${live}>Go live</button>`}</div>
    <dl class="facts">
      <div><dt>to</dt><dd><code>${encoder}</code></dd></div>
      <div><dt>by</dt><dd>${how}: ${WAYS[how] ?? how}; the new encoder counts ${counting(weight, real)}</dd></div>
      <div><dt>fitted on</dt><dd>${embedded ? `${count(embedded, "item")}, embedded anew` : "nothing"}</dd></div>
      <div><dt>made</dt><dd><time title=${fullTime(created)}>${clock(created)}</time></dd></div>
    </dl>
    ${gate ? html`<${Said} ...${gate} />` : html`<p>Ask the gate: <code>segue upgrade gate --store STORE --candidate ${name}</code></p>`}
  </section>`;
}

function Said({ verdicts, time, "cross-test": cross }) {
  return html`<div class="scroll"><table class="verdicts">
      <caption class="unseen">What the gate said</caption>
      <thead><tr><th scope="col">found among the first 10</th><th scope="col" class="number">before</th><th scope="col" class="number">then</th><th scope="col" class="number">lost</th><th scope="col">the gate</th></tr></thead>
      <tbody>${Object.entries(verdicts).map(([what, verdict]) => html`<tr key=${what}>
        <th scope="row">${LOOKED_AT[what] ?? what}</th><td class="number">${percent(verdict.right[0])}</td><td class="number">${percent(verdict.right[1])}</td>
        <td class="number">${percent(verdict.rate.value)}</td><td><b class=${verdict.passed ? "good" : "bad"}>${verdict.passed ? "passes" : "refuses"}</b>: ${verdict.reason}</td></tr>`)}</tbody>
    </table></div>
    ${cross && html`<div class="scroll"><table class="heat cross-test">
      <caption>Cross-test: queries by one encoder among vectors of another, by vectors alone</caption>
      <thead><tr><th scope="col">queries</th><th scope="col">vectors</th><th scope="col">found</th></tr></thead>
      <tbody>${cross.map(({ queries, vectors, found }) => html`<tr key=${queries}><th scope="row">${queries}</th><td>${vectors}</td><td class="right" style=${`--share: ${Math.round(60 * found)}%`}>${percent(found)}</td></tr>`)}</tbody>
    </table></div>`}
    ${Object.entries(verdicts).map(([what, verdict]) => verdict.lost > 0 && html`<${Lost} key=${what} what=${what} ...${verdict} />`)}
    <p class="faint">Judged <time title=${fullTime(time)}>${clock(time)}</time> on ${count(Object.values(verdicts)[0].cases, "case")}: judged queries, what people took, and titles.</p>`;
}

/** What was found before, and would not be: by query. */
function Lost({ what, lost, broken }) {
  const [all, showAll] = useState(false);
  const shown = all ? broken : broken.slice(0, FIRST);
  return html`<div class="lost"><h3>Lost ${LOOKED_AT[what] ?? what}: ${count(lost, "search", "searches")}</h3>
    <ul class="examples-of">${shown.map(({ case: one, before, after }) => html`<li key=${`${one.group} ${one.text}`}><b>${one.text}</b> found <i>${one.wanted}</i> at ${before}, then ${after ? `at ${number(after)}` : "not"} <span class="faint">(${one.group})</span></li>`)}</ul>
    ${broken.length > FIRST && html`<button type="button" class="quiet" aria-expanded=${String(all)} onClick=${() => showAll(!all)}>${all ? "Show fewer" : `Show ${broken.length - FIRST} more`}</button>`}
    ${all && lost > broken.length && html`<p>… and ${number(lost - broken.length)} more: <code>segue upgrade gate --json</code></p>`}
  </div>`;
}
