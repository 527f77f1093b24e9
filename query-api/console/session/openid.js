// Signing in at the issuer: authorization code with PKCE (RFC 7636), in a window of its own. The page stays as it is, so
// that the verifier is never stored, and what one was doing is still there when a token had to be renewed.
import { problemOf, unreachable } from "../api/problem.js";

const CHANNEL = "depot-console-sign-in";
const PATIENCE = 10 * 60_000;
const DEADLINE = 15_000;

// In the window that came back from the issuer: hands the answer over, and closes. True where this is such a window.
export function answerSignInWindow() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state") || !(answer.has("code") || answer.has("error"))) return false;
  history.replaceState(null, "", "/");
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(Object.fromEntries(answer));
  channel.close();
  window.close();
  document.getElementById("app").textContent = "Signed in. You can close this window.";
  return true;
}

export async function signInAtIssuer(openid) {
  // The window opens within the click, before anything is waited for: else it would be blocked.
  const opened = window.open("about:blank", "depot-sign-in", "popup,width=520,height=680");
  if (!opened) throw new Error("The browser did not open the window for the sign-in: allow windows of this page.");
  try {
    const provider = await ask(`${openid.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (provider.issuer !== openid.issuer) throw new Error("What answered is another issuer than the one that is configured.");
    const verifier = random();
    const state = random();
    const redirect = `${location.origin}/`;
    opened.location.href = `${provider.authorization_endpoint}?${new URLSearchParams({
      response_type: "code",
      client_id: openid.client_id,
      redirect_uri: redirect,
      scope: openid.scope,
      state,
      code_challenge: await challengeOf(verifier),
      code_challenge_method: "S256",
    })}`;
    const code = await codeFor(state, opened);
    const body = new URLSearchParams({
      grant_type: "authorization_code", code, redirect_uri: redirect, client_id: openid.client_id, code_verifier: verifier,
    });
    const answer = await ask(provider.token_endpoint, { method: "POST", body });
    return answer.access_token;
  } finally {
    opened.close();
  }
}

function codeFor(state, opened) {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel(CHANNEL);
    const end = (settle, value) => {
      clearTimeout(timer);
      clearInterval(watch);
      channel.close();
      settle(value);
    };
    const timer = setTimeout(() => end(reject, new Error("The sign-in took longer than ten minutes.")), PATIENCE);
    // An issuer that cuts the tie between the windows makes its own look closed; the answer still comes by the channel, so
    // a closed window only ends the wait where the person can be asked again.
    let seenClosed = 0;
    const watch = setInterval(() => {
      seenClosed = opened.closed ? seenClosed + 1 : 0;
      if (seenClosed > 60) end(reject, new Error("The window for the sign-in was closed."));
    }, 1_000);
    channel.onmessage = ({ data }) => {
      if (data.state !== state) return;
      if (data.code) end(resolve, data.code);
      else end(reject, new Error(`The issuer refused: ${data.error_description ?? data.error}.`));
    };
  });
}

async function ask(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "omit", ...options, signal: AbortSignal.timeout(DEADLINE) });
  } catch (error) {
    throw unreachable("The issuer", error);
  }
  if (!response.ok) throw await problemOf(response, "");
  return response.json();
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function challengeOf(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
