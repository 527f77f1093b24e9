// What is behind a card: all figures, each instance, what happened last, the settings, and where it is in the repository.
import { html, useEffect, useRef } from "../elements/html.js";
import { Icon } from "../elements/icon.js";
import { Moment } from "../elements/moment.js";
import { StateBadge } from "../elements/state-badge.js";
import { currentConfig } from "../api/config.js";
import { figure } from "../format/numbers.js";
import { duration } from "../format/times.js";
import { STATE_WORDS } from "./stage-card.js";

export function StagePanel({ stage, now, deadLetters, sagas, close }) {
  const heading = useRef(null);
  useEffect(() => heading.current.focus(), [stage.name]);
  const key = (event) => {
    if (event.key === "Escape") close();
  };
  return html`
    <aside class="panel card" aria-label=${`Stage ${stage.title}`} onKeyDown=${key}>
      <header class="panel-head">
        <h2 tabindex="-1" ref=${heading}>${stage.title}</h2>
        <${StateBadge} state=${stage.isLastKnown ? "unknown" : stage.state} label=${stage.isLastKnown ? "last known" : STATE_WORDS[stage.state]} />
        <button type="button" class="button icon-only" aria-label="Close" onClick=${close}><${Icon} name="close" /></button>
      </header>
      ${stage.reason && html`<p class=${`reason state-${stage.state}`}>${stage.reason}</p>`}
      ${stage.since && html`<p class="quiet small">since <${Moment} at=${stage.since} /></p>`}
      <${Figures} figures=${stage.figures} />
      ${stage.name === "dead-letters" && html`<${DeadLetterGroups} groups=${deadLetters} />`}
      ${stage.name === "saga" && html`<${SagaStates} sagas=${sagas} />`}
      ${stage.instances.length > 0 && html`<${InstanceList} instances=${stage.instances} now=${now} />`}
      <${Events} events=${stage.events} />
      <${Settings} settings=${stage.settings} />
      <${Source} source=${stage.source} />
    </aside>`;
}

function Figures({ figures }) {
  return html`
    <dl class="figures">
      ${figures.map(({ name, label, unit, value }) => {
        const [number, suffix] = figure(value, unit);
        return html`<div key=${name}><dt>${label}</dt><dd class="num">${number}${suffix && ` ${suffix}`}</dd></div>`;
      })}
    </dl>`;
}

function DeadLetterGroups({ groups }) {
  return html`
    <h3>By group</h3>
    ${groups.length === 0 && html`<p class="quiet">No letter is open.</p>`}
    <ul class="plain">
      ${groups.map(({ group, topic, open }) => html`
        <li key=${group + topic} class="row between"><span class="clip">${group} <span class="quiet">${topic}</span></span><span class="num">${open}</span></li>`)}
    </ul>
    <p><a href="#/dead-letters">Open the dead letters</a></p>`;
}

function SagaStates({ sagas }) {
  return html`
    <h3>By state</h3>
    <ul class="plain">
      ${sagas.map(({ saga, state, open }) => html`
        <li key=${saga + state} class="row between"><span>${saga} <span class="quiet">${state}</span></span><span class="num">${open}</span></li>`)}
    </ul>
    <p><a href="#/sagas">Open the sagas</a></p>`;
}

function InstanceList({ instances, now }) {
  return html`
    <h3>Instances</h3>
    <ul class="plain instance-list">
      ${instances.map((instance) => html`
        <li key=${instance.instance ?? instance.address}>
          <div class="row between">
            <strong class="clip" title=${instance.instance}>${instance.instance ?? instance.address}</strong>
            <${StateBadge} state=${instance.state} label=${instance.draining ? "draining" : STATE_WORDS[instance.state]} />
          </div>
          <p class="quiet small num">
            ${instance.last_seen ? `heard ${duration(instance.silent_ms)} ago` : "never heard"}
            ${instance.version && ` · ${instance.version}`}
            ${instance.started_at && ` · up ${duration(now - Date.parse(instance.started_at))}`}
          </p>
          ${instance.shards_held !== null && instance.shards_held !== undefined && html`
            <p class="small num">relay leads ${instance.shards_held} shards, epoch up to ${instance.epoch_max ?? "–"}</p>`}
          ${(instance.waiting_for ?? []).map((one) => html`<p key=${one.name} class="small reason state-degraded">${one.name}: ${one.reason}</p>`)}
        </li>`)}
    </ul>`;
}

function Events({ events }) {
  return html`
    <h3>Last events</h3>
    ${events.length === 0 && html`<p class="quiet">Nothing has changed since the service began to look.</p>`}
    <ol class="plain events">
      ${events.map((event, index) => html`
        <li key=${index}>
          <div class="row between"><${StateBadge} state=${event.state} label=${STATE_WORDS[event.state]} /><${Moment} at=${event.at} /></div>
          ${event.reason && html`<p class="small">${event.reason}</p>`}
        </li>`)}
    </ol>`;
}

function Settings({ settings }) {
  if (settings.length === 0) return null;
  return html`
    <h3>Settings</h3>
    <dl class="settings">
      ${settings.map(({ name, value }) => html`<div key=${name}><dt><code>${name}</code></dt><dd><code>${value}</code></dd></div>`)}
    </dl>`;
}

function Source({ source }) {
  if (!source) return null;
  const { repository } = currentConfig();
  return html`
    <h3>In the repository</h3>
    <p class="clip">${repository ? html`<a href=${`${repository}/blob/main/${source}`} rel="noreferrer noopener" target="_blank"><code>${source}</code></a>` : html`<code>${source}</code>`}</p>`;
}
