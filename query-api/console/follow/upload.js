// Uploads a file by drag and drop, and shows its transfer and its saga.
import { html, useEffect, useId, useRef, useState } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { Empty, NeedsRole } from "../elements/states.js";
import { bytes } from "../format/numbers.js";
import { session } from "../session/session.js";
import { link } from "../router.js";
import { SagaOfUpload } from "./saga-of-upload.js";
import { SABOTAGES, Transfer } from "./transfer.js";

export function UploadAndFollow({ itemId }) {
  const [file, setFile] = useState(null);
  const [item, setItem] = useState(itemId ?? "");
  const [uploadId, setUploadId] = useState("");
  const [sabotage, setSabotage] = useState("none");
  const [transfer, setTransfer] = useState(null);
  const ids = { item: useId(), upload: useId() };
  const current = useRef(null);
  useEffect(() => () => current.current?.pause(), []);
  if (!session.has("writer")) return html`<${NeedsRole} role="writer" what="To upload a file" />`;
  const submit = (event) => {
    event.preventDefault();
    current.current?.pause();
    const next = new Transfer(file, { itemId: item.trim() || null, uploadId: uploadId.trim() || null, sabotage: uploadId.trim() ? "none" : sabotage });
    current.current = next;
    setTransfer(next);
    next.start();
  };
  return html`
    <div class="two-columns">
      <form class="card stack" aria-label="Upload a file" onSubmit=${submit}>
        <h2>Upload a file</h2>
        <${DropZone} file=${file} choose=${setFile} />
        <div class="field">
          <label for=${ids.item}>Item; empty: a new one is made</label>
          <input id=${ids.item} class="mono" autocomplete="off" spellcheck="false" value=${item} onInput=${(event) => setItem(event.target.value)} />
        </div>
        <fieldset class="choices">
          <legend>What is to go wrong</legend>
          ${SABOTAGES.map(([name, title, meaning]) => html`
            <label key=${name} class="choice">
              <input type="radio" name="sabotage" value=${name} checked=${sabotage === name} disabled=${name === "quota" && !session.has("admin")} onChange=${() => setSabotage(name)} />
              <span><strong>${title}</strong> <span class="quiet">${meaning}</span></span>
            </label>`)}
        </fieldset>
        <details>
          <summary>Go on with an upload that was cut off</summary>
          <div class="field">
            <label for=${ids.upload}>Id of the upload; choose the same file above</label>
            <input id=${ids.upload} class="mono" autocomplete="off" spellcheck="false" value=${uploadId} onInput=${(event) => setUploadId(event.target.value)} />
          </div>
        </details>
        <div class="row"><button type="submit" class="button primary" disabled=${!file}>${uploadId.trim() ? "Go on" : "Upload and follow"}</button></div>
      </form>
      <div class="stack large">
        ${transfer ? html`<${TransferProgress} key=${transfer} transfer=${transfer} />` : html`<div class="card"><${Empty} title="No file is on its way">Drop one: its transfer and the steps of its saga light up here.<//></div>`}
      </div>
    </div>`;
}

function DropZone({ file, choose }) {
  const [isOver, setIsOver] = useState(false);
  const field = useId();
  const take = (event) => {
    event.preventDefault();
    setIsOver(false);
    if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  };
  const over = (event) => {
    event.preventDefault();
    setIsOver(true);
  };
  return html`
    <div class=${isOver ? "drop is-over" : "drop"} onDragOver=${over} onDragLeave=${() => setIsOver(false)} onDrop=${take}>
      <input id=${field} type="file" class="drop-input" onChange=${(event) => choose(event.target.files[0] ?? null)} />
      <label for=${field}>
        <${Icon} name="file" />
        ${file ? html`<span class="clip"><strong>${file.name}</strong> <span class="quiet num">${bytes(file.size)}</span></span>` : html`<span><strong>Drop a file here</strong> or choose one</span>`}
      </label>
    </div>`;
}

const WORDS = {
  hashing: "Computing the SHA-256", announcing: "Announcing", sending: "Sending", paused: "Paused", completing: "Completing",
  sent: "Sent", failed: "Cut off", refused: "Refused, as wanted", "given-up": "Given up",
};

function TransferProgress({ transfer }) {
  const state = useObserved(transfer);
  const share = state.size === 0 ? 1 : state.done / state.size;
  const isMoving = ["hashing", "announcing", "sending"].includes(state.status);
  return html`
    <section class="card stack" aria-label="Transfer" data-transfer=${state.status}>
      <header class="row between"><h2>${WORDS[state.status]}</h2><span class="num quiet">${Math.floor(share * 100)} %</span></header>
      <progress max="1" value=${share} aria-label=${WORDS[state.status]}></progress>
      <p class="small quiet num">${bytes(state.done)} of ${bytes(state.size)}${state.parts ? ` · ${state.partsSent} of ${state.parts} parts` : ""}</p>
      ${state.problem && html`<${ProblemNotice} problem=${state.problem} />`}
      <div class="row">
        ${isMoving && html`<button type="button" class="button" onClick=${() => transfer.pause()}><${Icon} name="pause" />Pause</button>`}
        ${(state.status === "paused" || state.status === "failed") && html`<button type="button" class="button primary" onClick=${() => transfer.resume()}><${Icon} name="play" />Go on</button>`}
        ${(state.status === "paused" || state.status === "failed") && state.uploadId && html`<button type="button" class="button danger-quiet" onClick=${() => transfer.giveUp()}>Give up</button>`}
        ${state.itemId && html`<a class="button" href=${link(["items", state.itemId])}>Open the item</a>`}
      </div>
      ${state.notes.length > 0 && html`<ol class="plain notes small">${state.notes.map((note, index) => html`<li key=${index}><${Moment} at=${note.at} withDate=${false} /> ${note.text}</li>`)}</ol>`}
    </section>
    ${state.uploadId && html`<${SagaOfUpload} id=${state.uploadId} />`}`;
}
