// A message's value: as JSON where it is some, as text, or byte by byte.
import { html, useState } from "../elements/html.js";
import { bytes } from "../format/numbers.js";

// A message may have a megabyte; what is not looked at is not put into the document.
const SHOWN = 16 * 1024;

export function Bytes({ base64, text }) {
  const raw = base64 === null || base64 === undefined ? null : Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const pretty = prettyJson(text);
  const ways = [pretty && "JSON", typeof text === "string" && "Text", raw && "Bytes"].filter(Boolean);
  const [way, setWay] = useState(ways[0]);
  const [isWhole, setIsWhole] = useState(false);
  if (raw === null) return html`<h2 id="value-heading">Value</h2><p class="quiet">The message has no value.</p>`;
  const whole = way === "JSON" ? pretty : way === "Text" ? text : null;
  const limit = isWhole ? Infinity : SHOWN;
  const isCut = (whole ?? raw).length > limit;
  return html`
    <header class="row between">
      <h2 id="value-heading">Value <span class="quiet num">${bytes(raw.length)}</span></h2>
      <div class="segments" role="group" aria-label="Shown as">
        ${ways.map((one) => html`<button key=${one} type="button" aria-pressed=${one === way} onClick=${() => setWay(one)}>${one}</button>`)}
      </div>
    </header>
    <pre class="bytes" tabindex="0" aria-label="Value">${whole === null ? dump(raw.subarray(0, isWhole ? raw.length : SHOWN / 4)) : whole.slice(0, limit)}</pre>
    ${(isCut || (whole === null && !isWhole && raw.length > SHOWN / 4)) && html`<button type="button" class="button" onClick=${() => setIsWhole(true)}>Show all of it</button>`}`;
}

function prettyJson(text) {
  if (typeof text !== "string") return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

function dump(raw) {
  const lines = [];
  for (let at = 0; at < raw.length; at += 16) {
    const part = [...raw.subarray(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}
