// A failure as the page shows it: what the service said (RFC 9457), or that it said nothing.
export class Problem extends Error {
  constructor({ type = "", title, status = 0, detail = "", errors = [], traceId = "", retryAfter = null, headers = null }) {
    super(detail || title);
    Object.assign(this, { type, title, status, detail, errors, traceId, retryAfter, headers });
  }

  is(name) {
    return this.type.endsWith(`/problems/${name}`);
  }

  // No answer at all: the service is not there, the network is not, or it took too long.
  get isUnreachable() {
    return this.status === 0;
  }
}

export async function problemOf(response, traceId) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // A proxy or the object store in between answers in other words; the status is what there is.
  }
  return new Problem({
    type: said.type ?? "",
    title: said.title ?? `The answer was ${response.status} ${response.statusText}`.trim(),
    status: response.status,
    detail: said.detail ?? "",
    errors: said.errors ?? [],
    traceId: said.trace_id ?? traceId,
    retryAfter: Number(response.headers.get("Retry-After")) || null,
    headers: response.headers,
  });
}

export function unreachable(what, error) {
  const tooLong = error.name === "TimeoutError";
  return new Problem({
    title: `${what} does not answer`,
    detail: tooLong ? "There was no answer in time." : "The connection failed. The service may be stopped, or the network may be.",
  });
}
