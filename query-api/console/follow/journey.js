// One command on its way: what each place says of the version that it made, until the view, the cache and the stream have
// it. Asked four times a second, for a minute at most.
import { Observed } from "../elements/observed.js";
import { readTrace } from "../api/admin.js";
import { readItem } from "../api/items.js";
import { onChange } from "../api/stream.js";
import { session } from "../session/session.js";

const ASKED_EVERY = 250;
const PATIENCE = 60_000;

export const HOPS = ["accepted", "recorded", "published", "kafka", "views", "cache", "readable", "announced"];

export class Journey extends Observed {
  #stopped = new AbortController();
  #forget = () => {};
  id = null;

  constructor() {
    super({ isOver: false, hops: {} });
  }

  // Sends the command, and begins to watch. What the service refuses is thrown.
  async begin(command) {
    const heard = [];
    // The stream may be faster than the answer.
    this.#forget = onChange((change) => {
      heard.push({ id: change.item_id, version: change.version, at: Date.now() });
      if (heard.length > 200) heard.shift();
      this.#match(heard);
    });
    const sentAt = Date.now();
    let answer;
    try {
      answer = await command();
    } catch (problem) {
      this.stop();
      throw problem;
    }
    const now = Date.now();
    this.id = answer.body.id;
    const accepted = { at: now, detail: `${answer.status} after ${now - sentAt} ms`, facts: { version: answer.body.version, trace_id: answer.traceId } };
    this.set({ ...this.value, id: this.id, name: answer.body.name, sentAt, version: answer.body.version, token: answer.etag.replace(/"/g, ""), hops: { accepted } });
    this.#match(heard);
    this.#awaitReadable();
    if (session.has("admin")) this.#watchStores();
  }

  stop() {
    this.#stopped.abort();
    this.#forget();
  }

  #reach(name, hop) {
    if (this.value.hops[name]) return;
    const hops = { ...this.value.hops, [name]: hop };
    const wanted = session.has("admin") ? HOPS : ["accepted", "readable", "announced"];
    const isOver = wanted.every((one) => hops[one]);
    this.set({ ...this.value, hops, isOver });
    if (isOver) this.stop();
  }

  #match(heard) {
    const { id, version } = this.value;
    const found = id && heard.find((one) => one.id === id && one.version >= version);
    if (found) this.#reach("announced", { at: found.at, detail: "the stream told of it" });
  }

  async #awaitReadable() {
    const end = Date.now() + PATIENCE;
    while (!this.#stopped.signal.aborted && Date.now() < end) {
      try {
        const { item } = await readItem(this.id, { minVersion: this.value.token, wait: 5, signal: this.#stopped.signal });
        this.#reach("readable", { at: Date.now(), detail: `query-api answers with version ${item.version}` });
        return;
      } catch (problem) {
        if (problem.status === 410) {
          this.#reach("readable", { at: Date.now(), detail: "query-api says that it is deleted" });
          return;
        }
        await pause();
      }
    }
  }

  async #watchStores() {
    const { signal } = this.#stopped;
    const end = Date.now() + PATIENCE;
    while (!signal.aborted && Date.now() < end) {
      try {
        const trace = await readTrace(this.id, signal);
        if (signal.aborted) return;
        if (trace) this.#read(trace.hops);
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.status === 401 || problem.status === 403) return;
      }
      await pause();
    }
    if (!signal.aborted) this.set({ ...this.value, isOver: true, gaveUp: true });
    this.stop();
  }

  #read(hops) {
    const { version } = this.value;
    // When the page saw it: at most a quarter of a second after it was so.
    const seen = (hop, detail = hop.detail) => ({ at: Date.now(), isSeen: true, detail, facts: hop.facts });
    const named = (name, stage) => hops.filter((hop) => hop.name === name && (!stage || hop.stage === stage));
    const outbox = named("outbox")[0];
    const recorded = named("event", "outbox").find((hop) => hop.version === version);
    // The event has the time of the transaction. Published is known from the row while it is kept, else from nothing being left.
    if (recorded) this.#reach("recorded", { at: Date.parse(recorded.at), detail: recorded.facts.event_type, facts: recorded.facts });
    if (outbox && (recorded?.facts?.is_published || outbox.state === "done")) {
      if (!recorded) this.#reach("recorded", { ...seen(outbox), detail: "the row is let go already" });
      this.#reach("published", seen(outbox));
    } else if (outbox?.state === "stuck") {
      this.set({ ...this.value, stuck: { published: outbox.detail } });
    }
    const event = named("event", "kafka").find((hop) => hop.version === version);
    if (event) this.#reach("kafka", seen(event, `${event.facts.topic} ${event.facts.partition}@${event.facts.offset}`));
    const view = named("view").find((hop) => hop.version >= version);
    if (view) this.#reach("views", seen(view));
    const cache = named("cache").find((hop) => hop.version >= version);
    if (cache) this.#reach("cache", seen(cache));
    // Nothing there and nothing expected: an item that was not read is not kept in the cache by every setting.
    else if (view && named("cache")[0]?.state === "none" && named("cache_pending").length === 0) this.#reach("cache", seen(view, "not kept there"));
  }
}

const pause = () => new Promise((resolve) => { setTimeout(resolve, ASKED_EVERY); });
