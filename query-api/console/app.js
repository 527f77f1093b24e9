// Where the page starts: what the server says of itself, then the shell.
import { html, render } from "./elements/html.js";
import { loadConfig } from "./api/config.js";
import { answerSignInWindow } from "./session/openid.js";
import { Shell } from "./shell.js";
import { ProblemNotice } from "./elements/problem-notice.js";

const root = document.getElementById("app");

async function start() {
  // A window that was opened for the sign-in only hands its code to the page that waits for it.
  if (answerSignInWindow()) return;
  try {
    const config = await loadConfig();
    root.replaceChildren();
    render(html`<${Shell} config=${config} />`, root);
  } catch (problem) {
    root.replaceChildren();
    render(html`<main class="starting"><${ProblemNotice} problem=${problem} retry=${() => location.reload()} /></main>`, root);
  }
}

start();
