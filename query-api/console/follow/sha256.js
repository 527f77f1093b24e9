// The SHA-256 of a file, read in pieces: the browser's own digest wants all of it in memory at once.
import { sha256 } from "../vendor/hashes/sha2.js";

const PIECE = 1024 * 1024;

export async function sha256Of(file, { signal, progress }) {
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += PIECE) {
    signal.throwIfAborted();
    // Reading gives the page its turn between two pieces.
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    progress(Math.min(at + PIECE, file.size));
  }
  return Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
