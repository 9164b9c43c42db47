/** One logged answer, as it was given. */
import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { AnswerView } from "./answer.js";
import * as api from "./api.js";
import { count, fullTime, milliseconds } from "./format.js";
import { link } from "./route.js";

export function PastPage({ match }) {
  const id = match[1];
  const [{ answer, error }, set] = useState({});
  useEffect(() => {
    document.title = "An answer · Segue";
    api.pastAnswer(decode(id)).then(
      (answer) => set({ answer }),
      (error) => set({ error }),
    );
  }, [id]);
  return html`<div class="page">
    <p><a href="#/answers">Recent answers</a></p>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${answer && html`<${Head} answer=${answer} /><${AnswerView} answer=${answer} />`}
  </div>`;
}

function Head({ answer: { request, results, milliseconds: total } }) {
  const context = Object.entries(request.context);
  return html`<div class="page-head">
      <h1>${request.text}</h1>
      <a class="button" href=${link("/", { q: request.text, domain: request.domain })}>Ask this now</a>
    </div>
    <p class="faint">
      ${fullTime(request.time)} · ${count(results.length, "result")} in ${milliseconds(total)}${request.domain && ` · only in ${request.domain}`}
      ${context.map(([name, value]) => html` · ${name}: ${value}`)}
    </p>`;
}

/** A hand-written address may hold a lone %. */
function decode(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
