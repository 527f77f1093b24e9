// A bounded load by the public API, as any client would send it: so many commands a second, for so many seconds, and never
// more than some under way. It goes on while another view is open, and ends with the sign-out.
import { Observed } from "../elements/observed.js";
import { createItem, patchItem } from "../api/items.js";

export const MOST_A_SECOND = 200;
export const MOST_SECONDS = 60;
// The browser keeps six connections to a server over HTTP/1; more under way would only wait inside of it.
export const MOST_UNDER_WAY = 24;
const TICK = 50;
const KEPT_TIMES = 2_000;
const KEPT_ITEMS = 100;
const WORDS = ["anvil", "bell", "crate", "drum", "easel", "flask", "gear", "hinge", "ingot", "jar", "kettle", "lantern"];
const IDLE = { status: "idle", sent: 0, accepted: 0, refused: 0, failed: 0, skipped: 0, under: 0, p50: null, p99: null, secondsLeft: 0, problem: null };

export const load = new Observed(IDLE);

let running = null;

export function startLoad({ perSecond, seconds, changes }) {
  stopLoad();
  const run = { isOver: false, items: [], times: [], pausedUntil: 0 };
  running = run;
  load.set({ ...IDLE, status: "running", secondsLeft: seconds, perSecond });
  send(run, Math.min(perSecond, MOST_A_SECOND), Math.min(seconds, MOST_SECONDS), changes);
}

export function stopLoad() {
  if (!running) return;
  running.isOver = true;
  running = null;
  load.set({ ...load.value, status: "stopped" });
}

async function send(run, perSecond, seconds, changes) {
  const began = Date.now();
  const counts = { sent: 0, accepted: 0, refused: 0, failed: 0, skipped: 0, under: 0, problem: null };
  let due = 0;
  for (;;) {
    const elapsed = (Date.now() - began) / 1000;
    if (run.isOver || elapsed >= seconds) break;
    const should = Math.floor(elapsed * perSecond);
    for (; due < should; due += 1) {
      // What cannot be sent in time is left out: a load that catches up later is another one than was asked for.
      if (counts.under >= MOST_UNDER_WAY || Date.now() < run.pausedUntil) counts.skipped += 1;
      else one(run, counts, changes);
    }
    if (!run.isOver) load.set({ status: "running", perSecond, ...counts, ...quantiles(run.times), secondsLeft: seconds - elapsed });
    await new Promise((resolve) => { setTimeout(resolve, TICK); });
  }
  while (counts.under > 0 && !run.isOver) await new Promise((resolve) => { setTimeout(resolve, TICK); });
  if (running === run) running = null;
  if (!run.isOver) load.set({ status: "done", perSecond, ...counts, ...quantiles(run.times), secondsLeft: 0 });
}

async function one(run, counts, changes) {
  counts.sent += 1;
  counts.under += 1;
  const began = performance.now();
  try {
    const known = run.items.length > 0 && Math.random() * 100 < changes ? run.items.splice(Math.floor(Math.random() * run.items.length), 1)[0] : null;
    const { body, etag } = known
      ? await patchItem(known.id, known.etag, { attributes: { turned: Math.floor(Math.random() * 1000) } })
      : await createItem({ name: `${WORDS[Math.floor(Math.random() * WORDS.length)]} ${counts.sent}`, tags: ["load"], status: "active" });
    counts.accepted += 1;
    run.items.push({ id: body.id, etag });
    if (run.items.length > KEPT_ITEMS) run.items.shift();
  } catch (problem) {
    counts.problem = problem;
    if (problem.status === 429 || problem.status === 503) {
      counts.refused += 1;
      run.pausedUntil = Date.now() + (problem.retryAfter ?? 1) * 1000;
    } else {
      counts.failed += 1;
    }
    // Without a token, or the role, nothing that follows will be any better.
    if (problem.status === 401 || problem.status === 403) run.isOver = true;
    if (run.isOver && running === run) {
      running = null;
      load.set({ ...load.value, ...counts, status: "stopped", problem });
    }
  } finally {
    counts.under -= 1;
    run.times.push(performance.now() - began);
    if (run.times.length > KEPT_TIMES) run.times.shift();
  }
}

function quantiles(times) {
  if (times.length === 0) return { p50: null, p99: null };
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99) };
}
