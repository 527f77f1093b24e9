// One small chart of the last fifteen minutes, with the newest values in words beside it.
import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { figure } from "../format/numbers.js";
import { clock } from "../format/times.js";
import { theme } from "../theme.js";

const WINDOW_SECONDS = 900;
const HEIGHT = 120;

export function Chart({ title, unit, lines, series }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [pointed, setPointed] = useState(null);
  const look = useObserved(theme);
  useEffect(() => {
    const chart = new uPlot(options(place.current, unit, lines, setPointed), dataOf(series, lines), place.current);
    plot.current = chart;
    const observer = new ResizeObserver(([entry]) => chart.setSize({ width: Math.floor(entry.contentRect.width), height: HEIGHT }));
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
    // Colours are painted into the canvas, so that another look needs another chart.
  }, [look]);
  useEffect(() => plot.current.setData(dataOf(series, lines)), [series]);
  const at = pointed ?? series.seconds.length - 1;
  return html`
    <figure class="chart card">
      <figcaption>
        <span class="chart-title">${title}</span>
        <span class="chart-time num quiet" aria-hidden="true">${pointed !== null && series.seconds[pointed] ? clock(series.seconds[pointed] * 1000) : ""}</span>
      </figcaption>
      <dl class="chart-values">
        ${lines.map((line, index) => {
          const [number, suffix] = figure(series.of[line.name]?.[at], line.unit ?? unit);
          return html`<div key=${line.name}><dt><span class=${`swatch line-${index + 1}`} aria-hidden="true"></span>${line.label}</dt><dd class="num">${number}${suffix && ` ${suffix}`}</dd></div>`;
        })}
      </dl>
      <div class="chart-plot" ref=${place} aria-hidden="true"></div>
    </figure>`;
}

function dataOf(series, lines) {
  const empty = series.seconds.map(() => null);
  return [series.seconds, ...lines.map(({ name }) => series.of[name] ?? empty)];
}

function options(element, unit, lines, setPointed) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(name).trim();
  // A custom property may hold a light and a dark colour; what is painted is the one that the element computes.
  const probe = document.createElement("span");
  element.append(probe);
  const computed = (name) => {
    probe.style.color = colour(name);
    return getComputedStyle(probe).color;
  };
  const font = `11px ${style.fontFamily}`;
  const axis = { stroke: computed("--text-quiet"), font, ticks: { show: false }, grid: { stroke: computed("--line"), width: 1 } };
  const painted = {
    width: Math.max(100, Math.floor(element.clientWidth)),
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { range: (_, __, last) => { const end = last ?? Date.now() / 1000; return [end - WINDOW_SECONDS, end]; } },
      // A flat line near nothing is not blown up to look like a mountain.
      y: { range: (_, __, highest) => [0, Math.max(highest ?? 0, unit === "count" ? 4 : 1) * 1.1] },
    },
    axes: [
      { ...axis, space: 70, size: 24, grid: { show: false }, values: (_, splits) => splits.map((second) => clock(second * 1000).replace(/:\d\d(?=\D*$)/, "")) },
      { ...axis, space: 28, size: 58, values: (_, splits) => splits.map((value) => figure(value, unit).filter(Boolean).join(" ").replace(/[.,]0(?= |$)/, "")) },
    ],
    series: [{}, ...lines.map((_, index) => ({
      stroke: computed(index === 0 ? "--accent" : "--chart-second"),
      width: 1.5,
      dash: index === 0 ? undefined : [5, 3],
      points: { show: false },
      spanGaps: false,
    }))],
    hooks: { setCursor: [(chart) => setPointed(chart.cursor.idx ?? null)] },
  };
  probe.remove();
  return painted;
}
