// An item's history as a timeline, newest first, each version with what it changed.
import { html, useEffect, useState } from "../elements/html.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { Loading } from "../elements/states.js";
import { readHistory } from "../api/items.js";
import { differencesBetween } from "./differences.js";

export function History({ id, version }) {
  const [state, setState] = useState({ changes: [], next: null, status: "loading", problem: null });
  const read = async (cursor, before) => {
    setState({ ...before, status: "loading", problem: null });
    try {
      const { rows, next } = await readHistory(id, cursor, { minVersion: version });
      setState({ changes: [...before.changes, ...rows], next, status: "ready", problem: null });
    } catch (problem) {
      setState({ ...before, status: "failed", problem });
    }
  };
  useEffect(() => {
    read(null, { changes: [], next: null });
  }, [id, version]);
  const { changes, next, status, problem } = state;
  const entries = newestFirst(changes);
  return html`
    <section class="card history" aria-labelledby="history-heading">
      <h2 id="history-heading">History</h2>
      ${problem && html`<${ProblemNotice} problem=${problem} retry=${() => read(next, state)} />`}
      <ol class="timeline">
        ${entries.map((change, index) => html`<${Entry} key=${change.event_id} change=${change} before=${entries[index + 1]} />`)}
      </ol>
      ${status === "loading" && html`<${Loading} what="the history" />`}
      ${next && status === "ready" && html`<button type="button" class="button" onClick=${() => read(next, state)}>Earlier changes</button>`}
    </section>`;
}

const newestFirst = (changes) => [...changes].sort((a, b) => b.version - a.version);
const words = (type) => type.replace(/^depot\.item\./, "").replace(/\.v\d+$/, "").replace(/_/g, " ");

function Entry({ change, before }) {
  return html`
    <li>
      <div class="row between">
        <strong>${words(change.event_type)} <span class="quiet num">version ${change.version}</span></strong>
        <${Moment} at=${change.occurred_at} />
      </div>
      <p class="quiet small">by ${change.actor}</p>
      <${Differences} change=${change} before=${before} />
    </li>`;
}

function Differences({ change, before }) {
  // The version before is on the next page: the service says at least which fields it was.
  if (!before) return change.changed.length > 0 && html`<p class="small">changed: ${change.changed.join(", ")}</p>`;
  const found = differencesBetween(before.item, change.item);
  if (found.length === 0) return null;
  return html`
    <dl class="differences">
      ${found.map(({ label, removed, added }) => html`
        <div key=${label}>
          <dt>${label}</dt>
          <dd>
            ${removed.map((value) => html`<del key=${value}><span class="unseen">was </span>${value === "" ? "(empty)" : value}</del>`)}
            ${added.map((value) => html`<ins key=${value}><span class="unseen">is now </span>${value === "" ? "(empty)" : value}</ins>`)}
          </dd>
        </div>`)}
    </dl>`;
}
