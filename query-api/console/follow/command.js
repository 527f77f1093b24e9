// Sends one command, and shows beside it how its event goes through the hops.
import { html, useEffect, useId, useRef, useState } from "../elements/html.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { Empty, NeedsRole } from "../elements/states.js";
import { createItem, patchItem, readItem } from "../api/items.js";
import { ContentFields } from "../items/content-fields.js";
import { contentOf, contentOfForm, formOf } from "../items/content.js";
import { patchBetween } from "../items/merge-patch.js";
import { session } from "../session/session.js";
import { go, link } from "../router.js";
import { Journey } from "./journey.js";
import { JourneyHops } from "./journey-hops.js";

const NEW = { name: "A bicycle", description: "", status: "draft", tags: ["blue"], attributes: { gears: 7 } };

// Keeps the journey of the newest command; the one before is not watched any more.
function useJourney() {
  const [journey, setJourney] = useState(null);
  const current = useRef(null);
  useEffect(() => () => current.current?.stop(), []);
  const send = async (command) => {
    current.current?.stop();
    const next = new Journey();
    current.current = next;
    await next.begin(command);
    setJourney(next);
    return next;
  };
  return [journey, send];
}

export function CreateAndFollow() {
  const [form, setForm] = useState(() => formOf(NEW));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [journey, send] = useJourney();
  if (!session.has("writer")) return html`<${NeedsRole} role="writer" what="To create an item" />`;
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const content = contentOfForm(form);
      await send(() => createItem(content));
    } catch (failure) {
      setProblem(failure.title ? failure : { title: "This cannot be sent", detail: failure.message });
    }
    setBusy(false);
  };
  return html`
    <div class="two-columns">
      <form class="card stack" aria-label="Create an item" onSubmit=${submit}>
        <h2>Create an item</h2>
        <${ContentFields} form=${form} change=${setForm} short />
        ${problem && html`<${ProblemNotice} problem=${problem} />`}
        <div class="row"><button type="submit" class="button primary" disabled=${busy}>Create and follow</button></div>
      </form>
      <${Hops} journey=${journey} />
    </div>`;
}

export function ChangeAndFollow({ itemId }) {
  const [base, setBase] = useState(null);
  const [form, setForm] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [journey, send] = useJourney();
  const read = async (minVersion) => {
    setProblem(null);
    try {
      const { item, etag } = await readItem(itemId, { minVersion, wait: 5 });
      setBase({ content: contentOf(item), etag: etag ?? `"${item.version}"`, item });
      setForm(formOf(item));
    } catch (failure) {
      setProblem(failure);
    }
  };
  useEffect(() => {
    if (itemId) read();
  }, [itemId]);
  if (!session.has("writer")) return html`<${NeedsRole} role="writer" what="To change an item" />`;
  if (!itemId) return html`<${WhichItem} way="change" />`;
  const submit = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      const patch = patchBetween(base.content, contentOfForm(form));
      if (patch === null) {
        setProblem({ title: "Nothing is changed yet", detail: "Change a field, then send it." });
        return;
      }
      setBusy(true);
      const next = await send(() => patchItem(itemId, base.etag, patch));
      await read(next.value.version);
    } catch (failure) {
      const isStale = failure.status === 412;
      setProblem(isStale ? { ...failure, title: "Somebody was faster (412)", detail: "The item has changed since it was read here. Open it to merge by hand, or read it anew." } : failure.title ? failure : { title: "This cannot be sent", detail: failure.message });
    } finally {
      setBusy(false);
    }
  };
  return html`
    <div class="two-columns">
      <form class="card stack" aria-label="Change an item" onSubmit=${submit}>
        <h2>Change an item</h2>
        <p class="quiet clip">${base ? html`Version ${base.item.version} of <a href=${link(["items", itemId])}>${base.item.name}</a>` : html`<code>${itemId}</code>`}</p>
        ${form && html`<${ContentFields} form=${form} change=${setForm} short />`}
        ${problem && html`<${ProblemNotice} problem=${problem} retry=${() => read()} retryLabel="Read it anew" />`}
        ${form && html`<div class="row"><button type="submit" class="button primary" disabled=${busy}>Change and follow</button><a class="button" href="#/follow/change">Another item</a></div>`}
      </form>
      <${Hops} journey=${journey} />
    </div>`;
}

function WhichItem({ way }) {
  const [text, setText] = useState("");
  const field = useId();
  const submit = (event) => {
    event.preventDefault();
    go(["follow", way], { item: text.trim() });
  };
  return html`
    <form class="card stack narrow" onSubmit=${submit}>
      <div class="field">
        <label for=${field}>Id of the item</label>
        <input id=${field} class="mono" required autocomplete="off" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)} />
      </div>
      <div class="row"><button type="submit" class="button primary">Choose</button><a class="button" href="#/items">Find one</a></div>
    </form>`;
}

function Hops({ journey }) {
  if (!journey) return html`<div class="card"><${Empty} title="Nothing is followed yet">Send the command: each hop of its event lights up here, with its time.<//></div>`;
  return html`<${JourneyHops} key=${journey.id} journey=${journey} />`;
}
