// One dead letter: why it is here, its headers, its bytes as they lie in Kafka.
import { html, useState } from "../elements/html.js";
import { useAnswer } from "../elements/answer.js";
import { Confirm } from "../elements/dialog.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Loading } from "../elements/states.js";
import { discardOne, readDeadLetter, redriveOne } from "../api/admin.js";
import { link } from "../router.js";
import { Bytes } from "./bytes.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function LetterDetail({ place }) {
  const { value: letter, problem, reload } = useAnswer(() => readDeadLetter(place), JSON.stringify(place));
  const [asking, setAsking] = useState(null);
  const isOpen = letter?.state === "open";
  const close = () => setAsking(null);
  return html`
    <a class="back" href="#/dead-letters"><${Icon} name="back" />Dead letters</a>
    <header class="view-head">
      <h1 tabindex="-1" data-heading class="clip">${place.topic} <span class="num">${place.partition}@${place.offset}</span></h1>
      ${letter && html`<${StateBadge} state=${letter.state} />`}
      <span class="row end grow">
        ${UUID.test(letter?.key ?? "") && html`<a class="button" href=${link(["follow", letter.key])}>Follow</a>`}
        <button type="button" class="button primary" disabled=${!isOpen} onClick=${() => setAsking("redrive")}>Redrive</button>
        <button type="button" class="button danger-quiet" disabled=${!isOpen} onClick=${() => setAsking("discard")}>Discard</button>
      </span>
    </header>
    ${problem && html`<${ProblemNotice} problem=${problem} retry=${reload} />`}
    ${!letter && !problem && html`<${Loading} what="the letter" />`}
    ${letter && html`<${Content} letter=${letter} />`}
    ${asking === "redrive" && html`
      <${Confirm} title="Redrive this letter?" action="Redrive" close=${close} act=${async () => { await redriveOne(place); reload(); }}>
        <p>It goes to the retry topic of the group “${place.group}”, and is handled there as from its origin. If that fails again, it comes back. This is in the audit.</p>
      <//>`}
    ${asking === "discard" && html`
      <${Confirm} title="Discard this letter?" action="Discard" danger note="Why it is given up" close=${close}
        act=${async (note) => { await discardOne(place, note); reload(); }}>
        <p>It will not be handled. It stays in its topic, and the note is in the audit.</p>
      <//>`}`;
}

function Content({ letter }) {
  return html`
    <div class="stack large">
      <section class="card stack" aria-label="Reason">
        <div class="notice tone-bad"><${Icon} name="down" /><div class="notice-text"><strong>${letter.reason}</strong><p>${letter.detail}</p></div></div>
        <dl class="facts">
          <div><dt>Group</dt><dd>${letter.group}</dd></div>
          <div><dt>Attempts</dt><dd class="num">${letter.attempts}</dd></div>
          <div><dt>First failed</dt><dd><${Moment} at=${letter.first_failed_at} /></dd></div>
          <div><dt>Last failed</dt><dd><${Moment} at=${letter.failed_at} /></dd></div>
          <div><dt>Key</dt><dd><code>${letter.key ?? "–"}</code></dd></div>
          <div><dt>Lies in</dt><dd><code>${letter.dlq_topic} ${letter.dlq_partition}@${letter.dlq_offset}</code></dd></div>
        </dl>
      </section>
      <section class="card" aria-labelledby="value-heading">
        <${Bytes} base64=${letter.value_base64} text=${letter.value_text} />
      </section>
      <section class="card table-card" aria-labelledby="headers-heading">
        <h2 id="headers-heading">Headers</h2>
        <table class="table headers-table">
          <thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
          <tbody>${(letter.headers ?? []).map((header, index) => html`
            <tr key=${index}><th scope="row"><code>${header.name}</code></th><td data-label="Value"><code class="wrap">${header.text ?? (header.base64 ? `base64 ${header.base64}` : "null")}</code></td></tr>`)}
          </tbody>
        </table>
      </section>
    </div>`;
}
