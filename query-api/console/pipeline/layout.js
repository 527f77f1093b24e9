// What the picture shows: who hands what to whom, and which figures stand on a stage's card. Order, states, figures and
// reasons are the service's; a stage that is not named here is shown behind the others, with its first figures.
export const LANES = [
  { name: "write", title: "Accept", stages: ["command-api", "outbox", "saga"] },
  { name: "log", title: "Log", stages: ["kafka", "dead-letters"] },
  { name: "apply", title: "Apply", stages: ["projector", "uploader"] },
  { name: "read", title: "Read", stages: ["views", "cache", "objects", "query-api"] },
];

export const EDGES = [
  ["command-api", "outbox"],
  ["outbox", "kafka"],
  ["kafka", "saga"],
  ["saga", "command-api"],
  ["kafka", "projector"],
  ["kafka", "uploader"],
  ["projector", "views"],
  ["projector", "cache"],
  ["uploader", "objects"],
  ["projector", "dead-letters"],
  ["uploader", "dead-letters"],
  ["views", "query-api"],
  ["cache", "query-api"],
  ["objects", "query-api"],
];

// The first is large.
const MAIN_FIGURES = {
  "command-api": ["requests_per_second", "latency_p99_ms", "errors_per_second"],
  outbox: ["rows", "oldest_seconds", "published_per_second"],
  kafka: ["answer_ms"],
  projector: ["events_per_second", "lag_messages", "visible_p99_ms"],
  uploader: ["files_per_second", "lag_messages", "stored_bytes_per_second"],
  saga: ["running", "compensating", "stuck"],
  "dead-letters": ["open", "oldest_seconds"],
  views: ["answer_ms", "reads_per_second"],
  cache: ["hit_percent", "reads_per_second", "answer_ms"],
  objects: ["answer_ms"],
  "query-api": ["requests_per_second", "latency_p99_ms", "streams_open"],
};

export function mainFigures(stage) {
  const chosen = MAIN_FIGURES[stage.name];
  if (!chosen) return stage.figures.slice(0, 3);
  return chosen.map((name) => stage.figures.find((figure) => figure.name === name)).filter(Boolean);
}

// What moves between two stages, a second: how fast the line between them runs.
const RATES = {
  "command-api": "requests_per_second", outbox: "published_per_second", kafka: "events_per_second",
  projector: "events_per_second", uploader: "files_per_second", saga: "moves_per_second",
  views: "reads_per_second", cache: "reads_per_second",
};

export function rateOf(from, to) {
  const named = (stage, name) => stage?.figures.find((figure) => figure.name === name)?.value ?? 0;
  if (to?.name === "dead-letters") return 0;
  if (from?.name === "kafka") return named(to, RATES[to?.name]);
  return named(from, RATES[from?.name]);
}
