// Sagas by state, a page at a time, each with its step and what it waits for.
import { html, useEffect, useId, useState } from "../elements/html.js";
import { Moment } from "../elements/moment.js";
import { PageButtons, usePages } from "../elements/paged.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Empty, Loading } from "../elements/states.js";
import { listSagas } from "../api/admin.js";
import { duration } from "../format/times.js";
import { link, restate } from "../router.js";

const STATES = ["stuck", "running", "compensating", "completed", "compensated"];

export function SagaList({ parameters }) {
  const filter = { state: parameters.get("state") ?? "", saga: parameters.get("saga") ?? "" };
  const pages = usePages((cursor) => listSagas(filter, cursor), JSON.stringify(filter));
  const kind = useId();
  const say = (change) => {
    const next = { ...filter, ...change };
    restate(["sagas"], Object.fromEntries(Object.entries(next).filter(([, value]) => value)));
  };
  return html`
    <header class="view-head"><h1 tabindex="-1" data-heading>Sagas</h1><button type="button" class="button" onClick=${pages.reload}>Refresh</button></header>
    <div class="filters">
      <div class="segments" role="group" aria-label="State">
        ${["", ...STATES].map((state) => html`<button key=${state} type="button" aria-pressed=${filter.state === state} onClick=${() => say({ state })}>${state || "all"}</button>`)}
      </div>
      <div class="field">
        <label for=${kind}>Saga</label>
        <select id=${kind} value=${filter.saga} onChange=${(event) => say({ saga: event.target.value })}>
          <option value="">any</option><option value="upload">upload</option><option value="item_deletion">item_deletion</option>
        </select>
      </div>
    </div>
    ${pages.problem && html`<${ProblemNotice} problem=${pages.problem} retry=${pages.reload} />`}
    ${!pages.rows && pages.status === "loading" && html`<${Loading} what="sagas" />`}
    ${pages.rows && html`
      <div class=${pages.status === "refreshing" ? "card table-card is-stale" : "card table-card"} aria-busy=${pages.status === "refreshing"}>
        ${pages.rows.length === 0
          ? html`<${Empty} title=${filter.state ? `No saga is ${filter.state}` : "There is no saga yet"}>${filter.state === "stuck" ? "That is good: nobody has to do anything." : "An upload begins one, and so does the deletion of an item."}<//>`
          : html`<${Table} sagas=${pages.rows} />`}
      </div>
      <${PageButtons} pages=${pages} what="sagas" />`}`;
}

function Table({ sagas }) {
  return html`
    <table class="table">
      <thead><tr><th scope="col">Saga</th><th scope="col" class="of-state">State</th><th scope="col">Step</th><th scope="col">Deadline</th><th scope="col" class="end of-state">Asked again</th><th scope="col" class="of-time">Started</th></tr></thead>
      <tbody>
        ${sagas.map((one) => html`
          <tr key=${one.saga + one.id}>
            <th scope="row"><a class="clip" href=${link(["sagas", one.saga, one.id])}>${one.saga} <code>${one.id}</code></a></th>
            <td data-label="State"><${StateBadge} state=${one.state} /></td>
            <td data-label="Step"><code>${one.step}</code></td>
            <td data-label="Deadline"><${Deadline} at=${one.deadline} /></td>
            <td data-label="Asked again" class="end num">${one.attempts}</td>
            <td data-label="Started"><${Moment} at=${one.started_at} /></td>
          </tr>`)}
      </tbody>
    </table>`;
}

// When the saga does something by itself.
export function Deadline({ at }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!at) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [at]);
  if (!at) return html`<span class="quiet">none</span>`;
  const left = Date.parse(at) - now;
  return html`<span class="num" title=${at}>${left >= 0 ? `in ${duration(left)}` : `due since ${duration(-left)}`}</span>`;
}
