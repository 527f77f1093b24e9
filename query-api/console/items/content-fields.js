// The fields of an item's content, for creating and for editing.
import { html, useId } from "../elements/html.js";

export function ContentFields({ form, change, short }) {
  const ids = { name: useId(), description: useId(), status: useId(), tags: useId(), attributes: useId() };
  const set = (name) => (event) => change({ ...form, [name]: event.target.value });
  return html`
    <div class="field">
      <label for=${ids.name}>Name</label>
      <input id=${ids.name} name="name" required maxlength="200" autocomplete="off" value=${form.name} onInput=${set("name")} />
    </div>
    <div class="field">
      <label for=${ids.description}>Description</label>
      <textarea id=${ids.description} name="description" rows=${short ? 2 : 4} maxlength="10000" value=${form.description} onInput=${set("description")}></textarea>
    </div>
    <div class="field-row">
      <div class="field">
        <label for=${ids.status}>Status</label>
        <select id=${ids.status} name="status" value=${form.status} onChange=${set("status")}>
          ${["draft", "active", "archived"].map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
        </select>
      </div>
      <div class="field grow">
        <label for=${ids.tags}>Tags, with commas between them</label>
        <input id=${ids.tags} name="tags" autocomplete="off" value=${form.tags} onInput=${set("tags")} />
      </div>
    </div>
    <div class="field">
      <label for=${ids.attributes}>Attributes, as a JSON object</label>
      <textarea id=${ids.attributes} name="attributes" class="mono" rows=${short ? 2 : 5} spellcheck="false" value=${form.attributes} onInput=${set("attributes")}></textarea>
    </div>`;
}
