// One item: what it is, its files, who changed what. Edited in place.
import { html, useEffect, useRef, useState } from "../elements/html.js";
import { useAnswer } from "../elements/answer.js";
import { Confirm } from "../elements/dialog.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Empty, Loading } from "../elements/states.js";
import { deleteItem, readItem } from "../api/items.js";
import { session } from "../session/session.js";
import { go, link } from "../router.js";
import { Editor } from "./editor.js";
import { Files } from "./files.js";
import { History } from "./history.js";
import { Tags } from "./list.js";

export function ItemDetail({ id }) {
  // Written here, so to be read here: nothing older than this version is shown.
  const [minVersion, setMinVersion] = useState(null);
  const { value, problem, reload } = useAnswer(() => readItem(id, { minVersion, wait: 5 }), `${id} ${minVersion}`);
  const [mode, setMode] = useState("read");
  const last = useRef(mode);
  // The buttons of the editor are gone with it: the keyboard goes on at the heading.
  useEffect(() => {
    if (last.current === "edit") document.querySelector("[data-heading]")?.focus();
    last.current = mode;
  }, [mode]);
  if (problem?.status === 410) {
    return html`<${Back} /><h1 tabindex="-1" data-heading>Deleted item</h1>
      <${Empty} title="This item is deleted">Its history is kept.<//><${History} id=${id} version=${minVersion} />`;
  }
  if (problem && !value) return html`<${Back} /><h1 tabindex="-1" data-heading>Item</h1><${ProblemNotice} problem=${problem} retry=${reload} />`;
  if (!value) return html`<${Back} /><h1 tabindex="-1" data-heading>Item</h1><${Loading} what="the item" />`;
  const { item, etag } = value;
  const written = (tag) => {
    setMinVersion(tag.replace(/"/g, ""));
    setMode("read");
  };
  return html`
    <${Back} />
    <header class="view-head">
      <h1 tabindex="-1" data-heading class="clip">${item.name}</h1>
      <${StateBadge} state=${item.status} />
      <span class="quiet num">version ${item.version}</span>
      <span class="row end grow">
        <a class="button" href=${link(["follow", item.id])}>Follow</a>
        ${session.has("writer") && mode !== "edit" && html`
          <button type="button" class="button" onClick=${() => setMode("edit")}>Edit</button>
          <button type="button" class="button danger-quiet" onClick=${() => setMode("delete")}>Delete</button>`}
      </span>
    </header>
    <div class="item-columns">
      <div class="stack large">
        ${mode === "edit"
          ? html`<${Editor} item=${item} etag=${etag ?? `"${item.version}"`} saved=${written} cancel=${() => setMode("read")} />`
          : html`<${Content} item=${item} />`}
        <${Files} item=${item} />
      </div>
      <${History} id=${id} version=${item.version} />
    </div>
    ${mode === "delete" && html`
      <${Confirm} title="Delete this item?" action="Delete" danger close=${() => setMode("read")}
        act=${async () => { await deleteItem(id, etag ?? `"${item.version}"`); go(["items"]); }}>
        <p>“${item.name}” goes for good, and its ${item.files.length === 1 ? "file" : `${item.files.length} files`} with it. The history stays.</p>
      <//>`}`;
}

function Back() {
  return html`<a class="back" href="#/items"><${Icon} name="back" />Items</a>`;
}

function Content({ item }) {
  const attributes = Object.entries(item.attributes);
  return html`
    <section class="card stack" aria-label="Content">
      <p class=${item.description ? "description" : "quiet"}>${item.description || "No description."}</p>
      <dl class="facts">
        <div><dt>Tags</dt><dd><${Tags} tags=${item.tags} /></dd></div>
        <div><dt>Owner</dt><dd class="clip">${item.owner}</dd></div>
        <div><dt>Created</dt><dd><${Moment} at=${item.created_at} /></dd></div>
        <div><dt>Changed</dt><dd><${Moment} at=${item.updated_at} /></dd></div>
        <div><dt>Id</dt><dd><code class="wrap">${item.id}</code></dd></div>
      </dl>
      <h2>Attributes</h2>
      ${attributes.length === 0
        ? html`<p class="quiet">None.</p>`
        : html`<dl class="facts">${attributes.map(([name, value]) => html`<div key=${name}><dt class="clip">${name}</dt><dd><code>${JSON.stringify(value)}</code></dd></div>`)}</dl>`}
    </section>`;
}
