// Uploads: announced to command-api, sent to the object store by the signed requests that the answer names.
import { COMMAND, QUERY, call, query } from "./request.js";

const path = (id) => `/api/v1/uploads/${encodeURIComponent(id)}`;

export const announce = (announcement) => call(COMMAND, "POST", "/api/v1/uploads", { json: announcement, idempotent: true });
export const complete = (id) => call(COMMAND, "POST", `${path(id)}/complete`, { idempotent: true });
export const abort = (id) => call(COMMAND, "DELETE", path(id), { idempotent: true });

export async function arrivedParts(id) {
  return (await call(COMMAND, "GET", `${path(id)}/parts`)).body;
}

// A part is signed anew for each attempt: a URL ends, and what has happened to the upload is told then.
export async function signPart(id, number) {
  return (await call(COMMAND, "POST", `${path(id)}/parts`, { json: { first: number, count: 1 } })).body.parts[0];
}

export async function readUpload(id, { minVersion, signal } = {}) {
  const options = { signal, prefer: minVersion ? "wait=2" : undefined };
  return (await call(QUERY, "GET", path(id) + query({ min_version: minVersion }), options)).body;
}

// Where the bytes are, for some minutes. The answer names the URL instead of leading there, so that the token is not sent
// to the object store.
export async function contentUrl(id, disposition) {
  return (await call(QUERY, "GET", `${path(id)}/content${query({ redirect: "false", disposition })}`)).body.url;
}

export async function thumbnailUrl(id) {
  return (await call(QUERY, "GET", `${path(id)}/thumbnail?redirect=false`)).body.url;
}

export async function readAccount(owner) {
  return (await call(COMMAND, "GET", `/api/v1/accounts/${encodeURIComponent(owner)}`)).body;
}

export const setAccountLimit = (owner, bytes) =>
  call(COMMAND, "PUT", `/api/v1/accounts/${encodeURIComponent(owner)}/limit`, { json: { limit_bytes: bytes }, idempotent: true });
