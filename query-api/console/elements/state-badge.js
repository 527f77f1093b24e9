// A state as shape, colour and word.
import { html } from "./html.js";
import { Icon } from "./icon.js";

// Which of the colours a word of the APIs belongs to.
const TONES = {
  ok: ["ok", "ok"], done: ["ok", "ok"], active: ["ok", "ok"], stored: ["ok", "ok"], completed: ["ok", "ok"],
  redriven: ["ok", "ok"], attached: ["ok", "ok"],
  degraded: ["warn", "degraded"], compensating: ["warn", "degraded"], expired: ["warn", "degraded"],
  aborted: ["warn", "degraded"], compensated: ["warn", "degraded"], redriving: ["warn", "waiting"],
  down: ["bad", "down"], stuck: ["bad", "down"], rejected: ["bad", "down"], failed: ["bad", "down"], open: ["bad", "down"],
  running: ["busy", "waiting"], waiting: ["busy", "waiting"], received: ["busy", "waiting"], pending: ["busy", "waiting"],
};

export function StateBadge({ state, label }) {
  const [tone, icon] = TONES[state] ?? ["calm", state === "unknown" ? "unknown" : "none"];
  return html`<span class="badge tone-${tone}"><${Icon} name=${icon} />${label ?? state}</span>`;
}
