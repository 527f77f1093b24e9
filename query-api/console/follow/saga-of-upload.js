// An upload's saga, its steps lighting up as they come.
import { html, useEffect, useState } from "../elements/html.js";
import { StateBadge } from "../elements/state-badge.js";
import { bytes } from "../format/numbers.js";
import { link } from "../router.js";
import { SagaSteps } from "../sagas/steps.js";
import { watchUpload } from "./watch-upload.js";

export function SagaOfUpload({ id }) {
  const [state, setState] = useState({ upload: null, step: null, seen: {} });
  useEffect(() => {
    const over = new AbortController();
    watchUpload(id, over.signal, setState);
    return () => over.abort();
  }, [id]);
  const { upload, step, seen, isOver } = state;
  return html`
    <section class="card stack" aria-label="Saga" data-saga=${isOver ? "over" : "under-way"} data-upload-status=${upload?.status ?? ""}>
      <header class="row between">
        <h2 class="clip">Saga of ${upload?.file_name ?? "the upload"}</h2>
        ${upload && html`<${StateBadge} state=${upload.status} />`}
      </header>
      <p class="unseen" role="status">${isOver ? `The upload is ${upload.status}${upload.reason ? `: ${upload.reason}` : ""}.` : ""}</p>
      <${SagaSteps} saga="upload" step=${step} state=${state.state} seen=${seen} />
      ${upload?.reason && html`<p class="reason state-down">Reason: <code>${upload.reason}</code></p>`}
      <p class="quiet small clip">
        ${upload && html`${bytes(upload.size_bytes)} · <a href=${link(["items", upload.item_id])}>item</a> · `}<a href=${link(["follow", id])}><code>${id}</code></a>
      </p>
    </section>`;
}
