// A flat list of facts, folded: there when one wants to know.
import { html } from "../elements/html.js";

export function Facts({ facts }) {
  const known = Object.entries(facts ?? {}).filter(([, value]) => value !== null && value !== "");
  if (known.length === 0) return null;
  return html`
    <details class="hop-facts">
      <summary>Details</summary>
      <dl class="facts small">
        ${known.map(([name, value]) => html`<div key=${name}><dt>${name.replace(/_/g, " ")}</dt><dd><code class="wrap">${String(value)}</code></dd></div>`)}
      </dl>
    </details>`;
}
