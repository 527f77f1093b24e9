// Watches what becomes of an upload until it and its saga have ended: the upload by query-api, the saga by command-api,
// which is for admins.
import { readSaga } from "../api/admin.js";
import { readUpload } from "../api/uploads.js";
import { session } from "../session/session.js";

const ASKED_EVERY = 300;
const ENDED = new Set(["stored", "rejected", "expired", "aborted", "removed"]);
const STEP_OF_STATUS = { pending: "awaiting_bytes", received: "awaiting_file", stored: "attached" };
const SAGA_ENDED = new Set(["completed", "compensated", "stuck"]);

// `told` gets `{ upload, saga, step, state, seen, isOver }` whenever something is new.
export async function watchUpload(id, signal, told) {
  let saga = null;
  let upload = null;
  const seen = {};
  while (!signal.aborted) {
    const [nextUpload, nextSaga] = await Promise.all([
      readUpload(id, { signal }).catch(() => upload),
      session.has("admin") ? readSaga("upload", id, signal).catch(() => saga) : null,
    ]);
    if (signal.aborted) return;
    upload = nextUpload;
    saga = nextSaga;
    const step = saga?.step ?? (upload ? STEP_OF_STATUS[upload.status] ?? upload.status : null);
    if (step) {
      // It was at its first step before anybody looked.
      seen.awaiting_bytes ??= saga?.started_at ?? upload?.created_at;
      seen[step] ??= saga?.updated_at ?? upload?.updated_at;
      // A step that was too short to be seen is known from the upload's outcome.
      const outcome = upload && ENDED.has(upload.status) && upload.status !== "stored" && upload.status !== "removed" ? upload.status : null;
      if (outcome) seen[outcome] ??= upload.updated_at;
    }
    const isOver = Boolean(upload && ENDED.has(upload.status) && (!saga || SAGA_ENDED.has(saga.state)));
    told({ upload, saga, step, state: saga?.state ?? null, seen: { ...seen }, isOver });
    // A stored upload may still be removed with its item, but nobody waits for that here.
    if (isOver) return;
    await new Promise((resolve) => { setTimeout(resolve, ASKED_EVERY); });
  }
}
