// Where the stack is that is tested, as run.sh says it, and what a test does with it from outside of the page.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), "../..");

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests by tests/console/run.sh, which says where the stack is`);
  return value;
}

export const PAGE = setting("CONSOLE_URL");
export const COMMAND = setting("CONSOLE_COMMAND_URL");
// Good for longer than the hour of the fake clock.
export const TOKEN = setting("CONSOLE_TOKEN");

// An admin's token that ends in so many seconds, as `depot token` makes them in hours.
export function shortToken(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    sub: "alice", roles: ["admin"], iss: setting("JWT_ISSUER"), aud: setting("JWT_AUDIENCE"), exp: Math.floor(Date.now() / 1_000) + seconds,
  };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", setting("JWT_SECRET")).update(text).digest("base64url")}`;
}

export async function ask(base, method, path, { body, headers = {}, token = TOKEN } = {}) {
  const response = await fetch(base + path, { method, headers: { Authorization: `Bearer ${token}`, ...headers }, body, signal: AbortSignal.timeout(120_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return { etag: response.headers.get("ETag"), text, json: () => JSON.parse(text) };
}

let keys = 0;
const key = () => `console-${process.pid}-${Date.now()}-${keys++}`;

export async function createItem(content) {
  const body = JSON.stringify(content);
  const { json, etag } = await ask(COMMAND, "POST", "/api/v1/items", { body, headers: { "Content-Type": "application/json", "Idempotency-Key": key() } });
  return { ...json(), etag };
}

export function patchItem(id, etag, patch) {
  return ask(COMMAND, "PATCH", `/api/v1/items/${id}`, {
    body: JSON.stringify(patch),
    headers: { "Content-Type": "application/merge-patch+json", "If-Match": etag, "Idempotency-Key": key() },
  });
}

// Until the view has it.
export async function visible(id, version) {
  return (await ask(PAGE, "GET", `/api/v1/items/${id}?min_version=${version}`, { headers: { Prefer: "wait=20" } })).json();
}

export async function importItems(contents) {
  const body = contents.map((content) => JSON.stringify(content)).join("\n");
  const { text } = await ask(COMMAND, "POST", "/api/v1/items:import", { body: `${body}\n`, headers: { "Content-Type": "application/x-ndjson", "Idempotency-Key": key() } });
  const last = JSON.parse(text.trim().split("\n").at(-1));
  if (last.created !== contents.length) throw new Error(`the import created ${last.created} of ${contents.length} items: ${text.slice(-400)}`);
}

export async function until(what, condition, seconds = 60) {
  const end = Date.now() + seconds * 1_000;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 250); });
  }
}

// Runs a line of the native scripts' shell, which knows the stack's processes by their pid files.
export function inStack(line, input = "") {
  return new Promise((resolve, reject) => {
    const script = `source deploy/native/settings.sh; source deploy/native/process.sh; ${line}`;
    const child = spawn("bash", ["-c", script], { cwd: REPOSITORY, stdio: ["pipe", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (part) => { out += part; });
    child.on("error", reject);
    child.on("close", (status) => (status === 0 ? resolve(out.trim()) : reject(new Error(`${line}: exit status ${status}`))));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

const freePort = () => new Promise((resolve, reject) => {
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

// One more query-api on the stack's stores, with settings of its own that depend on where its page is.
export async function startQueryApi(settingsFor) {
  const [http, grpc, admin] = await Promise.all([freePort(), freePort(), freePort()]);
  const url = `http://localhost:${http}`;
  const settings = {
    QUERY_API_PORT: http, QUERY_API_GRPC_PORT: grpc, QUERY_API_ADMIN_PORT: admin, QUERY_PUBLIC_URL: url, GRPC_PUBLIC_URL: `http://localhost:${grpc}`,
    ...await settingsFor(url),
  };
  const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const line = 'source deploy/native/settings.sh; exec env "$@" "${CARGO_TARGET_DIR:-target}/debug/query-api"';
  const child = spawn("bash", ["-c", line, "query-api", ...given], { cwd: REPOSITORY, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const out of [child.stdout, child.stderr]) out.on("data", (part) => { said = (said + part).slice(0, 2_000); });
  const ended = new Promise((resolve) => { child.on("close", resolve); });
  await until("query-api is ready", async () => {
    if (child.exitCode !== null) throw new Error(`query-api ended: ${said}`);
    return fetch(`http://127.0.0.1:${admin}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok, () => false);
  });
  return {
    url,
    stop: () => {
      child.kill();
      return ended;
    },
  };
}

export const stopProcess = (name) => inStack(`process_stop ${name}`);
export const killProcess = (name) => inStack(`process_stop ${name} KILL`);
export const startServices = () => inStack(`"$NATIVE_DIR/services.sh" start`);
export const startBacking = () => inStack(`"$NATIVE_DIR/backing.sh" start`);
export const pauseProcess = (name) => inStack(`kill -s STOP "$(process_pid ${name})"`);
export const resumeProcess = (name) => inStack(`kill -s CONT "$(process_pid ${name})"`);

// Messages that no consumer can read: each becomes a dead letter of each group that reads the topic.
export function sendGarbage(number, mark) {
  const lines = Array.from({ length: number }, (_, index) => `${mark}-${index}:{"nome": ${index}}`).join("\n");
  return inStack(`kcat -P -b "$KAFKA_BROKERS" -t "$TOPIC_PREFIX.items.v1" -K : -X partitioner=murmur2_random`, `${lines}\n`);
}

function letters(deed, order) {
  return ask(COMMAND, "POST", `/api/v1/admin/dlq/${deed}`, {
    body: JSON.stringify(order), headers: { "Content-Type": "application/json", "Idempotency-Key": key() },
  });
}

export const openLetters = async () => (await letters("redrive", { filter: {}, dry_run: true })).json().count;
// An order to give up whatever there is would be refused.
export const discardLetters = () => letters("discard", { filter: { topic: `${setting("TOPIC_PREFIX")}.items.v1` }, note: "Sent by a test." });
