// The lines between the cards, drawn where the cards happen to stand. For looks alone: what hands what to whom is in the
// order of the cards too, and a broken stage says so itself.
import { html, useLayoutEffect, useRef, useState } from "../elements/html.js";
import { EDGES, rateOf } from "./layout.js";

// What goes back to the dead letters runs beside what comes from Kafka, not on it.
const APART = 8;

export function Wires({ stages, board }) {
  const [paths, setPaths] = useState({ width: 0, height: 0, edges: [] });
  const drawn = useRef("");
  useLayoutEffect(() => {
    const draw = () => {
      const next = measure(board.current);
      const text = JSON.stringify(next);
      if (text === drawn.current) return;
      drawn.current = text;
      setPaths(next);
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(board.current);
    for (const card of board.current.querySelectorAll("[data-stage]")) observer.observe(card);
    return () => observer.disconnect();
  }, [stages.length]);
  const named = (name) => stages.find((stage) => stage.name === name);
  return html`
    <svg class="wires" width=${paths.width} height=${paths.height} aria-hidden="true" focusable="false">
      <defs>${["", " broken"].map((kind) => html`
        <marker key=${kind} id=${`arrow${kind.trim()}`} class=${`wire-arrow${kind}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" /></marker>`)}
      </defs>
      ${paths.edges.map(({ from, to, path }) => {
        const isBroken = [from, to].some((name) => named(name)?.state === "down");
        const isStill = isBroken || [from, to].some((name) => named(name)?.isLastKnown);
        const speed = isStill ? 0 : speedOf(rateOf(named(from), named(to)));
        return html`
          <g key=${`${from}-${to}`} class=${isBroken ? "wire broken" : "wire"}>
            <path d=${path} class="wire-line" marker-end=${isBroken ? "url(#arrowbroken)" : "url(#arrow)"} />
            ${speed > 0 && html`<path d=${path} class=${`wire-flow speed-${speed}`} />`}
          </g>`;
      })}
    </svg>`;
}

// Four speeds, so that the line does not start anew each second.
function speedOf(rate) {
  if (!(rate > 0.05)) return 0;
  if (rate < 5) return 1;
  if (rate < 100) return 2;
  return 3;
}

function measure(board) {
  const frame = board.getBoundingClientRect();
  const boxes = {};
  for (const card of board.querySelectorAll("[data-stage]")) {
    const box = card.getBoundingClientRect();
    boxes[card.dataset.stage] = {
      left: box.left - frame.left, right: box.right - frame.left, top: box.top - frame.top, bottom: box.bottom - frame.top,
      x: (box.left + box.right) / 2 - frame.left, y: (box.top + box.bottom) / 2 - frame.top,
    };
  }
  const edges = EDGES.filter(([from, to]) => boxes[from] && boxes[to]);
  const paths = edges.map(([from, to]) => ({ from, to, path: pathBetween(boxes[from], boxes[to], to === "dead-letters" ? APART : 0) }));
  return { width: Math.round(frame.width), height: Math.round(frame.height), edges: paths };
}

function pathBetween(a, b, apart) {
  const round = Math.round;
  if (b.left >= a.right) return across(round(a.right), round(a.y), round(b.left), round(b.y), 0);
  if (b.right <= a.left) return across(round(a.left), round(a.y) + 2 * apart, round(b.right), round(b.y) + 2 * apart, apart);
  return b.top >= a.bottom ? `M${round(a.x)} ${round(a.bottom)}V${round(b.top)}` : `M${round(a.x)} ${round(a.top)}V${round(b.bottom)}`;
}

// Out at one height, in at another, with the bend in the middle of the gap.
function across(x1, y1, x2, y2, apart) {
  if (Math.abs(y1 - y2) < 3) return `M${x1} ${y1}H${x2}`;
  const middle = Math.round((x1 + x2) / 2) + apart;
  const side = Math.sign(x2 - x1);
  const fall = Math.sign(y2 - y1);
  const bend = Math.min(8, Math.abs(middle - x1), Math.abs(y2 - y1) / 2);
  return `M${x1} ${y1}H${middle - side * bend}Q${middle} ${y1} ${middle} ${y1 + fall * bend}V${y2 - fall * bend}`
    + `Q${middle} ${y2} ${middle + side * bend} ${y2}H${x2}`;
}
