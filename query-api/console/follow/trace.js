// All that the stores know of one id, asked again while something is still on its way.
import { html, useEffect, useState } from "../elements/html.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Empty, Loading, NeedsRole } from "../elements/states.js";
import { readTrace } from "../api/admin.js";
import { session } from "../session/session.js";
import { link } from "../router.js";
import { Facts } from "./facts.js";
import { SagaOfUpload } from "./saga-of-upload.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ASKED_EVERY = 1_000;
const TITLES = {
  state: "State", outbox: "Outbox", event: "Event", saga: "Saga", dead_letter: "Dead letter", view: "View",
  cache_pending: "Cache, not confirmed", cache: "Cache",
};

export function TraceOf({ id }) {
  const [state, setState] = useState({ status: "loading" });
  const isId = UUID.test(id);
  const isAdmin = session.has("admin");
  useEffect(() => {
    if (!isId || !isAdmin) return undefined;
    const over = new AbortController();
    const watch = async () => {
      while (!over.signal.aborted) {
        try {
          const trace = await readTrace(id, over.signal);
          if (over.signal.aborted) return;
          setState({ status: trace ? "known" : "unknown", trace });
        } catch (problem) {
          if (over.signal.aborted) return;
          setState((before) => ({ ...before, status: before.trace ? "known" : "failed", problem }));
        }
        await new Promise((resolve) => { setTimeout(resolve, ASKED_EVERY); });
      }
    };
    watch();
    return () => over.abort();
  }, [id]);
  if (!isId) return html`<${Empty} title="This is no id">An id has 36 characters, such as <code>0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f</code>.<//>`;
  if (!isAdmin) return html`<${NeedsRole} role="admin" what="To follow an id through the stores" />`;
  const { status, trace, problem } = state;
  return html`
    ${problem && html`<${ProblemNotice} problem=${problem} />`}
    ${status === "loading" && html`<${Loading} what="what is known of it" />`}
    ${status === "unknown" && html`<${Empty} title="No store knows this id">It may be new: this page goes on asking.<//>`}
    ${trace && html`
      <div class=${trace.kind === "upload" ? "two-columns" : ""}>
        ${trace.kind === "upload" && html`<${SagaOfUpload} id=${id} />`}
        <section class="card stack" aria-label="Hops">
          <header class="row between">
            <h2 class="clip">${trace.kind} <code>${id}</code></h2>
            ${trace.kind === "item" && html`<a class="button small" href=${link(["items", id])}>Open</a>`}
          </header>
          ${trace.silent.length > 0 && html`<p class="reason state-degraded">${trace.silent.join(" and ")} did not answer: its hops are missing.</p>`}
          <ol class="hops">
            ${ordered(trace.hops).map((hop, index) => html`<${Hop} key=${`${hop.name}${hop.stage}${hop.version}${index}`} hop=${hop} />`)}
          </ol>
        </section>
      </div>`}`;
}

// Newest first; what has no time of its own is about now.
const ordered = (hops) => [...hops].sort((a, b) => (b.at ? Date.parse(b.at) : Infinity) - (a.at ? Date.parse(a.at) : Infinity) || 0);

function Hop({ hop }) {
  const mark = { done: "ok", waiting: "waiting", stuck: "down", none: "none", unknown: "unknown" }[hop.state];
  const state = { done: "done", waiting: "now", stuck: "stuck" }[hop.state] ?? "ahead";
  return html`
    <li class=${`hop is-${state}`} data-hop=${hop.name}>
      <span class="hop-mark"><${Icon} name=${mark} /></span>
      <span class="hop-text">
        <span class="row"><strong>${TITLES[hop.name] ?? hop.name}</strong><span class="quiet small">${hop.stage}</span>${hop.state !== "done" && html`<${StateBadge} state=${hop.state} />`}</span>
        <span class="small">${hop.detail}</span>
        <${Facts} facts=${hop.facts} />
      </span>
      <span class="hop-time num">${hop.version !== null && html`<span>v${hop.version}</span>`}<span class="quiet small"><${Moment} at=${hop.at} withDate=${false} /></span></span>
    </li>`;
}
