// The last fifteen minutes, one point every few seconds. Bounded: a page that is open for days holds no more than one that
// was just opened.
const MAX_POINTS = 180;

export const EMPTY_SERIES = { since: null, seconds: [], of: {} };

export function appendSeries(before, answer) {
  if (!answer || answer.at.length === 0) return before;
  const fresh = answer.at.map((at) => Date.parse(at) / 1000);
  const last = before.seconds.at(-1) ?? -Infinity;
  // Another process of query-api may have answered, whose clock is a little behind: no point comes twice.
  const first = fresh.findIndex((second) => second > last);
  if (first < 0) return before;
  const seconds = [...before.seconds, ...fresh.slice(first)].slice(-MAX_POINTS);
  const of = {};
  for (const name of new Set([...Object.keys(before.of), ...Object.keys(answer.of)])) {
    const old = before.of[name] ?? before.seconds.map(() => null);
    const added = answer.of[name] ?? answer.at.map(() => null);
    of[name] = [...old, ...added.slice(first)].slice(-MAX_POINTS);
  }
  return { since: answer.at.at(-1), seconds, of };
}
