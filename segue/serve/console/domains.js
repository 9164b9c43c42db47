/** What understands requests in each domain: what is live, how far its confidences can be believed, and which domains are confused. */
import { html, useCallback, useEffect, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";
import { hues } from "./bars.js";
import { Confusion } from "./confusion.js";
import { clock, count, fullTime, number, percent } from "./format.js";
import { Icon } from "./icons.js";
import { Reliability } from "./reliability.js";
import { link } from "./route.js";

const ARMS = [
  { arm: "product", name: "before", hue: "1", dashed: true },
  { arm: "re-ranker", name: "after", hue: "0" },
];
const STATES = { live: ["good", "live"], retired: ["faint", "retired"], refused: ["bad", "cannot be used"], none: ["faint", "no reader"] };
const FIRST = 8;

export function DomainsPage() {
  const [{ about, error }, set] = useState({});
  const load = useCallback(() => {
    api.understanding().then(
      (about) => set({ about }),
      (error) => set({ error }),
    );
  }, []);
  useEffect(() => {
    document.title = "Domains · Segue";
    load();
  }, []);
  return html`<div class="page domains">
    <div class="page-head">
      <h1>Domains</h1>
      <button type="button" onClick=${load}><${Icon} name="again" />Refresh</button>
    </div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${about && html`<p class="faint">${decides(about)}</p>`}
    ${about?.run && html`<${Tiles} ...${about.run} />`}
    ${about && about.domains.every(({ state }) => state === "none") && html`<${Start} domains=${about.domains} />`}
    ${about && html`<div class="figures">${about.domains.map((one) => html`<${Domain} key=${one.domain} hue=${hues(about.domains.map(({ domain }) => domain))(one.domain)} ...${one} />`)}</div>`}
    ${about?.acting.length > 0 && html`<div class="figures">${about.acting.map((one) => html`<${Acting} key=${one.domain} ...${one} />`)}</div>`}
    ${about?.run && html`<${Between} ...${about.run} /><${Changed} ...${about.run} />`}
  </div>`;
}

function decides({ by, without, domains }) {
  if (by === "readers") return "Readers say what a request may mean in each domain; each domain's re-ranker, trained alone, says how likely that is right.";
  if (domains.some(({ state }) => state === "live")) return `The choice fitted on titles says which domain is meant, not the readers: there is no live reader of ${without.join(", ")}.`;
  return "The choice fitted on titles says which domain is meant: no reader is live.";
}

function Start({ domains }) {
  const there = domains.length ? "your store" : "a store with catalogues";
  return html`<section class="figure start-readers" aria-labelledby="start-readers">
    <h2 id="start-readers">Teach ${there} to read requests</h2>
    <p>A reader tells the intent and the slots of a request, a re-ranker how likely that is right. Both learn from labelled requests, one JSON object a line:</p>
    <pre>{"text": "play help by the beatles", "domain": "songs", "intent": "play",
 "slots": [{"name": "title", "start": 5, "end": 9}]}</pre>
    <pre>segue train reader --data requests.jsonl --out readers
segue train reranker --data requests.jsonl --model readers --store STORE</pre>
    <p>They go live one domain at a time, and this server takes them up by itself. To look at it with films, songs and books first:</p>
    <pre>segue demo --understand</pre>
  </section>`;
}

function Tiles({ requests, all, confusion }) {
  const right = (arm) => {
    const { counts } = confusion[arm];
    return counts.reduce((sum, row, place) => sum + row[place], 0) / Math.max(requests, 1);
  };
  const [before, after] = ARMS.map(({ arm }) => arm);
  return html`<dl class="tiles">
    <div><dt>requests measured</dt><dd>${number(requests)}</dd></div>
    <div><dt>went where they were meant to</dt><dd>${percent(right(before))} → ${percent(right(after))}</dd></div>
    <div><dt>calibration error</dt><dd>${three(all[before]["calibration error"])} → ${three(all[after]["calibration error"])}</dd></div>
    <div><dt>with true confidences</dt><dd>${three(all[after]["calibration floor"])}</dd></div>
  </dl>`;
}

function Domain({ domain, hue, items, state, problem, artifact, reader, reranker, measured }) {
  const [tone, word] = STATES[state];
  const name = `domain-${domain}`;
  return html`<section class="figure domain" data-state=${state} data-domain=${domain} data-hue=${hue} aria-labelledby=${name}>
    <div class="domain-head"><h2 id=${name}>${domain}</h2><span class=${`state ${tone}`}>${word}</span>
      <span class="size">${items === null ? "no catalogue" : count(items, "item")}</span></div>
    ${problem && html`<div class="problem">${problem}</div>`}
    ${state === "retired" && html`<p>It is asked only when a request names it. To put it back:</p><pre>segue restore reader --domain ${domain} --store STORE</pre>`}
    ${state === "none" && html`<p>What is meant here, the choice fitted on titles says.</p>`}
    ${state !== "none" && html`<dl class="facts">
      ${reader && html`<div><dt>reader</dt><dd>trained <${When} at=${reader.created} />${reader.encoder ? ", beside the small encoder" : ""}</dd></div>`}
      ${reranker && html`<div><dt>re-ranker</dt><dd>trained <${When} at=${reranker.created} /> from ${count(reranker.requests ?? 0, "request")}${measured && `, ${own(measured)}`}</dd></div>`}
      ${reader && !reranker && html`<div><dt>re-ranker</dt><dd>none: the product of the reader's probabilities stands for it</dd></div>`}
      ${reranker && html`<div><dt>in place of</dt><dd>${reranker.parent ? html`<code title=${reranker.parent}>${reranker.parent.slice(0, 12)}</code>${reranker.parent === reranker.hash && ", the same"}` : "none: it is the first"}</dd></div>`}
      <div><dt>artifact</dt><dd><code>${artifact}</code></dd></div>
    </dl>`}
    ${measured && html`<${Measured} ...${measured} />
      <${Reliability} title=${`How far ${domain} can be believed`} arms=${ARMS.map(({ arm, ...drawn }) => ({ ...drawn, bins: measured.reliability[arm] }))}
        note="Of the requests that went here: how often all that was read was right, by the confidence in it; 95 % intervals." />`}
    ${reranker && !measured && !problem && html`<p class="faint">It was not measured. <code>segue train reranker</code> keeps what it measures.</p>`}
  </section>`;
}

/** A domain in which an agent carries out instructions, and how well it did that when it was trained. */
function Acting({ domain, state, problem, artifact, house, agent, measured }) {
  const [tone, word] = STATES[state];
  const name = `acting-${domain}`;
  return html`<section class="figure domain" data-state=${state} data-acting=${domain} data-hue="plain" aria-labelledby=${name}>
    <div class="domain-head"><h2 id=${name}>${domain}, an agent</h2><span class=${`state ${tone}`}>${word}</span></div>
    ${problem && html`<div class="problem">${problem}</div>`}
    <dl class="facts">
      ${agent && html`<div><dt>trained</dt><dd><${When} at=${agent.created} />, from demonstrations with instructions alone</dd></div>`}
      ${house && html`<div><dt>walks in</dt><dd>the generated house ${house.number} of seed ${house.seed}</dd></div>`}
      <div><dt>artifact</dt><dd><code>${artifact}</code></dd></div>
    </dl>
    ${measured && html`<table class="measures">
      <caption class="unseen">Measured on walks that were held out</caption>
      <tbody>
        ${"success" in measured.learned && html`<tr><th scope="row">held-out walks that ended where they should</th><td class="number"><b>${percent(measured.learned.success)}</b></td></tr>`}
        <tr><th scope="row">walks to which its reward gives the right instruction more than another</th><td class="number"><b>${percent(measured.reward["right above wrong"])}</b></td></tr>
      </tbody>
    </table>`}
  </section>`;
}

const When = ({ at }) => html`<time title=${fullTime(at)}>${clock(at)}</time>`;

const own = ({ requests, corrections }) => `${number(requests)} of them its own${corrections ? ` and ${count(corrections, "correction")}` : ""}`;

const MEASURES = [
  { name: "domain accuracy", write: percent, up: true },
  { name: "semantic error", write: percent },
  { name: "calibration error", write: (value) => three(value), floor: true },
];

function Measured(measured) {
  return html`<table class="measures">
    <caption class="unseen">Measured before and after the re-ranker</caption>
    <thead><tr><td></td><th scope="col" class="number">before</th><th scope="col" class="number">after</th></tr></thead>
    <tbody>${MEASURES.map(({ name, write, up, floor }) => {
      const [before, after] = ARMS.map(({ arm }) => measured[arm][name]);
      const better = up ? after > before : after < before;
      return html`<tr key=${name}><th scope="row">${name}</th>
        <td class="number">${write(before)}</td><td class="number"><b class=${write(after) === write(before) ? "" : better ? "good" : "bad"}>${write(after)}</b></td></tr>
        ${floor && html`<tr class="faint"><th scope="row">… if confidences were true</th>${ARMS.map(({ arm }) => html`<td class="number">${three(measured[arm]["calibration floor"])}</td>`)}</tr>`}`;
    })}</tbody>
  </table>`;
}

function Between({ confusion, requests }) {
  return html`<${Confusion} arms=${ARMS.map(({ arm, name }) => ({ name, ...confusion[arm] }))}
    note=${`Of ${count(requests, "labelled request")}, how many went from which domain to which. Before: by the product of the readers' probabilities; after: by re-rankers that had not seen the request. Nobody: meant for none of these domains, or nothing was likelier right than 20 %. Press a number to see some of them.`} />`;
}

function Changed({ trained, created, requests, decisions }) {
  const [all, showAll] = useState(false);
  const { changed, listed, "to another domain": moved } = decisions;
  const rows = all ? listed : listed.slice(0, FIRST);
  return html`<section class="figure changed-decisions" aria-labelledby="changed">
    <h2 id="changed">What the last training changed</h2>
    <p>${trained.join(", ")}, <${When} at=${created} />: ${changed ? `${number(changed)} of ${count(requests, "decision")} are others than before it, ${number(moved)} of them in another domain.` : `none of ${count(requests, "decision")} is another than before it.`}</p>
    ${rows.length > 0 && html`<div class="scroll"><table class="decisions">
      <caption class="unseen">Changed decisions</caption>
      <thead><tr><th scope="col">request</th><th scope="col">was</th><th scope="col">is</th><th scope="col">meant for</th></tr></thead>
      <tbody>${rows.map(({ text, before, after, right }) => html`<tr key=${text}>
        <th scope="row"><a href=${link("/", { q: text })}>${text}</a></th><td>${before}</td><td class=${turn(before, after, right)}>${after}</td><td>${right}</td></tr>`)}</tbody>
    </table></div>`}
    ${listed.length > FIRST && html`<button type="button" class="quiet" aria-expanded=${String(all)} onClick=${() => showAll(!all)}>${all ? "Show fewer" : `Show ${listed.length} of them`}</button>`}
  </section>`;
}

/** Whether a decision came to the right domain, or left it. */
function turn(before, after, right) {
  const [was, is] = [before, after].map((read) => read.startsWith(`${right} `));
  return was === is ? "" : is ? "good" : "bad";
}

const three = (value) => value.toFixed(3).replace(/^0/, "");
