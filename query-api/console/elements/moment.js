// A time in the reader's zone; the exact one, with the zone, on hover and for scripts.
import { html } from "./html.js";
import { clock, dateAndClock, exact } from "../format/times.js";

export function Moment({ at, withDate = true }) {
  if (!at) return html`<span class="quiet">–</span>`;
  return html`<time class="num" datetime=${at} title=${exact(at)}>${withDate ? dateAndClock(at) : clock(at)}</time>`;
}
