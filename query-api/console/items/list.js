// Search and filter, a page at a time. What is asked for is in the address, so that it can be sent to somebody.
import { html, useEffect, useId, useRef, useState } from "../elements/html.js";
import { Moment } from "../elements/moment.js";
import { PageButtons, usePages } from "../elements/paged.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { StateBadge } from "../elements/state-badge.js";
import { Empty, Loading } from "../elements/states.js";
import { listItems } from "../api/items.js";
import { link, restate } from "../router.js";

const SORTS = [
  ["-created_at", "newest first"], ["created_at", "oldest first"], ["-updated_at", "changed last"],
  ["updated_at", "unchanged longest"], ["name", "name, A to Z"], ["-name", "name, Z to A"],
];
const TYPING_PAUSE = 300;

function filterOf(parameters) {
  return {
    q: parameters.get("q") ?? "",
    tag: (parameters.get("tag") ?? "").split(/[\s,]+/).filter(Boolean),
    owner: parameters.get("owner") ?? "",
    status: parameters.get("status") ?? "",
    sort: parameters.get("sort") ?? "-created_at",
  };
}

export function ItemList({ parameters }) {
  const filter = filterOf(parameters);
  const key = JSON.stringify(filter);
  const pages = usePages((cursor) => listItems(filter, cursor), key);
  return html`
    <header class="view-head">
      <h1 tabindex="-1" data-heading>Items</h1>
      <a class="button primary" href="#/follow/create">Create an item</a>
    </header>
    <${Filters} parameters=${parameters} />
    ${pages.problem && html`<${ProblemNotice} problem=${pages.problem} retry=${pages.reload} />`}
    ${!pages.rows && pages.status === "loading" && html`<${Loading} what="items" />`}
    ${pages.rows && html`
      <div class=${pages.status === "refreshing" ? "card table-card is-stale" : "card table-card"} aria-busy=${pages.status === "refreshing"}>
        ${pages.rows.length === 0
          ? html`<${Empty} title="No item is like that">${key === JSON.stringify(filterOf(new URLSearchParams())) ? html`There is none yet. <a href="#/follow/create">Create the first one</a>.` : html`Ask for less, or <a href="#/items">see all</a>.`}<//>`
          : html`<${Table} items=${pages.rows} />`}
      </div>
      <${PageButtons} pages=${pages} what="items" />`}`;
}

function Filters({ parameters }) {
  const [typed, setTyped] = useState(() => Object.fromEntries(parameters));
  const timer = useRef(null);
  const ids = { q: useId(), tag: useId(), owner: useId(), status: useId(), sort: useId() };
  // The address may have changed by a link or the way back, too.
  useEffect(() => setTyped(Object.fromEntries(parameters)), [parameters.toString()]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const set = (name, pause) => (event) => {
    const next = { ...typed, [name]: event.target.value };
    setTyped(next);
    clearTimeout(timer.current);
    const said = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== ""));
    timer.current = setTimeout(() => restate(["items"], said), pause);
  };
  return html`
    <form class="filters" role="search" aria-label="Items" onSubmit=${(event) => event.preventDefault()}>
      <div class="field grow">
        <label for=${ids.q}>Search</label>
        <input id=${ids.q} type="search" placeholder="words, “phrases”, -without" value=${typed.q ?? ""} onInput=${set("q", TYPING_PAUSE)} />
      </div>
      <div class="field"><label for=${ids.tag}>Tags</label><input id=${ids.tag} placeholder="blue sold" value=${typed.tag ?? ""} onInput=${set("tag", TYPING_PAUSE)} /></div>
      <div class="field"><label for=${ids.owner}>Owner</label><input id=${ids.owner} value=${typed.owner ?? ""} onInput=${set("owner", TYPING_PAUSE)} /></div>
      <div class="field">
        <label for=${ids.status}>Status</label>
        <select id=${ids.status} value=${typed.status ?? ""} onChange=${set("status", 0)}>
          <option value="">any</option>${["draft", "active", "archived"].map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for=${ids.sort}>Sort</label>
        <select id=${ids.sort} value=${typed.sort ?? "-created_at"} onChange=${set("sort", 0)}>
          ${SORTS.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
        </select>
      </div>
    </form>`;
}

function Table({ items }) {
  return html`
    <table class="table items-table">
      <thead><tr><th scope="col">Name</th><th scope="col" class="of-state">Status</th><th scope="col">Tags</th><th scope="col">Owner</th><th scope="col" class="end of-number">Files</th><th scope="col" class="end of-number">Version</th><th scope="col" class="of-time">Changed</th></tr></thead>
      <tbody>
        ${items.map((item) => html`
          <tr key=${item.id}>
            <th scope="row"><a class="clip" href=${link(["items", item.id])} title=${item.name}>${item.name}</a></th>
            <td data-label="Status"><${StateBadge} state=${item.status} /></td>
            <td data-label="Tags"><${Tags} tags=${item.tags} /></td>
            <td data-label="Owner"><span class="clip" title=${item.owner}>${item.owner}</span></td>
            <td data-label="Files" class="end num">${item.files.length || html`<span class="quiet">–</span>`}</td>
            <td data-label="Version" class="end num">${item.version}</td>
            <td data-label="Changed"><${Moment} at=${item.updated_at} /></td>
          </tr>`)}
      </tbody>
    </table>`;
}

export function Tags({ tags }) {
  if (tags.length === 0) return html`<span class="quiet">–</span>`;
  return html`<span class="tags">${tags.map((tag) => html`<a key=${tag} class="tag" href=${link(["items"], { tag })}>${tag}</a>`)}</span>`;
}
