// Routes are behind the `#`: the server has one page. `#/items/ID?q=blue` is ["items", "ID"] with the parameters.
import { useEffect, useState } from "./elements/html.js";

function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { parts, parameters: new URLSearchParams(query) };
}

// A per cent sign that a person typed is no reason to show nothing.
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function link(parts, parameters) {
  const path = parts.map(encodeURIComponent).join("/");
  const query = new URLSearchParams(parameters ?? {}).toString();
  return `#/${path}${query ? `?${query}` : ""}`;
}

export function go(parts, parameters) {
  location.hash = link(parts, parameters);
}

// Changes what the address says without a step in the history: for filters while they are typed.
export function restate(parts, parameters) {
  history.replaceState(null, "", link(parts, parameters));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute() {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
