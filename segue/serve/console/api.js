/** The server's interface. Every call returns data, or throws an `Error` whose message is for people. */

async function call(path, { method = "GET", body, signal } = {}) {
  const headers = body && { "content-type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Is `segue serve` still running?");
  }
  const data = await response.json().catch(() => null);
  if (!response.ok) throw new Error(data?.detail ?? `The server answered ${response.status} ${response.statusText}.`);
  if (data === null) throw new Error("The server's answer could not be read: it is not JSON.");
  return data;
}

/** Paths have no leading slash, so that the console also works below a prefix of a proxy. */
export const ask = (text, domain, signal) =>
  call("v1/requests", { method: "POST", body: { text, domain, limit: 30 }, signal });

/** What is searched, and in which domains an agent acts: { domains, acting }. */
export const domains = () => call("v1/domains");

export const actions = async () => (await call("v1/actions")).actions;

export const recentAnswers = async (limit) => (await call(`v1/answers?limit=${limit}`)).answers;

export const pastAnswer = (id) => call(`v1/answers/${encodeURIComponent(id)}`);

export const learning = () => call("v1/learning");

export const understanding = () => call("v1/understanding");

export const upgrades = () => call("v1/upgrades");

/** One that the gate let pass. Takes some seconds where the catalogue is large. */
export const goLive = (candidate) => call("v1/upgrades/live", { method: "POST", body: { candidate } });

export const rollback = () => call("v1/upgrades/rollback", { method: "POST", body: {} });

/** Takes some seconds. */
export const policies = (domain, signal) =>
  call(`v1/learning/policies${domain ? `?domain=${encodeURIComponent(domain)}` : ""}`, { signal });

/** What the server says of its own interface (OpenAPI). */
export const description = () => call("openapi.json");

/** `id` makes it safe to send twice: a lost connection after the server has learned it does no harm. */
export const feedback = (answer, result, action) =>
  call("v1/feedback", {
    method: "POST",
    body: { answer: answer.id, item: result.id, domain: result.domain, action, id: newId() },
  });

/** Not `crypto.randomUUID`: browsers have it on https and localhost only. */
const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
