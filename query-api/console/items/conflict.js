// A conflict, merged by hand: where both changed a field, the person says which stands, or writes a third.
import { html, useEffect, useRef, useState } from "../elements/html.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { Icon } from "../elements/icon.js";
import { FIELDS, contentOfForm, formOf, shown } from "./content.js";
import { isEqual } from "./merge-patch.js";

export function Conflict({ base, mine, theirs, version, merged, cancel, busy }) {
  const heading = useRef(null);
  useEffect(() => heading.current.focus(), []);
  const rows = FIELDS.map(([name, label]) => ({
    name, label,
    byMe: !isEqual(base[name], mine[name]),
    byThem: !isEqual(base[name], theirs[name]),
    isSame: isEqual(mine[name], theirs[name]),
  })).filter(({ byMe, byThem }) => byMe || byThem);
  // What only one side changed is taken from it; a field that both changed differently is for the person to say.
  const suggested = Object.fromEntries(FIELDS.map(([name]) => [name, isEqual(base[name], mine[name]) ? theirs[name] : mine[name]]));
  const [form, setForm] = useState(() => formOf(suggested));
  const [problem, setProblem] = useState(null);
  const [taken, setTaken] = useState({});
  const texts = { mine: formOf(mine), theirs: formOf(theirs) };
  const take = (name, side) => {
    setTaken({ ...taken, [name]: side });
    setForm({ ...form, [name]: texts[side][name] });
  };
  const open = rows.filter(({ name, byMe, byThem, isSame }) => byMe && byThem && !isSame && !taken[name]);
  const submit = (event) => {
    event.preventDefault();
    try {
      merged(contentOfForm(form));
    } catch (error) {
      setProblem({ title: "This cannot be saved", detail: error.message });
    }
  };
  return html`
    <form class="card stack conflict" aria-label="Merge by hand" data-conflict onSubmit=${submit}>
      <div class="notice tone-warn">
        <${Icon} name="degraded" />
        <div class="notice-text">
          <h2 tabindex="-1" ref=${heading}>Somebody was faster (412)</h2>
          <p>The item is at version ${version} now, and your change was made on an older one. Nothing is overwritten: say what is to stand.</p>
        </div>
      </div>
      ${rows.map(({ name, label, byMe, byThem, isSame }) => html`
        <fieldset key=${name} class="merge" data-field=${name}>
          <legend>${label} <span class="quiet">${isSame ? "changed alike by both" : byMe && byThem ? "changed by both" : byMe ? "changed by you" : "changed by them"}</span></legend>
          <div class="merge-sides">
            <${Side} title="Before" value=${base[name]} />
            <${Side} title="Theirs" value=${theirs[name]} changed=${byThem} pressed=${taken[name] === "theirs"} take=${() => take(name, "theirs")} />
            <${Side} title="Yours" value=${mine[name]} changed=${byMe} pressed=${taken[name] === "mine"} take=${() => take(name, "mine")} />
          </div>
          <label class="field"><span>What is to stand</span>
            ${name === "status"
              ? html`<select value=${form.status} onChange=${(event) => { setTaken({ ...taken, [name]: "hand" }); setForm({ ...form, status: event.target.value }); }}>
                  ${["draft", "active", "archived"].map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`
              : html`<textarea rows=${name === "description" || name === "attributes" ? 3 : 1} class=${name === "attributes" ? "mono" : ""} value=${form[name]}
                  onInput=${(event) => { setTaken({ ...taken, [name]: "hand" }); setForm({ ...form, [name]: event.target.value }); }}></textarea>`}
          </label>
        </fieldset>`)}
      ${problem && html`<${ProblemNotice} problem=${problem} />`}
      <div class="row end">
        ${open.length > 0 && html`<span class="quiet grow">Still to be said: ${open.map(({ label }) => label).join(", ")}</span>`}
        <button type="button" class="button" onClick=${cancel}>Drop my change</button>
        <button type="submit" class="button primary" disabled=${busy || open.length > 0}>Save on version ${version}</button>
      </div>
    </form>`;
}

function Side({ title, value, changed, pressed, take }) {
  return html`
    <div class=${changed ? "merge-side is-changed" : "merge-side"}>
      <span class="small quiet">${title}</span>
      <pre>${shown(value)}</pre>
      ${take && html`<button type="button" class="button small" aria-pressed=${Boolean(pressed)} onClick=${take}>Take ${title.toLowerCase()}</button>`}
    </div>`;
}
