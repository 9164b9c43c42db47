/** The last answers, newest first. */
import { html, useCallback, useEffect, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";
import { Bar, hues } from "./bars.js";
import { clock, fullTime, milliseconds, percent } from "./format.js";
import { Icon } from "./icons.js";
import { link } from "./route.js";

const SHOWN = 50;

export function RecentPage() {
  const [{ answers, error }, set] = useState({});
  const load = useCallback(() => {
    api.recentAnswers(SHOWN).then(
      (answers) => set({ answers }),
      (error) => set({ error }),
    );
  }, []);
  useEffect(() => {
    document.title = "Recent answers · Segue";
    load();
  }, []);
  return html`<div class="page">
    <div class="page-head">
      <h1>Recent answers</h1>
      <button type="button" onClick=${load}><${Icon} name="again" />Refresh</button>
    </div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${answers?.length === 0 && html`<p>Nothing has been asked yet. <a href="#/">Ask something</a>.</p>`}
    ${answers?.length > 0 && html`<${Answers} answers=${answers} />`}
  </div>`;
}

function Answers({ answers }) {
  const hue = hues(new Set(answers.flatMap(({ hypotheses }) => hypotheses.map(({ domain }) => domain))));
  return html`<table class="recent">
    <caption class="unseen">The last ${answers.length} answers, newest first</caption>
    <thead><tr><th scope="col">time</th><th scope="col">request</th><th scope="col">likeliest domain</th><th scope="col">first result</th><th scope="col" class="number">ms</th></tr></thead>
    <tbody>${answers.map((answer) => html`<${Row} key=${answer.id} answer=${answer} hue=${hue} />`)}</tbody>
  </table>`;
}

function Row({ answer, hue }) {
  const { id, request, hypotheses, results } = answer;
  const likeliest = hypotheses[0];
  return html`<tr>
    <td class="when" title=${fullTime(request.time)}>${clock(request.time)}</td>
    <td class="text"><a href=${link(`/answers/${id}`)}>${request.text}</a>${request.domain && html` <span class="faint">in ${request.domain}</span>`}</td>
    <td class="domain">${likeliest && html`<span>${likeliest.domain}</span><${Bar} share=${likeliest.confidence} hue=${hue(likeliest.domain)} /><span class="number">${percent(likeliest.confidence)}</span>`}</td>
    <td class="first">${results[0]?.title ?? html`<span class="faint">nothing found</span>`}</td>
    <td class="number">${milliseconds(answer.milliseconds).replace(" ms", "")}<span class="narrow-only"> ms</span></td>
  </tr>`;
}
