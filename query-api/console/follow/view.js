// Follow one command: create or change an item, upload a file, or enter any id, and watch each hop with its time.
import { html, useId, useState } from "../elements/html.js";
import { go } from "../router.js";
import { ChangeAndFollow, CreateAndFollow } from "./command.js";
import { TraceOf } from "./trace.js";
import { UploadAndFollow } from "./upload.js";

const WAYS = [["create", "Create"], ["change", "Change"], ["upload", "Upload"]];

export function FollowView({ parts, parameters }) {
  const chosen = parts[1] ?? "create";
  const id = WAYS.some(([name]) => name === chosen) ? null : chosen;
  return html`
    <header class="view-head">
      <h1 tabindex="-1" data-heading>Follow</h1>
      <nav class="segments" aria-label="What to follow">
        ${WAYS.map(([name, title]) => html`<a key=${name} href=${`#/follow/${name}`} aria-current=${chosen === name ? "page" : undefined}>${title}</a>`)}
      </nav>
      <${IdForm} key=${id} id=${id} />
    </header>
    ${chosen === "create" && html`<${CreateAndFollow} />`}
    ${chosen === "change" && html`<${ChangeAndFollow} key=${parameters.get("item") ?? ""} itemId=${parameters.get("item")} />`}
    ${chosen === "upload" && html`<${UploadAndFollow} key=${parameters.get("item") ?? ""} itemId=${parameters.get("item")} />`}
    ${id && html`<${TraceOf} key=${id} id=${id} />`}`;
}

function IdForm({ id }) {
  const [text, setText] = useState(id ?? "");
  const field = useId();
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) go(["follow", text.trim()]);
  };
  return html`
    <form class="id-form" onSubmit=${submit}>
      <label class="unseen" for=${field}>Id of an item or an upload</label>
      <input id=${field} class="mono" placeholder="id of an item or an upload" autocomplete="off" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)} />
      <button type="submit" class="button">Follow</button>
    </form>`;
}
