/** What has been learned lately: who the results came from, what it was worth, how the strategies are, what is remembered. */
import { html, useCallback, useEffect, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";
import { Curves, Figure, NowAndUsual, short } from "./charts.js";
import { clock, count, number, percent } from "./format.js";
import { Icon } from "./icons.js";
import { Policies } from "./policies.js";
import { link } from "./route.js";

const HUES = 8;

export function LearningPage({ route }) {
  const [{ report, error }, set] = useState({});
  const load = useCallback(() => {
    api.learning().then(
      (report) => set({ report }),
      (error) => set({ error }),
    );
  }, []);
  useEffect(() => {
    document.title = "Learning · Segue";
    load();
  }, []);
  const domains = Object.keys(report?.domains ?? {});
  const asked = route.query.get("domain");
  const most = domains.toSorted((one, other) => report.domains[other].answers.at(-1) - report.domains[one].answers.at(-1))[0];
  const domain = domains.includes(asked) ? asked : most;
  return html`<div class="page learning">
    <div class="page-head">
      <h1>Learning</h1>
      <button type="button" onClick=${load}><${Icon} name="again" />Refresh</button>
    </div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${report && !domain && html`<p>Nothing has been learned yet. <a href="#/">Ask something</a>, play, save or like what you wanted, and come back.</p>`}
    ${domain && html`
      <p class="faint">${report.policy}</p>
      ${domains.length > 1 && html`<nav class="filter" aria-label="Domains">
        ${domains.map((name) => html`<a class="button" href=${link("/learning", { domain: name })} aria-current=${name === domain ? "true" : null}>${name} <span class="size">${number(report.domains[name].answers.at(-1))}</span></a>`)}
      </nav>`}
      <${Domain} key=${domain} name=${domain} remembered=${report.remembered} ...${report.domains[domain]} />`}
  </div>`;
}

function Domain({ name, remembered, ...about }) {
  return html`
    <${Tiles} remembered=${remembered} ...${about} />
    <div class="figures">
      <${Shares} ...${about} />
      <${Regret} ...${about} />
      <${Memory} remembered=${remembered} ...${about} />
      <${Alarms} ...${about} />
    </div>
    <${Health} ...${about} />
    <${Policies} domain=${name} />`;
}

function Tiles({ answers, pages, takes, health, times }) {
  const broken = Object.values(health).filter(({ healthy }) => !healthy).length;
  return html`<dl class="tiles">
    <div><dt>answers</dt><dd>${number(answers.at(-1))}</dd></div>
    <div><dt>taken from these</dt><dd>${number(sum(takes))}</dd></div>
    <div><dt>pages learned from</dt><dd>${number(pages)}</dd></div>
    <div><dt>strategies that are broken</dt><dd class=${broken ? "bad" : ""}>${broken || "none"}</dd></div>
    <div><dt>since</dt><dd>${clock(times[0])}</dd></div>
  </dl>`;
}

/** The most seen strategies, and all others in one. */
function Shares({ start, answers, split, held }) {
  const names = Object.keys(split).sort((one, other) => sum(split[other]) - sum(split[one]));
  const main = names.length > HUES ? names.slice(0, HUES - 1) : names;
  const rest = names.slice(main.length);
  const series = main.map((name, hue) => ({ name, hue: String(hue), values: fromStart(split[name]) }));
  if (rest.length) series.push({ name: "others", hue: "plain", values: fromStart(split[rest[0]].map((_, at) => sum(rest.map((name) => split[name][at])))) });
  const rows = names.map((name) => [name, percent(held[name].at(0)), percent(held[name].at(-1)), percent(mean(held[name])), percent(mean(split[name]))]);
  return html`<${Figure} title="Where the results came from" table=${{ head: ["strategy", "had it, at first", "had it, lately", "had it, on average", "its share"], rows }}
    note="Of the results shown, the share that each strategy had returned; a result that several had is divided among them.">
    ${names.length > 0 ? html`<${Curves} stacked label=${`Shares of the shown results by strategy. Most come from ${names.slice(0, 3).join(", ")}.`}
      x=${[start, ...answers]} xName="answers" yName="share of results" series=${series} format=${(value) => percent(value)} />`
      : html`<p class="faint">No result of these answers says which strategy it came from.</p>`}
  <//>`;
}

function Regret({ start, answers, regret, corrected, takes }) {
  const last = regret.at(-1);
  const rows = answers.map((at, place) => [number(at), number(takes[place]), short(regret[place]), short(corrected[place])]);
  const series = [
    { name: "as taken", hue: "0", values: [0, ...regret] },
    { name: "corrected for place", hue: "1", values: [0, ...corrected], dashed: true },
  ];
  return html`<${Figure} title="Regret against static rank fusion" table=${{ head: ["answers", "taken", "as taken", "corrected"], rows }}
    note="Below 0, what people took stood higher than rank fusion would have put it on the same page. People take what stands high, which flatters whatever order was shown: the corrected curve counts a take more, the less its place is looked at.">
    ${takes.some((many) => many) ? html`<${Curves} label=${`Cumulated regret, ${short(last)} after ${answers.at(-1)} answers: ${last <= 0 ? "better" : "worse"} than rank fusion.`}
      x=${[start, ...answers]} xName="answers" yName="DCG lost, cumulated" series=${series} level=${{ at: 0, name: "rank fusion" }} format=${short} />`
      : html`<p class="faint">Nothing has been taken from these answers yet. Play, save or like a result, and it counts.</p>`}
  <//>`;
}

function Memory({ start, answers, pairs, remembered }) {
  const rows = answers.map((at, place) => [number(at), number(pairs[place])]);
  return html`<${Figure} title="What is remembered" table=${{ head: ["answers", "pairs"], rows }}
    note=${`Pairs of a query and an item that somebody acted on in these answers. In all its domains the memory holds ${number(remembered)}.`}>
    ${pairs.at(-1) > 0 ? html`<${Curves} label=${`Remembered pairs: ${pairs.at(-1)} after ${answers.at(-1)} answers.`} x=${[start, ...answers]} xName="answers" yName="pairs"
      series=${[{ name: "pairs", hue: "2", values: [start ? pairs[0] : 0, ...pairs] }]} format=${(value) => number(value)} />`
      : html`<p class="faint">Nothing yet: the memory starts with the first action on a result.</p>`}
  <//>`;
}

function Alarms({ alarms }) {
  return html`<section class="figure" aria-labelledby="alarms">
    <h3 id="alarms">Alarms</h3>
    ${alarms.length === 0 ? html`<p class="faint">None. When a strategy stops finding what others find, returns nothing any more, or no longer finds what people take, it is left out, tried
      on one request in ten, and named here.</p>`
      : html`<ol class="alarms">${alarms.toReversed().map(({ answers, strategy, what }) => html`<li class=${what.startsWith("broke") ? "bad" : "good"}><b>${strategy}</b> ${what} <span class="faint">after ${count(answers, "answer")}</span></li>`)}</ol>`}
  </section>`;
}

const SIGNALS = [
  ["agreement", "others find it too"],
  ["answers", "returns anything"],
  ["credit", "had what was taken"],
];

function Health({ health }) {
  return html`<section class="figure" aria-labelledby="health">
    <h3 id="health">Health of the strategies</h3>
    <p>Each signal now <svg class="now sample" width="10" height="10" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="4" /></svg> against what is
      usual <svg class="now sample" width="6" height="14" viewBox="0 0 6 14" aria-hidden="true"><line class="usual" x1="3" x2="3" y1="1" y2="13" /></svg>; and how often it alone is expected to find what is wanted.</p>
    <div class="scroll"><table class="health">
      <caption class="unseen">Health of the strategies</caption>
      <thead><tr><th scope="col">strategy</th>${SIGNALS.map(([, name]) => html`<th scope="col">${name}</th>`)}<th scope="col" class="number">worth asking</th><th scope="col">verdict</th></tr></thead>
      <tbody>${Object.entries(health).map(([name, about]) => html`<tr key=${name}>
        <th scope="row">${name}</th>
        ${SIGNALS.map(([signal]) => html`<td><${Signal} ...${about[signal]} fallen=${!about.healthy} /></td>`)}
        <td class="number">${percent(Math.max(0, about.worth))}</td>
        <td>${about.healthy ? html`<span class="good">well</span>` : html`<span class="bad">broken: ${about.why.join(", ")}</span>`}</td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

const Signal = ({ now, usually, seen, fallen }) =>
  seen
    ? html`<span class="signal"><${NowAndUsual} now=${now} usual=${usually} fallen=${fallen} /><span class="number">${percent(now)} <span class="faint">usually ${percent(usually)}</span></span></span>`
    : html`<span class="faint">not asked yet</span>`;

/** A first point at the start, so that one chunk is a picture already. */
const fromStart = (values) => [values[0], ...values];
const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;
