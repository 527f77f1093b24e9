// Edits an item on the version that was read. Where somebody was faster, nothing is overwritten: both contents are shown,
// and the person merges them.
import { html, useEffect, useRef, useState } from "../elements/html.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { patchItem, readItem } from "../api/items.js";
import { ContentFields } from "./content-fields.js";
import { contentOf, contentOfForm, formOf } from "./content.js";
import { Conflict } from "./conflict.js";
import { patchBetween } from "./merge-patch.js";

export function Editor({ item, etag, saved, cancel }) {
  const [base, setBase] = useState({ content: contentOf(item), etag });
  const [form, setForm] = useState(() => formOf(item));
  const [conflict, setConflict] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const element = useRef(null);
  useEffect(() => element.current?.elements.name.focus(), []);

  const save = async (content, on) => {
    const patch = patchBetween(on.content, content);
    if (patch === null) {
      if (on.etag !== etag) saved(on.etag);
      else cancel();
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      saved((await patchItem(item.id, on.etag, patch)).etag);
    } catch (failure) {
      if (failure.status === 412) await meet(content, on, failure);
      else setProblem(failure);
    } finally {
      setBusy(false);
    }
  };
  // The newer version may not be in the view yet; the refusal names it, where the service says it.
  const meet = async (mine, on, refusal) => {
    try {
      const minVersion = refusal.headers?.get("ETag")?.replace(/"/g, "") ?? after(on.etag);
      const { item: theirs, etag: theirTag } = await readItem(item.id, { minVersion, wait: 5 });
      setConflict({ base: on.content, mine, theirs: contentOf(theirs), etag: theirTag ?? `"${theirs.version}"`, version: theirs.version });
    } catch (failure) {
      setProblem(failure);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    try {
      save(contentOfForm(form), base);
    } catch (error) {
      setProblem({ title: "This cannot be saved", detail: error.message });
    }
  };
  const merged = (content) => {
    const next = { content: conflict.theirs, etag: conflict.etag };
    setBase(next);
    setForm(formOf(content));
    setConflict(null);
    save(content, next);
  };
  if (conflict) return html`<${Conflict} ...${conflict} merged=${merged} cancel=${cancel} busy=${busy} />`;
  return html`
    <form ref=${element} class="card stack" aria-label="Edit the item" onSubmit=${submit}>
      <${ContentFields} form=${form} change=${setForm} />
      ${problem && html`<${ProblemNotice} problem=${problem} />`}
      <div class="row end">
        <button type="button" class="button" onClick=${cancel}>Cancel</button>
        <button type="submit" class="button primary" disabled=${busy}>Save on version ${base.etag.replace(/"/g, "")}</button>
      </div>
    </form>`;
}

// The version token behind the one that was refused: `7` → `8`, `1.7` → `1.8`.
function after(etag) {
  const parts = etag.replace(/"/g, "").split(".");
  return [...parts.slice(0, -1), Number(parts.at(-1)) + 1].join(".");
}
