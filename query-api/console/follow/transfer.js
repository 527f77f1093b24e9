// One file on its way into the store: hashed, announced, sent whole or in parts, completed. It can be paused, is gone on
// with after a cut, and can be made to fail on purpose, each time in the way in which that happens in life.
import { Observed } from "../elements/observed.js";
import { createItem, deleteItem } from "../api/items.js";
import { abort, announce, arrivedParts, complete, readAccount, readUpload, setAccountLimit, signPart } from "../api/uploads.js";
import { session } from "../session/session.js";
import { sendSigned, sendThroughApi } from "./send-bytes.js";
import { sha256Of } from "./sha256.js";

const PARTS_AT_ONCE = 3;
const ATTEMPTS = 3;

export const SABOTAGES = [
  ["none", "Nothing", "the file arrives"],
  ["checksum", "Wrong checksum", "another SHA-256 is announced than the file has"],
  ["deleted", "Item deleted meanwhile", "a new item is made for the file, and deleted once the bytes are sent"],
  ["quota", "Quota full", "your limit is lowered to what you use, and set back after the refusal (admin)"],
];

export class Transfer extends Observed {
  #stop = new AbortController();
  #file;
  #sabotage;
  #itemId;
  #sha256 = null;
  #signed = null;
  #isInParts = false;

  constructor(file, { itemId, uploadId, sabotage }) {
    super({ status: "hashing", size: file.size, done: 0, uploadId: uploadId ?? null, itemId: itemId ?? null, notes: [], problem: null });
    this.#file = file;
    this.#itemId = itemId;
    this.#sabotage = sabotage;
  }

  async start() {
    await this.#attempt(async () => {
      this.#sha256 = await this.#hash();
      if (this.value.uploadId) await this.#find(this.value.uploadId);
      else if (!(await this.#announce())) return;
      await this.#sendAndComplete();
    });
  }

  pause() {
    this.#stop.abort();
  }

  // Goes on with what has not arrived.
  async resume() {
    await this.#attempt(async () => {
      this.#sha256 ??= await this.#hash();
      if (!this.value.uploadId && !(await this.#announce())) return;
      await this.#sendAndComplete();
    });
  }

  async giveUp() {
    this.pause();
    try {
      await abort(this.value.uploadId);
      this.#say({ status: "given-up", problem: null });
    } catch (problem) {
      this.#say({ problem });
    }
  }

  #say(change) {
    this.set({ ...this.value, ...change });
  }

  #note(text) {
    this.#say({ notes: [...this.value.notes, { at: new Date().toISOString(), text }] });
  }

  async #attempt(work) {
    this.#stop = new AbortController();
    this.#say({ problem: null });
    try {
      await work();
    } catch (problem) {
      if (this.#stop.signal.aborted) {
        if (this.value.status !== "given-up") this.#say({ status: "paused" });
      } else {
        this.#say({ status: "failed", problem: problem.title ? problem : { title: "The file cannot be sent", detail: problem.message } });
      }
    }
  }

  #hash() {
    this.#say({ status: "hashing", done: 0 });
    return sha256Of(this.#file, { signal: this.#stop.signal, progress: (done) => this.#say({ done }) });
  }

  // Announced before, perhaps by another page: the file has to be the same.
  async #find(id) {
    const upload = await readUpload(id);
    if (upload.size_bytes !== this.#file.size || upload.sha256 !== this.#sha256) {
      throw new Error(`This is not the file that was announced: that one is called ${upload.file_name} and has ${upload.size_bytes} bytes.`);
    }
    this.#itemId = upload.item_id;
    this.#say({ itemId: upload.item_id });
    try {
      await arrivedParts(id);
      this.#isInParts = true;
    } catch (problem) {
      if (!problem.is?.("upload-not-in-parts")) throw problem;
    }
  }

  // False where the refusal is what was wanted.
  async #announce() {
    this.#say({ status: "announcing" });
    const isDoomed = this.#sabotage === "deleted";
    if (!this.#itemId || isDoomed) {
      const { body } = await createItem({ name: this.#file.name.slice(0, 200) || "A file", tags: ["console"] });
      this.#itemId = body.id;
      this.#say({ itemId: body.id });
      this.#note(isDoomed ? "An item was created that will be deleted." : "An item was created for the file.");
    }
    const announcement = {
      item_id: this.#itemId,
      file_name: this.#file.name,
      content_type: this.#file.type || "application/octet-stream",
      size_bytes: this.#file.size,
      sha256: this.#sabotage === "checksum" ? otherThan(this.#sha256) : this.#sha256,
    };
    if (this.#sabotage === "checksum") this.#note("A wrong SHA-256 is announced.");
    if (this.#sabotage === "quota") return this.#announceWithoutRoom(announcement);
    const { body } = await announce(announcement);
    this.#signed = body.method === "multipart" ? null : body;
    this.#isInParts = body.method === "multipart";
    this.#say({ uploadId: body.id });
    return true;
  }

  async #announceWithoutRoom(announcement) {
    const owner = session.value.subject;
    const account = await readAccount(owner);
    const full = account.used_bytes + account.reserved_bytes;
    await setAccountLimit(owner, full);
    this.#note(`The limit of ${owner} is lowered to the ${full} bytes that are used.`);
    try {
      await announce(announcement);
      throw new Error("The announcement was accepted although the quota is full: somebody may have raised the limit meanwhile.");
    } catch (problem) {
      if (!problem.is?.("quota-exceeded")) throw problem;
      this.#say({ status: "refused", problem });
      this.#note("Refused before a saga began: nothing is to be undone.");
      return false;
    } finally {
      await setAccountLimit(owner, account.limit_bytes);
      this.#note("The limit is set back.");
    }
  }

  async #sendAndComplete() {
    this.#say({ status: "sending" });
    const received = await this.#send();
    if (this.#sabotage === "deleted" && !received) {
      await deleteItem(this.#itemId, "*");
      this.#note("The item was deleted.");
    }
    this.#say({ status: "completing" });
    if (!received) {
      try {
        await complete(this.value.uploadId);
      } catch (problem) {
        // The saga was faster: it has ended the upload of the deleted item.
        if (!(this.#sabotage === "deleted" && problem.status === 409)) throw problem;
      }
    }
    this.#say({ status: "sent", done: this.#file.size });
  }

  // True where the API has received it already.
  async #send() {
    const id = this.value.uploadId;
    if (this.#isInParts) return this.#sendParts(id);
    const options = { signal: this.#stop.signal, progress: (done) => this.#say({ done: Math.min(done, this.#file.size) }) };
    if (this.#signed) {
      try {
        await sendSigned(this.#signed, this.#file, options);
        return false;
      } catch (problem) {
        // 412: it was sent before, and the answer was lost.
        if (problem.status === 412) return false;
        if (this.#sabotage === "checksum" && problem.status === 400) {
          this.#note(`${problem.title}. It is completed all the same.`);
          return false;
        }
        // A signed request ends; the way through the API does not.
        if (problem.status !== 403) throw problem;
        this.#note("The signed request has ended: sending through the API.");
      }
    }
    await sendThroughApi(id, this.#file.type || "application/octet-stream", this.#file, options);
    return true;
  }

  async #sendParts(id) {
    const arrived = await arrivedParts(id);
    if (arrived.status !== "pending") return true;
    const size = arrived.part_size_bytes;
    const lengthOf = (number) => Math.min(size, this.#file.size - (number - 1) * size);
    const there = new Set(arrived.parts.filter((part) => part.size_bytes === lengthOf(part.number)).map((part) => part.number));
    const missing = Array.from({ length: arrived.part_count }, (_, index) => index + 1).filter((number) => !there.has(number));
    if (there.size > 0) this.#note(`${there.size} of ${arrived.part_count} parts had arrived before.`);
    let done = [...there].reduce((sum, number) => sum + lengthOf(number), 0);
    let partsSent = there.size;
    const underWay = new Map();
    const tell = () => this.#say({ done: done + [...underWay.values()].reduce((sum, loaded) => sum + loaded, 0), partsSent, parts: arrived.part_count });
    tell();
    // One part that cannot be sent ends the others, so that nothing is under way behind a page that says that it is cut off.
    const cut = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, cut.signal]);
    const worker = async () => {
      for (let number = missing.shift(); number !== undefined; number = missing.shift()) {
        const sent = await this.#sendPart(id, number, signal, (loaded) => { underWay.set(number, loaded); tell(); });
        underWay.delete(number);
        // Not in one statement with the waiting: the others add to it meanwhile.
        done += sent;
        partsSent += 1;
        tell();
      }
    };
    try {
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
    } finally {
      cut.abort();
    }
    return false;
  }

  // Signed anew for each attempt, since a signed request ends.
  async #sendPart(id, number, signal, progress) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const part = await signPart(id, number);
        await sendSigned(part, this.#file.slice(part.offset_bytes, part.offset_bytes + part.size_bytes), { signal, progress });
        return part.size_bytes;
      } catch (problem) {
        if (attempt === ATTEMPTS || signal.aborted) throw problem;
        progress(0);
        await new Promise((resolve) => { setTimeout(resolve, 500 * attempt); });
      }
    }
  }
}

const otherThan = (sha256) => (sha256[0] === "0" ? "1" : "0") + sha256.slice(1);
