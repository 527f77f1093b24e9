// A saga's steps as a line that lights up, and below it the way back: what undoes the saga where it cannot go on. As
// docs/sagas.md has them.
import { html } from "../elements/html.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";

const FORWARD = {
  upload: [
    ["awaiting_bytes", "Quota reserved", "the client sends the bytes"],
    ["awaiting_file", "Received", "the uploader verifies and stores"],
    ["attached", "Attached", "the file belongs to the item, its quota is settled"],
  ],
  item_deletion: [
    ["ending_uploads", "Ending uploads", "the item's uploads are ended one by one"],
    ["awaiting_removals", "Awaiting removals", "their files are removed"],
    ["completed", "Completed", "no upload of the item has a file any more"],
  ],
};
const BACK = {
  upload: [
    ["rejected", "Rejected", "not as announced, or no place at the item: quota released"],
    ["expired", "Expired", "never completed: quota released"],
    ["aborted", "Aborted", "given up, or the item was deleted: quota released"],
    ["removing", "Removing", "the uploader lets go of the file"],
    ["removed", "Removed", "nothing is left in the store"],
  ],
  item_deletion: [],
};
const ENDS = new Set(["attached", "completed", "rejected", "expired", "aborted", "removed"]);

// `seen` has the steps that were observed, with their times, in order.
export function SagaSteps({ saga, step, state, seen = {} }) {
  const forward = FORWARD[saga] ?? [];
  const at = forward.findIndex(([name]) => name === step);
  const isBack = at < 0 && step !== null;
  const back = (BACK[saga] ?? []).filter(([name]) => name === step || name in seen || (step === "removing" && name === "removed"));
  const stateOf = (name, index) => {
    if (name === step) return state === "stuck" ? "stuck" : ENDS.has(name) ? "done" : "now";
    const isPassed = isBack ? index === 0 : index < at;
    return name in seen || isPassed ? "done" : "ahead";
  };
  return html`
    <div class="saga-steps" data-step=${step}>
      <ol class="steps" aria-label="Steps">
        ${forward.map(([name, title, meaning], index) => html`<${Step} key=${name} name=${name} title=${title} meaning=${meaning} state=${stateOf(name, index)} at=${seen[name]} />`)}
      </ol>
      ${back.length > 0 && html`
        <p class="small quiet">Compensation</p>
        <ol class="steps way-back" aria-label="Compensation">
          ${back.map(([name, title, meaning]) => html`<${Step} key=${name} name=${name} title=${title} meaning=${meaning} state=${stateOf(name, -1)} at=${seen[name]} />`)}
        </ol>`}
    </div>`;
}

const WORDS = { done: "done", now: "under way", ahead: "not yet", stuck: "stuck" };
const ICONS = { done: "ok", now: "waiting", ahead: "none", stuck: "down" };

function Step({ name, title, meaning, state, at }) {
  return html`
    <li class=${`step is-${state}`} data-step-name=${name} data-step-state=${state} aria-current=${state === "now" ? "step" : undefined}>
      <span class="step-mark"><${Icon} name=${ICONS[state]} /></span>
      <span class="step-title">${title}<span class="unseen">, ${WORDS[state]}</span></span>
      <span class="small quiet">${meaning}</span>
      ${at && html`<span class="small"><${Moment} at=${at} withDate=${false} /></span>`}
    </li>`;
}
