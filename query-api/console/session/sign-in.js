// How a person gets in: a token made here (development), at an issuer, or pasted.
import { html, useId, useState } from "../elements/html.js";
import { Dialog } from "../elements/dialog.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { developmentToken } from "./development-token.js";
import { signInAtIssuer } from "./openid.js";
import { session } from "./session.js";

const ROLES = [
  ["admin", "sees and does everything, dead letters and sagas too"],
  ["writer", "reads, creates and changes items, uploads files"],
  ["reader", "reads items"],
];

export function SignInPage({ config }) {
  return html`
    <section class="sign-in card">
      <h1 tabindex="-1" data-heading>Sign in</h1>
      <p class="quiet">Every request needs a bearer token. It is kept in the memory of this page alone: reloading the page is signing out.</p>
      <${SignInForms} config=${config} />
    </section>`;
}

export function SignInDialog({ config, close }) {
  return html`
    <${Dialog} title="Sign in again" close=${close}>
      <p class="quiet">What is on the page stays.</p>
      <${SignInForms} config=${config} done=${close} />
      <div class="row end"><button type="button" class="button" onClick=${close}>Not now</button></div>
    <//>`;
}

function SignInForms({ config, done }) {
  const [problem, setProblem] = useState(null);
  const attempt = async (work) => {
    setProblem(null);
    try {
      await work();
      done?.();
    } catch (failure) {
      setProblem(failure.title ? failure : { title: "You are not signed in", detail: failure.message });
    }
  };
  return html`
    <div class="stack">
      ${config.dev_token && html`<${DevelopmentForm} attempt=${attempt} />`}
      ${config.openid && html`<${IssuerForm} openid=${config.openid} attempt=${attempt} />`}
      <${PasteForm} attempt=${attempt} folded=${config.dev_token || Boolean(config.openid)} />
      ${problem && html`<${ProblemNotice} problem=${problem} />`}
    </div>`;
}

function DevelopmentForm({ attempt }) {
  const last = session.value.source?.development;
  const [sub, setSub] = useState(last?.sub ?? "alice");
  const [role, setRole] = useState(last?.role ?? "admin");
  const name = useId();
  const submit = (event) => {
    event.preventDefault();
    attempt(async () => session.signIn(await developmentToken(sub.trim(), role), { development: { sub: sub.trim(), role } }));
  };
  return html`
    <form class="stack" onSubmit=${submit}>
      <div class="field">
        <label for=${name}>Name</label>
        <input id=${name} required maxlength="200" autocomplete="off" value=${sub} onInput=${(event) => setSub(event.target.value)} />
      </div>
      <fieldset class="choices">
        <legend>Role</legend>
        ${ROLES.map(([value, meaning]) => html`
          <label key=${value} class="choice">
            <input type="radio" name="role" value=${value} checked=${role === value} onChange=${() => setRole(value)} />
            <span><strong>${value}</strong> <span class="quiet">${meaning}</span></span>
          </label>`)}
      </fieldset>
      <button type="submit" class="button primary">Get a development token</button>
    </form>`;
}

function IssuerForm({ openid, attempt }) {
  const click = () => attempt(async () => session.signIn(await signInAtIssuer(openid), { issuer: true }));
  return html`
    <div class="stack">
      <button type="button" class="button primary" onClick=${click}>Sign in at ${new URL(openid.issuer).host}</button>
      <p class="quiet small">A window of the issuer opens.</p>
    </div>`;
}

function PasteForm({ attempt, folded }) {
  const [text, setText] = useState("");
  const field = useId();
  const submit = (event) => {
    event.preventDefault();
    attempt(async () => session.signIn(text.trim().replace(/^Bearer\s+/i, ""), { pasted: true }));
  };
  const form = html`
    <form class="stack" onSubmit=${submit}>
      <div class="field">
        <label for=${field}>Token</label>
        <textarea id=${field} class="mono" rows="4" required spellcheck="false" autocomplete="off" placeholder="eyJ…"
          value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
      </div>
      <button type="submit" class=${folded ? "button" : "button primary"}>Use this token</button>
    </form>`;
  return folded ? html`<details><summary>Paste a token instead</summary>${form}</details>` : form;
}
