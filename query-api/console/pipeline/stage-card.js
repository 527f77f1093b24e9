// One stage of the picture: its state by colour, shape and word, its main figures, and why it is broken.
import { html } from "../elements/html.js";
import { Icon } from "../elements/icon.js";
import { figure } from "../format/numbers.js";
import { link } from "../router.js";
import { mainFigures } from "./layout.js";

export const STATE_WORDS = { ok: "fine", degraded: "degraded", down: "down" };

export function StageCard({ stage, isOpen }) {
  const figures = mainFigures(stage);
  return html`
    <a class=${`stage state-${stage.state}${isOpen ? " is-open" : ""}${stage.isLastKnown ? " last-known" : ""}`}
      href=${link(isOpen ? ["pipeline"] : ["pipeline", stage.name])} data-stage=${stage.name} data-state=${stage.state}
      aria-current=${isOpen ? "true" : undefined}>
      <span class="stage-head">
        <${Icon} name=${stage.isLastKnown ? "unknown" : stage.state} />
        <span class="stage-title">${stage.title}</span>
        <span class="stage-state">${stage.isLastKnown ? "last known" : STATE_WORDS[stage.state] ?? stage.state}</span>
      </span>
      <span class="stage-figures">
        ${figures.map((one, index) => html`<${StageFigure} key=${one.name} figure=${one} isLarge=${index === 0} />`)}
      </span>
      ${stage.instances.length > 0 && html`<${Instances} instances=${stage.instances} />`}
      ${stage.state !== "ok" && stage.reason && html`<span class="stage-reason">${stage.reason}</span>`}
    </a>`;
}

function StageFigure({ figure: { label, unit, value }, isLarge }) {
  const [number, suffix] = figure(value, unit);
  return html`
    <span class=${isLarge ? "figure large" : "figure"}>
      <span class="figure-value num">${number}${suffix && html`<span class="figure-unit"> ${suffix}</span>`}</span>
      <span class="figure-label">${label}</span>
    </span>`;
}

function Instances({ instances }) {
  const up = instances.filter((instance) => instance.state !== "down").length;
  return html`
    <span class="instances">
      <span class="instance-dots" aria-hidden="true">
        ${instances.slice(0, 10).map((instance, index) => html`<span key=${index} class=${`dot state-${instance.state}`}></span>`)}
      </span>
      <span class="num">${up} of ${instances.length} ${instances.length === 1 ? "instance" : "instances"}</span>
    </span>`;
}
