// Sends bytes by one request, and tells how many have gone. XMLHttpRequest, since fetch tells nothing of a body's way.
import { Problem } from "../api/problem.js";
import { COMMAND, headersOf, newKey } from "../api/request.js";

// The browser sets these itself, and lets no script do so.
const SET_BY_BROWSER = new Set(["content-length", "host"]);

export function sendSigned({ url, headers }, body, options) {
  const all = Object.entries(headers).filter(([name]) => !SET_BY_BROWSER.has(name.toLowerCase()));
  return send("PUT", url, all, body, { ...options, to: "The object store" });
}

// By way of the API, whole: for an upload whose signed request is not known here any more.
export function sendThroughApi(id, contentType, body, options) {
  const headers = headersOf({ headers: { "Content-Type": contentType }, idempotent: true }, newKey());
  return send("PUT", `${COMMAND.base()}/api/v1/uploads/${encodeURIComponent(id)}/content`, Object.entries(headers), body, { ...options, to: COMMAND.name });
}

function send(method, url, headers, body, { signal, progress, to }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const cancel = () => request.abort();
    signal.addEventListener("abort", cancel, { once: true });
    request.open(method, url);
    for (const [name, value] of headers) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded }) => progress(loaded));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", cancel));
    request.addEventListener("load", () => (request.status >= 200 && request.status < 300 ? resolve() : reject(refused(request, to))));
    request.addEventListener("error", () => reject(new Problem({ title: `${to} could not be reached`, detail: "The connection was cut, or does not let this page in (see CORS_ORIGINS)." })));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    request.send(body);
  });
}

// The store says what is wrong in XML, the API as a problem.
function refused({ status, responseText }, to) {
  if (responseText.startsWith("{")) {
    const { type, title, detail } = JSON.parse(responseText);
    return new Problem({ type, title, detail, status });
  }
  const part = (name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(responseText)?.[1] ?? "";
  return new Problem({ title: `${to} refused the bytes (${status} ${part("Code")})`.replace(" )", ")"), detail: part("Message"), status });
}
