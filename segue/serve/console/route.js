/** Where we are: everything after the # of the address, so that reload, links and the back button work. */
import { useEffect, useState } from "./vendor/preact-htm.js";

/** "#/answers?x=1" → { path: "/answers", query: URLSearchParams } */
export function parse(hash) {
  const [, path, query] = /^#?([^?]*)\??(.*)$/s.exec(hash);
  return { path: path || "/", query: new URLSearchParams(query) };
}

/** The address of a page; empty values are left out. */
export function link(path, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  return `#${path}${query.size ? `?${query}` : ""}`;
}

export function go(path, values) {
  location.hash = link(path, values);
}

export function useRoute() {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => set(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
