// Dead letters of all groups, a page at a time; what is meant by the filter can be brought back or given up as a whole.
import { html, useEffect, useId, useRef, useState } from "../elements/html.js";
import { Moment } from "../elements/moment.js";
import { PageButtons, usePages } from "../elements/paged.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Empty, Loading } from "../elements/states.js";
import { listDeadLetters } from "../api/admin.js";
import { link, restate } from "../router.js";
import { DiscardAll, RedriveAll } from "./many.js";

const STATES = ["open", "redriving", "redriven", "discarded"];
const TYPING_PAUSE = 300;
const TYPED = [["group", "Group"], ["topic", "Topic"], ["reason", "Reason"], ["key", "Key"]];

export function LetterList({ parameters }) {
  const filter = { state: parameters.get("state") ?? "open" };
  for (const [name] of TYPED) filter[name] = parameters.get(name) ?? "";
  const asked = { ...filter, state: filter.state === "all" ? "" : filter.state };
  const pages = usePages((cursor) => listDeadLetters(asked, cursor), JSON.stringify(filter));
  const [asking, setAsking] = useState(null);
  const { state, ...named } = filter;
  const meant = Object.fromEntries(Object.entries(named).filter(([, value]) => value));
  const done = () => {
    setAsking(null);
    pages.reload();
  };
  const hasOpen = filter.state === "open" && pages.rows?.length > 0;
  return html`
    <header class="view-head">
      <h1 tabindex="-1" data-heading>Dead letters</h1>
      <span class="row end grow">
        <button type="button" class="button" onClick=${pages.reload}>Refresh</button>
        <button type="button" class="button" disabled=${!hasOpen} onClick=${() => setAsking("redrive")}>Redrive these…</button>
        <button type="button" class="button danger-quiet" disabled=${!hasOpen} onClick=${() => setAsking("discard")}>Discard these…</button>
      </span>
    </header>
    <${Filters} filter=${filter} />
    ${pages.problem && html`<${ProblemNotice} problem=${pages.problem} retry=${pages.reload} />`}
    ${!pages.rows && pages.status === "loading" && html`<${Loading} what="dead letters" />`}
    ${pages.rows && html`
      <div class=${pages.status === "refreshing" ? "card table-card is-stale" : "card table-card"} aria-busy=${pages.status === "refreshing"}>
        ${pages.rows.length === 0
          ? html`<${Empty} title=${state === "open" ? "No dead letter is open" : "No dead letter is like that"}>${state === "open" ? "Every message that was read could be handled." : "Choose another state, or ask for less."}<//>`
          : html`<${Table} letters=${pages.rows} />`}
      </div>
      <${PageButtons} pages=${pages} what="dead letters" />`}
    ${asking === "redrive" && html`<${RedriveAll} filter=${meant} close=${() => setAsking(null)} done=${done} />`}
    ${asking === "discard" && html`<${DiscardAll} filter=${meant} close=${() => setAsking(null)} done=${done} />`}`;
}

function Filters({ filter }) {
  const [typed, setTyped] = useState(filter);
  const timer = useRef(null);
  const id = useId();
  useEffect(() => setTyped(filter), [JSON.stringify(filter)]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const say = (next, pause) => {
    setTyped(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => restate(["dead-letters"], Object.fromEntries(Object.entries(next).filter(([, value]) => value))), pause);
  };
  return html`
    <form class="filters" role="search" aria-label="Dead letters" onSubmit=${(event) => event.preventDefault()}>
      <div class="segments" role="group" aria-label="State">
        ${[...STATES, "all"].map((state) => html`<button key=${state} type="button" aria-pressed=${typed.state === state} onClick=${() => say({ ...typed, state }, 0)}>${state}</button>`)}
      </div>
      ${TYPED.map(([name, label]) => html`
        <div key=${name} class="field"><label for=${id + name}>${label}</label>
          <input id=${id + name} autocomplete="off" value=${typed[name]} onInput=${(event) => say({ ...typed, [name]: event.target.value }, TYPING_PAUSE)} /></div>`)}
    </form>`;
}

function Table({ letters }) {
  return html`
    <table class="table">
      <thead><tr><th scope="col">Message</th><th scope="col" class="of-state">State</th><th scope="col" class="of-state">Group</th><th scope="col">Reason</th><th scope="col" class="end of-number">Attempts</th><th scope="col" class="of-time">Failed</th></tr></thead>
      <tbody>
        ${letters.map((letter) => html`
          <tr key=${`${letter.group} ${letter.topic} ${letter.partition} ${letter.offset}`}>
            <th scope="row"><a class="clip" href=${link(["dead-letters", letter.group, letter.topic, letter.partition, letter.offset])}>${letter.topic} <span class="num">${letter.partition}@${letter.offset}</span></a></th>
            <td data-label="State"><${StateBadge} state=${letter.state} /></td>
            <td data-label="Group"><span class="clip">${letter.group}</span></td>
            <td data-label="Reason"><span class="reason-cell"><code>${letter.reason}</code> <span class="quiet clip" title=${letter.detail}>${letter.detail}</span></span></td>
            <td data-label="Attempts" class="end num">${letter.attempts}</td>
            <td data-label="Failed"><${Moment} at=${letter.failed_at} /></td>
          </tr>`)}
      </tbody>
    </table>`;
}
