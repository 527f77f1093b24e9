// What a part of the page shows while it has nothing to show.
import { html } from "./html.js";

export function Loading({ what }) {
  return html`<p class="loading" role="status"><span class="spinner" aria-hidden="true"></span>Loading ${what}…</p>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong>${children && html`<p>${children}</p>`}</div>`;
}

export function NeedsRole({ role, what }) {
  return html`
    <div class="empty" data-needs-role=${role}>
      <strong>${what} needs the role “${role}”</strong>
      <p>Your token does not have it. Sign in with another one, or ask who gives out tokens here.</p>
    </div>`;
}
