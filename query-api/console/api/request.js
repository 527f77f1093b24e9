// One request to one of the two APIs: with the token, a deadline, and a trace id of its own.
import { currentConfig } from "./config.js";
import { problemOf, unreachable } from "./problem.js";
import { session } from "../session/session.js";

const DEADLINE = 15_000;

export const QUERY = { name: "query-api", base: () => "" };
export const COMMAND = { name: "command-api", base: () => currentConfig().command_api };

// `crypto.randomUUID` is there in secure contexts alone, and a console behind plain HTTP in a closed network is none.
export function newKey() {
  return hex(16);
}

function hex(length) {
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function headersOf({ headers = {}, json, mergePatch, ifMatch, idempotent, prefer }, traceId) {
  const all = { Accept: "application/json", ...headers };
  const { token } = session.value;
  if (token) all.Authorization = `Bearer ${token}`;
  if (json !== undefined) all["Content-Type"] = mergePatch ? "application/merge-patch+json" : "application/json";
  if (ifMatch) all["If-Match"] = ifMatch;
  // One key a call: who repeats a call hands its key over.
  if (idempotent) all["Idempotency-Key"] = idempotent === true ? newKey() : idempotent;
  if (prefer) all.Prefer = prefer;
  all.traceparent = `00-${traceId}-${hex(8)}-01`;
  return all;
}

// Resolves with `{ status, body, etag, traceId }`; throws a Problem.
export async function call(api, method, path, options = {}) {
  const traceId = hex(16);
  const { token } = session.value;
  const deadline = AbortSignal.timeout(options.deadline ?? DEADLINE);
  let response;
  try {
    response = await fetch(api.base() + path, {
      method,
      mode: "cors",
      credentials: "omit",
      cache: "no-store",
      headers: headersOf(options, traceId),
      body: options.json === undefined ? options.body : JSON.stringify(options.json),
      signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
    });
    const isEmpty = response.status === 204 || response.status === 304;
    if (response.ok || response.status === 304) {
      const body = isEmpty ? null : await response.json();
      return { status: response.status, body, etag: response.headers.get("ETag"), traceId };
    }
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable(api.name, error);
  }
  const problem = await problemOf(response, traceId);
  if (problem.status === 401) session.refused(token);
  throw problem;
}

export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== null && one !== undefined && one !== "") search.append(name, one);
    }
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}
