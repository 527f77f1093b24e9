// Reads server-sent events out of a body, as the standard has it:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
// The browser's own EventSource cannot send the token in a header.

// More than any event of ours. A body that never ends a block is not collected for ever.
const MAX_BLOCK = 2_000_000;

export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      // A line may end in CR, LF or both; a CR at the very end may be the first half of both.
      const whole = rest.replace(/\r\n/g, "\n").replace(/\r(?!$)/g, "\n");
      const blocks = whole.split("\n\n");
      rest = blocks.pop();
      if (rest.length > MAX_BLOCK) throw new Error("an event is larger than any that the service sends");
      for (const block of blocks) yield parseBlock(block);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parseBlock(block) {
  const event = { id: null, event: "message", data: null, retry: null };
  const data = [];
  for (const line of block.split("\n")) {
    if (line === "" || line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name === "event") event.event = value;
    else if (name === "id" && !value.includes("\0")) event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
  if (data.length > 0) event.data = data.join("\n");
  return event;
}
