/** The HTTP interface, read from the server's own OpenAPI description: every route, what it takes and what it gives. */
import { html, useEffect, useState } from "./vendor/preact-htm.js";
import * as api from "./api.js";

export function InterfacePage() {
  const [{ about, error }, set] = useState({});
  useEffect(() => {
    document.title = "HTTP interface · Segue";
    api.description().then(
      (about) => set({ about }),
      (error) => set({ error }),
    );
  }, []);
  return html`<div class="page">
    <div class="page-head"><h1>HTTP interface</h1><a href="openapi.json">openapi.json</a></div>
    ${error && html`<div class="problem" role="alert">${error.message}</div>`}
    ${about && html`<p>${about.info.description} Errors are problem details (RFC 9457).</p>
      ${routes(about).map((route) => html`<${Route} key=${route.method + route.path} about=${about} ...${route} />`)}`}
  </div>`;
}

const routes = ({ paths }) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary, description, parameters, requestBody, responses }]) => ({
      path, method: method.toUpperCase(), summary, description, parameters, takes: requestBody, gives: responses[200],
    })),
  );

function Route({ about, method, path, summary, description, parameters, takes, gives }) {
  const body = schemaOf(about, takes);
  const answer = schemaOf(about, gives);
  return html`<section class="route">
    <h2><code>${method} ${path}</code></h2>
    <p>${summary}. ${description === summary ? "" : description}</p>
    ${parameters?.length > 0 && html`<${Fields} name="In the address" fields=${parameters.map(({ name, description, required }) => ({ name, description, required }))} />`}
    ${body && html`<${Fields} name="Takes" fields=${fieldsOf(body)} />`}
    ${answer && html`<${Fields} name="Gives" fields=${fieldsOf({ ...answer, required: [] })} />`}
    ${body && html`<pre>${curl(method, path, body)}</pre>`}
  </section>`;
}

function Fields({ name, fields }) {
  return html`<h3>${name}</h3>
    <dl>${fields.map(({ name, description, required }) => html`<div key=${name}>
      <dt><code>${name}</code>${required && html` <span class="faint">required</span>`}</dt><dd>${description ?? ""}</dd>
    </div>`)}</dl>`;
}

function schemaOf(about, part) {
  const schema = part?.content?.["application/json"]?.schema;
  return schema?.$ref ? about.components.schemas[schema.$ref.split("/").at(-1)] : null;
}

const fieldsOf = ({ properties, required = [] }) =>
  Object.entries(properties).map(([name, { description }]) => ({ name, description, required: required.includes(name) }));

/** A line to paste into a shell; what has no example is left for the reader to fill in. */
function curl(method, path, { properties, required = [] }) {
  const body = Object.fromEntries(required.map((name) => [name, properties[name].examples?.[0] ?? (properties[name].type === "array" ? [] : "…")]));
  return `curl -X ${method} ${location.origin}${path} -H 'content-type: application/json' \\\n     -d '${JSON.stringify(body)}'`;
}
