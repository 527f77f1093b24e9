// Who is signed in. The token is in this module's memory and nowhere else: not in an address, not in any storage. Closing
// or reloading the page is signing out.
import { Observed } from "../elements/observed.js";

const NOBODY = { token: null, subject: "", roles: [], expiresAt: null, isExpired: false, source: null };

class Session extends Observed {
  #timer = null;

  constructor() {
    super(NOBODY);
  }

  // `source` is how the token was got, so that the next one can be got the same way.
  signIn(token, source) {
    clearTimeout(this.#timer);
    const claims = claimsOf(token);
    const expiresAt = claims.exp ? claims.exp * 1000 : null;
    this.set({ token, subject: claims.sub ?? "", roles: claims.roles ?? [], expiresAt, isExpired: false, source });
    if (expiresAt) this.#expireAt(expiresAt);
  }

  signOut() {
    clearTimeout(this.#timer);
    this.set(NOBODY);
  }

  // A service did not take this token. What is on the page stays; the next token goes on with it. An answer that was under
  // way while the token was renewed says nothing of the new one.
  refused(token) {
    if (token && this.value.token === token) this.set({ ...this.value, token: null, isExpired: true });
  }

  has(role) {
    const { roles } = this.value;
    return roles.includes(role) || roles.includes("admin");
  }

  #expireAt(moment) {
    // A timer takes 24 days at most.
    const wait = Math.min(moment - Date.now(), 2_000_000_000);
    this.#timer = setTimeout(() => (Date.now() >= moment ? this.refused(this.value.token) : this.#expireAt(moment)), Math.max(0, wait));
  }
}

export const session = new Session();

// What a token says of itself, to show it. Whether it is true is for the services to say.
function claimsOf(token) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Error("This is no bearer token: it has three parts with dots between them.");
  try {
    const base64 = parts[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Error("This is no bearer token: its middle part cannot be read.");
  }
}
