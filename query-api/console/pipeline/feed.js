// Asks every second how the pipeline stands. What does not answer is said by the page itself: then query-api is down, and
// all the rest is what was last known.
import { Observed } from "../elements/observed.js";
import { readPipeline } from "../api/admin.js";
import { EMPTY_SERIES, appendSeries } from "./series.js";

const INTERVAL = 1_000;
// Together with the interval less than the three seconds in which a break is to be seen.
const DEADLINE = 1_500;

const NOTHING = { status: "starting", stages: [], deadLetters: [], sagas: [], series: EMPTY_SERIES, silentSince: null };

export const pipeline = new Observed(NOTHING);

let running = null;

export function startFeed() {
  if (running) return;
  running = new AbortController();
  poll(running.signal);
}

function stopFeed() {
  running?.abort();
  running = null;
}

export function forgetFeed() {
  stopFeed();
  pipeline.set(NOTHING);
}

async function poll(signal) {
  while (!signal.aborted) {
    const began = Date.now();
    try {
      const { series } = pipeline.value;
      const answer = await readPipeline(series.since, { deadline: DEADLINE, signal });
      if (signal.aborted) return;
      pipeline.set({
        status: "live",
        at: answer.at,
        answeredBy: answer.answered_by,
        stages: answer.stages,
        deadLetters: answer.dead_letters,
        sagas: answer.sagas,
        series: appendSeries(series, answer.series),
        silentSince: null,
      });
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 403) {
        pipeline.set({ ...NOTHING, status: "forbidden" });
        running = null;
        return;
      }
      if (problem.status === 401) {
        const before = pipeline.value;
        pipeline.set({ ...before, status: "stale", stages: before.stages.map((stage) => ({ ...stage, isLastKnown: true })) });
        running = null;
        return;
      }
      fail(problem);
    }
    await new Promise((resolve) => { setTimeout(resolve, Math.max(50, INTERVAL - (Date.now() - began))); });
  }
}

function fail(problem) {
  const before = pipeline.value;
  const silentSince = before.silentSince ?? new Date().toISOString();
  const reason = problem.isUnreachable
    ? "It does not answer this page: the process is stopped, or the network is cut."
    : `It answers this page with ${problem.status}: ${problem.detail || problem.title}`;
  const known = before.stages.length > 0 ? before.stages : [{ name: "query-api", title: "query-api", instances: [], figures: [], settings: [], events: [] }];
  const stages = known.map((stage) =>
    (stage.name === "query-api" ? { ...stage, state: "down", reason, since: silentSince } : { ...stage, isLastKnown: true }));
  pipeline.set({ ...before, status: "silent", stages, silentSince });
}
