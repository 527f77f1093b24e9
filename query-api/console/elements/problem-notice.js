// What went wrong, in the words of the service, and what one can do about it.
import { html } from "./html.js";
import { Icon } from "./icon.js";

export function ProblemNotice({ problem, retry, retryLabel = "Try again" }) {
  return html`
    <div class="notice tone-bad" role="alert">
      <${Icon} name="degraded" />
      <div class="notice-text">
        <strong>${problem.title}</strong>
        ${problem.detail && html`<p>${problem.detail}</p>`}
        ${problem.errors?.length > 0 && html`
          <ul>${problem.errors.map((fault) => html`<li key=${fault.pointer}><code>${fault.pointer}</code> ${fault.detail}</li>`)}</ul>`}
        ${problem.traceId && html`<p class="quiet small">trace <code>${problem.traceId}</code></p>`}
      </div>
      ${retry && html`<button type="button" class="button" onClick=${retry}>${retryLabel}</button>`}
    </div>`;
}
