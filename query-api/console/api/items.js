// Items: reads from query-api, writes to command-api.
import { COMMAND, QUERY, call, query } from "./request.js";

const path = (id) => `/api/v1/items/${encodeURIComponent(id)}`;

export async function listItems(filter, cursor, limit = 50) {
  const { body } = await call(QUERY, "GET", `/api/v1/items${query({ ...filter, limit, cursor })}`);
  return { rows: body.items, next: body.next_cursor };
}

// With `minVersion` it is waited for until the view has it; see "read your own writes".
export async function readItem(id, { minVersion, wait = 2, signal } = {}) {
  const options = { signal };
  if (minVersion) options.prefer = `wait=${wait}`;
  const { body, etag } = await call(QUERY, "GET", path(id) + query({ min_version: minVersion }), options);
  return { item: body, etag };
}

export async function readHistory(id, cursor, { minVersion } = {}) {
  const options = minVersion ? { prefer: "wait=2" } : {};
  const search = query({ limit: 20, cursor, min_version: cursor ? null : minVersion });
  const { body } = await call(QUERY, "GET", `${path(id)}/history${search}`, options);
  return { rows: body.changes, next: body.next_cursor };
}

export const createItem = (content, options = {}) => call(COMMAND, "POST", "/api/v1/items", { idempotent: true, ...options, json: content });

export const patchItem = (id, etag, patch) =>
  call(COMMAND, "PATCH", path(id), { json: patch, mergePatch: true, ifMatch: etag, idempotent: true });

export const deleteItem = (id, etag) => call(COMMAND, "DELETE", path(id), { ifMatch: etag, idempotent: true });
