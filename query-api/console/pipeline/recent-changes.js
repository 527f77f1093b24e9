// The newest changes of items, as the stream tells them. Bounded in number, and drawn a few times a second at most, however
// many come.
import { html, useState } from "../elements/html.js";
import { Observed, useObserved } from "../elements/observed.js";
import { Moment } from "../elements/moment.js";
import { onChange } from "../api/stream.js";
import { count } from "../format/numbers.js";
import { link } from "../router.js";

const KEPT = 40;
const DRAWN_EVERY = 250;

const recent = new Observed({ total: 0, changes: [] });
let gathered = [];
let missed = 0;
let timer = null;

onChange((change) => {
  // Only what the line shows: the event has the whole item, and a page is open for hours.
  gathered.push({
    id: change.event_id, itemId: change.item_id, version: change.version, type: change.event_type,
    name: change.item?.name ?? "", actor: change.actor, at: change.occurred_at,
  });
  if (gathered.length > KEPT) {
    gathered.shift();
    missed += 1;
  }
  timer ??= setTimeout(publish, DRAWN_EVERY);
});

function publish() {
  timer = null;
  const { total, changes } = recent.value;
  recent.set({ total: total + gathered.length + missed, changes: [...gathered.reverse(), ...changes].slice(0, KEPT) });
  gathered = [];
  missed = 0;
}

export function forgetChanges() {
  gathered = [];
  missed = 0;
  recent.set({ total: 0, changes: [] });
}

const words = (type) => type.replace(/^depot\./, "").replace(/\.v\d+$/, "").replace(/_/g, " ");

export function RecentChanges() {
  const { total, changes } = useObserved(recent);
  const [held, setHeld] = useState(null);
  const shown = held ?? changes;
  return html`
    <section class="card changes" aria-labelledby="changes-heading">
      <header class="row between">
        <h2 id="changes-heading">Changes as they happen</h2>
        <span class="row">
          <span class="quiet num" data-changes-total=${total}>${count(total)} since you came</span>
          <button type="button" class="button small" aria-pressed=${held !== null} onClick=${() => setHeld(held ? null : changes)}>
            ${held ? "Go on" : "Hold"}
          </button>
        </span>
      </header>
      ${shown.length === 0
        ? html`<p class="quiet">Nothing has changed since you came. <a href="#/follow">Create an item</a> and it shows up here.</p>`
        : html`
          <ol class="plain change-list">
            ${shown.map((change) => html`
              <li key=${change.id}>
                <${Moment} at=${change.at} withDate=${false} />
                <span class="change-type">${words(change.type)}</span>
                <a class="clip" href=${link(["follow", change.itemId])}>${change.name || change.itemId}</a>
                <span class="quiet num">v${change.version}</span>
                <span class="quiet clip">${change.actor}</span>
              </li>`)}
          </ol>`}
    </section>`;
}
