// The load, in development only: how much, for how long, and what became of it.
import { html, useId, useState } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { NeedsRole } from "../elements/states.js";
import { count } from "../format/numbers.js";
import { duration } from "../format/times.js";
import { session } from "../session/session.js";
import { MOST_A_SECOND, MOST_SECONDS, MOST_UNDER_WAY, load, startLoad, stopLoad } from "./generator.js";

export function LoadView() {
  const state = useObserved(load);
  const [perSecond, setPerSecond] = useState(50);
  const [seconds, setSeconds] = useState(30);
  const [changes, setChanges] = useState(30);
  const isRunning = state.status === "running";
  if (!session.has("writer")) return html`<h1 tabindex="-1" data-heading>Load</h1><${NeedsRole} role="writer" what="A load" />`;
  const submit = (event) => {
    event.preventDefault();
    startLoad({ perSecond, seconds, changes });
  };
  return html`
    <header class="view-head"><h1 tabindex="-1" data-heading>Load</h1></header>
    <div class="two-columns">
      <form class="card stack" onSubmit=${submit}>
        <p class="quiet">Sends commands through the public API, as any client does, so that the <a href="#/pipeline">picture</a> moves. The items have the tag <code>load</code>. It goes on while you look at another view.</p>
        <${Slider} label="Commands a second" min=${1} max=${MOST_A_SECOND} value=${perSecond} change=${setPerSecond} />
        <${Slider} label="Seconds" min=${5} max=${MOST_SECONDS} value=${seconds} change=${setSeconds} />
        <${Slider} label="Share of changes, in per cent" min=${0} max=${90} value=${changes} change=${setChanges} />
        <div class="row">
          <button type="submit" class="button primary" disabled=${isRunning}>Start</button>
          <button type="button" class="button" disabled=${!isRunning} onClick=${stopLoad}>Stop</button>
        </div>
      </form>
      <section class="card stack" aria-label="Outcome" data-load=${state.status}>
        <h2>${{ idle: "Not started", running: `Running, ${Math.ceil(state.secondsLeft)} s left`, done: "Done", stopped: "Stopped" }[state.status]}</h2>
        <dl class="figures">
          <div><dt>sent</dt><dd class="num">${count(state.sent)}</dd></div>
          <div><dt>accepted</dt><dd class="num">${count(state.accepted)}</dd></div>
          <div><dt>refused, busy</dt><dd class="num">${count(state.refused)}</dd></div>
          <div><dt>failed</dt><dd class="num">${count(state.failed)}</dd></div>
          <div><dt>left out</dt><dd class="num">${count(state.skipped)}</dd></div>
          <div><dt>answer p50</dt><dd class="num">${duration(state.p50)}</dd></div>
          <div><dt>answer p99</dt><dd class="num">${duration(state.p99)}</dd></div>
        </dl>
        <p class="quiet small">Times are as the browser sees them. “Left out” is what could not be sent in time, with ${MOST_UNDER_WAY} under way.</p>
        ${state.problem && html`<${ProblemNotice} problem=${state.problem} />`}
      </section>
    </div>`;
}

function Slider({ label, min, max, value, change }) {
  const id = useId();
  return html`
    <div class="field">
      <label for=${id} class="row between"><span>${label}</span><output class="num">${value}</output></label>
      <input id=${id} type="range" min=${min} max=${max} value=${value} onInput=${(event) => change(Number(event.target.value))} />
    </div>`;
}
