// The stream of changes, kept open: a cut connection is taken up again behind the last event that was seen, after a pause
// that doubles up to half a minute.
import { Observed } from "../elements/observed.js";
import { QUERY, headersOf, newKey } from "./request.js";
import { problemOf } from "./problem.js";
import { readEvents } from "./server-sent-events.js";
import { session } from "../session/session.js";

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
// The service says something every 15 s; a connection that is silent for longer is dead, whatever TCP thinks.
const SILENCE = 40_000;
const GOODBYES = new Set(["draining", "dropped", "expired", "failed"]);

export const streamState = new Observed({ status: "closed" });

const listeners = new Set();
let lastEventId = null;
let running = null;

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function openStream() {
  if (running) return;
  running = new AbortController();
  keepOpen(running.signal);
}

export function closeStream() {
  running?.abort();
  running = null;
  streamState.set({ status: "closed" });
}

// For the sign-out: the next person begins with now.
export function forgetPlace() {
  lastEventId = null;
}

async function keepOpen(signal) {
  let failures = 0;
  while (!signal.aborted) {
    streamState.set({ status: failures === 0 ? "connecting" : "reconnecting", failures });
    const { token } = session.value;
    let ended;
    try {
      ended = await readOnce(signal, () => { failures = 0; });
    } catch (error) {
      ended = { reason: error.status ? error.title : "the connection failed", problem: error };
    }
    if (signal.aborted) return;
    if (ended.problem?.status === 410) lastEventId = null;
    if (ended.reason === "token_expired" || ended.problem?.status === 401) {
      session.refused(token);
      if (!session.value.token) {
        streamState.set({ status: "closed", reason: "the token has expired" });
        running = null;
        return;
      }
      // It was renewed meanwhile: the next connection has the new one.
      continue;
    }
    failures += 1;
    const pause = ended.reason === "stopping" ? FIRST_PAUSE : pauseAfter(failures);
    streamState.set({ status: "lost", reason: ended.reason, again: Date.now() + pause, failures });
    await sleep(pause, signal);
  }
}

// Spread, so that the pages that one stopped process leaves behind do not all come back at once.
function pauseAfter(failures) {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1));
  return longest / 2 + Math.random() * (longest / 2);
}

async function readOnce(signal, opened) {
  const cut = new AbortController();
  const traceId = newKey();
  const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
  let watchdog = setTimeout(() => cut.abort(), SILENCE);
  try {
    const response = await fetch(`${QUERY.base()}/api/v1/stream`, {
      headers: headersOf({ headers }, traceId),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.any([signal, cut.signal]),
    });
    if (!response.ok) throw await problemOf(response, traceId);
    opened();
    streamState.set({ status: "open" });
    const alive = response.body.pipeThrough(new TransformStream({
      // Heartbeats are no events, so that the bytes are what is watched.
      transform(chunk, controller) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => cut.abort(), SILENCE);
        controller.enqueue(chunk);
      },
    }));
    for await (const event of readEvents(alive)) {
      if (event.id !== null) lastEventId = event.id;
      if (event.data === null) continue;
      const data = JSON.parse(event.data);
      if (GOODBYES.has(event.event)) return { reason: data.reason, detail: data.detail };
      if (data.item_id) for (const listener of [...listeners]) listener(data);
    }
    return { reason: "the connection ended" };
  } finally {
    clearTimeout(watchdog);
  }
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

// A browser knows sooner than a timer that the network is back; what waits is tried at once.
addEventListener("online", () => {
  if (!running || streamState.value.status !== "lost") return;
  closeStream();
  openStream();
});
