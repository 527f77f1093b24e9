// The charts under the picture.
import { html } from "../elements/html.js";
import { Chart } from "./chart.js";

const CHARTS = [
  { title: "Commands and reads", unit: "per_second", lines: [{ name: "commands_per_second", label: "commands" }, { name: "reads_per_second", label: "reads" }] },
  { title: "Answer time, p99", unit: "ms", lines: [{ name: "command_p99_ms", label: "commands" }, { name: "read_p99_ms", label: "reads" }] },
  { title: "From command to view, p99", unit: "ms", lines: [{ name: "visible_delay_p99_ms", label: "visible after" }] },
  { title: "Outbox", unit: "count", lines: [{ name: "outbox_rows", label: "rows" }, { name: "outbox_oldest_seconds", label: "oldest", unit: "seconds" }] },
  { title: "Waiting to be applied", unit: "count", lines: [{ name: "projector_lag_messages", label: "projector" }, { name: "uploader_lag_messages", label: "uploader" }] },
  { title: "Open", unit: "count", lines: [{ name: "dead_letters_open", label: "dead letters" }, { name: "sagas_open", label: "sagas" }] },
];

export function Charts({ series }) {
  return html`
    <section aria-labelledby="charts-heading">
      <h2 id="charts-heading">Last fifteen minutes</h2>
      <div class="charts">${CHARTS.map((chart) => html`<${Chart} key=${chart.title} ...${chart} series=${series} />`)}</div>
    </section>`;
}
