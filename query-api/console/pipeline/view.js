// The system at work: the picture, what is broken and why, the stage that was clicked on, the last fifteen minutes.
import { html, useRef } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { Loading, NeedsRole } from "../elements/states.js";
import { go } from "../router.js";
import { Charts } from "./charts.js";
import { pipeline } from "./feed.js";
import { LANES } from "./layout.js";
import { RecentChanges } from "./recent-changes.js";
import { StageCard } from "./stage-card.js";
import { StagePanel } from "./stage-panel.js";
import { Wires } from "./wires.js";

export function PipelineView({ parts }) {
  const state = useObserved(pipeline);
  return html`
    <header class="view-head">
      <h1 tabindex="-1" data-heading>Pipeline</h1>
      <${Verdict} state=${state} />
    </header>
    ${state.status === "starting" && html`<${Loading} what="the pipeline" />`}
    ${state.status === "forbidden" && html`<${NeedsRole} role="admin" what="The picture of the pipeline" />`}
    ${state.stages.length > 0 && html`<${Picture} state=${state} opened=${parts[1]} />`}
    ${state.stages.length > 1 && html`<${Charts} series=${state.series} />`}
    <${RecentChanges} />`;
}

function Picture({ state, opened }) {
  const board = useRef(null);
  const stage = state.stages.find(({ name }) => name === opened);
  const close = () => {
    const name = opened;
    go(["pipeline"]);
    board.current?.querySelector(`[data-stage="${CSS.escape(name)}"]`)?.focus();
  };
  const known = new Set(LANES.flatMap(({ stages }) => stages));
  const lanes = [...LANES, { name: "more", title: "More", stages: state.stages.map(({ name }) => name).filter((name) => !known.has(name)) }];
  return html`
    <section class=${stage ? "picture has-panel" : "picture"} aria-label="Flow of a command">
      <div class="board" ref=${board}>
        <${Wires} stages=${state.stages} board=${board} />
        ${lanes.map((lane) => html`<${Lane} key=${lane.name} lane=${lane} stages=${state.stages} opened=${opened} />`)}
      </div>
      ${stage && html`
        <${StagePanel} stage=${stage} now=${Date.parse(state.at) || Date.now()} deadLetters=${state.deadLetters} sagas=${state.sagas} close=${close} />`}
    </section>`;
}

function Lane({ lane, stages, opened }) {
  const shown = lane.stages.map((name) => stages.find((stage) => stage.name === name)).filter(Boolean);
  if (shown.length === 0) return null;
  return html`
    <div class=${`lane lane-${lane.name}`}>
      <h2 class="lane-title">${lane.title}</h2>
      ${shown.map((stage) => html`<${StageCard} key=${stage.name} stage=${stage} isOpen=${stage.name === opened} />`)}
    </div>`;
}

// One sentence for the whole. It is spoken when it changes, which is when a state does, and not with every number.
function Verdict({ state }) {
  if (state.stages.length === 0) return null;
  const broken = state.stages.filter((stage) => stage.state !== "ok" && !stage.isLastKnown);
  const worst = state.status === "stale" ? "degraded" : broken.some((stage) => stage.state === "down") ? "down" : broken.length > 0 ? "degraded" : "ok";
  return html`
    <p class=${`verdict state-${worst}`} role="status" data-verdict=${worst}>
      <${Icon} name=${worst} />
      <span>${sentence(broken, state)}</span>
      ${state.status === "silent" && html`<span class="quiet">nothing heard since <${Moment} at=${state.silentSince} withDate=${false} /></span>`}
    </p>`;
}

function sentence(broken, state) {
  if (state.status === "stale") return "Not asked any more: this is how it was while your token was good.";
  if (state.status === "silent") return "query-api does not answer: the rest is as it was last known.";
  if (broken.length === 0) return "Every stage is fine.";
  const names = broken.map((stage) => `${stage.title} ${stage.state === "down" ? "is down" : "is degraded"}`);
  return `${names.join(", ")}.`;
}
