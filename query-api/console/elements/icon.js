// Shapes that say the same as the colours beside them, for those who see no colour.
import { html } from "./html.js";

const PATHS = {
  ok: "M3.5 8.5l3 3 6-7",
  degraded: "M8 2.2L14.6 13.6H1.4zM8 6.4v3.4M8 11.6v.4",
  down: "M4 4l8 8M12 4l-8 8",
  unknown: "M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .9-1 1.7M8 12v.3",
  waiting: "M8 4v4.2l2.6 1.6M8 1.8a6.2 6.2 0 1 0 .01 0",
  none: "M4 8h8",
  close: "M4 4l8 8M12 4l-8 8",
  back: "M9.5 3.5L5 8l4.5 4.5",
  file: "M4 1.8h5l3 3v9.4H4zM9 1.8v3h3",
  download: "M8 2v8M4.8 7L8 10.2 11.2 7M3 13.6h10",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.6 8z",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d=${PATHS[name] ?? PATHS.unknown} /></svg>`;
}
