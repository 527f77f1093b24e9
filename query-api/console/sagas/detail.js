// One saga: where it stands, until when, what it is about; set going again where it is stuck.
import { html, useEffect, useState } from "../elements/html.js";
import { useAnswer } from "../elements/answer.js";
import { Confirm } from "../elements/dialog.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Loading } from "../elements/states.js";
import { readSaga, resumeSaga } from "../api/admin.js";
import { link } from "../router.js";
import { Deadline } from "./list.js";
import { SagaSteps } from "./steps.js";

const ASKED_EVERY = 2_000;

export function SagaDetail({ saga, id }) {
  const { value, problem, reload } = useAnswer(() => readSaga(saga, id), `${saga} ${id}`);
  const [isAsking, setIsAsking] = useState(false);
  useEffect(() => {
    const timer = setInterval(reload, ASKED_EVERY);
    return () => clearInterval(timer);
  }, [reload]);
  return html`
    <a class="back" href="#/sagas"><${Icon} name="back" />Sagas</a>
    <header class="view-head">
      <h1 tabindex="-1" data-heading>Saga ${saga}</h1>
      ${value && html`<${StateBadge} state=${value.state} />`}
      <span class="row end grow">
        <a class="button" href=${link(["follow", id])}>Follow</a>
        ${value?.state === "stuck" && html`<button type="button" class="button primary" onClick=${() => setIsAsking(true)}>Resume</button>`}
      </span>
    </header>
    ${problem && html`<${ProblemNotice} problem=${problem} retry=${reload} />`}
    ${!value && !problem && html`<${Loading} what="the saga" />`}
    ${value && html`
      <section class="card stack">
        <${SagaSteps} saga=${saga} step=${value.step} state=${value.state} seen=${{ [value.step]: value.updated_at }} />
        <dl class="facts">
          <div><dt>Meaning</dt><dd>${value.meaning}</dd></div>
          <div><dt>Deadline</dt><dd><${Deadline} at=${value.deadline} /></dd></div>
          <div><dt>Asked again</dt><dd class="num">${value.attempts} times</dd></div>
          <div><dt>Started</dt><dd><${Moment} at=${value.started_at} /></dd></div>
          <div><dt>Moved</dt><dd><${Moment} at=${value.updated_at} /></dd></div>
          <div><dt>Id</dt><dd><code>${id}</code></dd></div>
        </dl>
        ${value.subject && html`
          <h2>What it is about</h2>
          <dl class="facts">
            ${Object.entries(value.subject).filter(([, fact]) => fact !== null).map(([name, fact]) => html`
              <div key=${name}><dt>${name.replace(/_/g, " ")}</dt><dd>${name === "item_id" ? html`<a href=${link(["items", fact])}><code>${fact}</code></a>` : String(fact)}</dd></div>`)}
          </dl>`}
      </section>`}
    ${isAsking && html`
      <${Confirm} title="Resume this saga?" action="Resume" close=${() => setIsAsking(false)} act=${async () => { await resumeSaga(saga, id); reload(); }}>
        <p>It asks again at once, and counts its attempts anew. Find out first why nobody answered. This is in the audit.</p>
      <//>`}`;
}
