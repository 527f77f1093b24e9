// What operators ask and do. Everything here needs the role `admin`, and each change is in the audit.
import { COMMAND, QUERY, call, query } from "./request.js";

export async function readPipeline(seriesSince, options) {
  return (await call(QUERY, "GET", `/api/v1/admin/pipeline${query({ series_since: seriesSince })}`, options)).body;
}

// Each side knows the hops in its own stores. What one side does not know the other may; null where neither does.
export async function readTrace(id, signal) {
  const path = `/api/v1/admin/trace/${encodeURIComponent(id)}`;
  const sides = await Promise.all([COMMAND, QUERY].map((api) => oneSide(api, path, signal)));
  const known = sides.filter((side) => side.trace);
  const silent = sides.filter((side) => side.problem);
  if (known.length === 0) {
    if (silent.length > 0) throw silent[0].problem;
    return null;
  }
  return {
    kind: known[0].trace.kind,
    hops: known.flatMap((side) => side.trace.hops),
    silent: silent.map((side) => side.api.name),
  };
}

async function oneSide(api, path, signal) {
  try {
    return { api, trace: (await call(api, "GET", path, { signal, deadline: 5_000 })).body };
  } catch (problem) {
    if (problem.status === 404) return { api };
    if (problem.name === "AbortError" || problem.status === 401 || problem.status === 403) throw problem;
    return { api, problem };
  }
}

export async function listDeadLetters(filter, cursor) {
  const { body } = await call(COMMAND, "GET", `/api/v1/admin/dlq${query({ ...filter, limit: 50, cursor })}`);
  return { rows: body.letters, next: body.next_cursor };
}

const letterPath = ({ group, topic, partition, offset }) =>
  `/api/v1/admin/dlq/${[group, topic, partition, offset].map(encodeURIComponent).join("/")}`;

export async function readDeadLetter(place) {
  return (await call(COMMAND, "GET", letterPath(place))).body;
}

export const redriveOne = (place) => call(COMMAND, "POST", `${letterPath(place)}/redrive`, { idempotent: true });
export const discardOne = (place, note) => call(COMMAND, "POST", `${letterPath(place)}/discard`, { json: { note }, idempotent: true });

export async function redriveAll(filter, rate, dryRun) {
  const json = { filter, dry_run: dryRun, ...(rate ? { rate } : {}) };
  return (await call(COMMAND, "POST", "/api/v1/admin/dlq/redrive", { json, idempotent: true })).body.count;
}

export async function discardAll(filter, note, dryRun) {
  const json = { filter, note, dry_run: dryRun };
  return (await call(COMMAND, "POST", "/api/v1/admin/dlq/discard", { json, idempotent: true })).body.count;
}

export async function listSagas(filter, cursor) {
  const { body } = await call(COMMAND, "GET", `/api/v1/admin/sagas${query({ ...filter, limit: 50, cursor })}`);
  return { rows: body.sagas, next: body.next_cursor };
}

const sagaPath = (saga, id) => `/api/v1/admin/sagas/${encodeURIComponent(saga)}/${encodeURIComponent(id)}`;

export async function readSaga(saga, id, signal) {
  return (await call(COMMAND, "GET", sagaPath(saga, id), { signal })).body;
}

export const resumeSaga = (saga, id) => call(COMMAND, "POST", `${sagaPath(saga, id)}/resume`, { idempotent: true });
