// The hops of one command as a line that lights up.
import { html } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { Icon } from "../elements/icon.js";
import { NeedsRole } from "../elements/states.js";
import { clock, duration } from "../format/times.js";
import { session } from "../session/session.js";
import { link } from "../router.js";
import { Facts } from "./facts.js";
import { HOPS } from "./journey.js";

const TITLES = {
  accepted: ["Accepted", "state, event and answer are in one transaction of Postgres"],
  recorded: ["Recorded in the outbox", "the event, in the same transaction"],
  published: ["Published", "the relay has Kafka's word for it"],
  kafka: ["In Kafka, read by the projector", "keyed by the item"],
  views: ["In the view", "Postgres, schema read"],
  cache: ["In the cache", "Redis"],
  readable: ["Readable", "query-api answers with this version"],
  announced: ["Announced", "on the live stream"],
};
const FOR_ADMINS = new Set(["recorded", "published", "kafka", "views", "cache"]);

export function JourneyHops({ journey }) {
  const state = useObserved(journey);
  const isAdmin = session.has("admin");
  const shown = HOPS.filter((name) => isAdmin || !FOR_ADMINS.has(name));
  return html`
    <section class="card stack" aria-label="Hops" data-journey=${state.isOver ? "over" : "under-way"}>
      <header>
        <h2 class="clip">${state.name}</h2>
        <p class="quiet small clip"><a href=${link(["items", state.id])}><code>${state.id}</code></a> version ${state.version}</p>
      </header>
      <p class="unseen" role="status">${state.isOver ? (state.gaveUp ? "Not every hop was seen within a minute." : "The command has reached every hop.") : ""}</p>
      <ol class="hops">
        ${shown.map((name) => html`<${Hop} key=${name} name=${name} hop=${state.hops[name]} sentAt=${state.sentAt} stuck=${state.stuck?.[name]} gaveUp=${state.gaveUp} />`)}
      </ol>
      ${isAdmin && html`<p class="quiet small">Counted from the click. “≤” is when this page saw it: it asks four times a second.</p>`}
      ${state.gaveUp && html`<p class="quiet">Not every hop was seen within a minute. <a href=${link(["follow", state.id])}>Follow the item</a>, or see the <a href="#/pipeline">pipeline</a>.</p>`}
      ${!isAdmin && html`<${NeedsRole} role="admin" what="To see the hops in between" />`}
      <p class="row"><a class="button small" href=${link(["follow", "change"], { item: state.id })}>Change it</a><a class="button small" href=${link(["follow", "upload"], { item: state.id })}>Add a file</a><a class="button small" href=${link(["follow", state.id])}>All that is known of it</a></p>
    </section>`;
}

function Hop({ name, hop, sentAt, stuck, gaveUp }) {
  const [title, meaning] = TITLES[name];
  const state = hop ? "done" : stuck ? "stuck" : gaveUp ? "ahead" : "now";
  return html`
    <li class=${`hop is-${state}`} data-hop=${name} data-hop-state=${state}>
      <span class="hop-mark"><${Icon} name=${{ done: "ok", stuck: "down", ahead: "none", now: "waiting" }[state]} /></span>
      <span class="hop-text">
        <strong>${title}</strong>
        <span class="quiet small">${stuck ?? hop?.detail ?? meaning}</span>
        ${hop?.facts && html`<${Facts} facts=${hop.facts} />`}
      </span>
      <span class="hop-time num">
        ${hop ? html`<span title=${hop.isSeen ? "when this page saw it" : undefined}>${hop.isSeen ? "≤ " : "+ "}${duration(hop.at - sentAt)}</span><span class="quiet small">${clock(hop.at)}</span>` : html`<span class="quiet">…</span>`}
      </span>
    </li>`;
}
