// What stands around every view: the way to the others, who is signed in, what is lost.
import { html, useEffect, useRef, useState } from "./elements/html.js";
import { useObserved } from "./elements/observed.js";
import { Empty } from "./elements/states.js";
import { closeStream, forgetPlace, openStream } from "./api/stream.js";
import { ConnectionBanner } from "./connection-banner.js";
import { DeadLettersView } from "./dead-letters/view.js";
import { FollowView } from "./follow/view.js";
import { ItemsView } from "./items/view.js";
import { LoadView } from "./load/view.js";
import { stopLoad } from "./load/generator.js";
import { forgetFeed, pipeline, startFeed } from "./pipeline/feed.js";
import { forgetChanges } from "./pipeline/recent-changes.js";
import { PipelineView } from "./pipeline/view.js";
import { SagasView } from "./sagas/view.js";
import { useRoute } from "./router.js";
import { ExpiryBanner } from "./session/expiry-banner.js";
import { session } from "./session/session.js";
import { SignInDialog, SignInPage } from "./session/sign-in.js";
import { nextTheme, theme } from "./theme.js";
import { developmentToken } from "./session/development-token.js";

const VIEWS = [
  { name: "pipeline", title: "Pipeline", view: PipelineView },
  { name: "follow", title: "Follow", view: FollowView },
  { name: "items", title: "Items", view: ItemsView },
  { name: "dead-letters", title: "Dead letters", view: DeadLettersView },
  { name: "sagas", title: "Sagas", view: SagasView },
  { name: "load", title: "Load", view: LoadView, inDevelopment: true },
];

export function Shell({ config }) {
  const route = useRoute();
  const who = useObserved(session);
  const [isRenewing, setIsRenewing] = useState(false);
  const isKnown = Boolean(who.subject || who.token);
  const views = VIEWS.filter((view) => !view.inDevelopment || config.environment === "development");
  const name = route.parts[0] ?? "pipeline";
  const current = views.find((view) => view.name === name);

  useEffect(() => {
    if (!who.token) return;
    openStream();
    startFeed();
  }, [who.token]);

  useFocusOfView(isKnown ? name : "sign-in", isKnown ? current?.title ?? "Not found" : "Sign in");

  const signOut = () => {
    stopLoad();
    closeStream();
    forgetPlace();
    forgetFeed();
    forgetChanges();
    session.signOut();
  };
  // In development the next token is one click away; else one has to be got.
  const renew = async () => {
    const made = who.source?.development;
    if (!made) {
      setIsRenewing(true);
      return;
    }
    try {
      session.signIn(await developmentToken(made.sub, made.role), who.source);
    } catch {
      setIsRenewing(true);
    }
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/pipeline" aria-label="Depot, to the pipeline"><img src="/console/icon.svg" alt="" width="22" height="22" />Depot</a>
      ${isKnown && html`
        <nav class="tabs" aria-label="Views">
          ${views.map((view) => html`<a key=${view.name} href=${`#/${view.name}`} aria-current=${view === current ? "page" : undefined}>${view.title}<${Mark} view=${view.name} /></a>`)}
        </nav>`}
      <div class="top-end">
        ${config.environment !== "production" && html`<span class="environment">${config.environment}</span>`}
        ${isKnown && html`<${Who} who=${who} signOut=${signOut} />`}
        <${ThemeButton} />
      </div>
    </header>
    <${ExpiryBanner} renew=${renew} />
    ${isKnown && html`<${ConnectionBanner} />`}
    <main id="main" tabindex="-1">
      ${!isKnown && html`<${SignInPage} config=${config} />`}
      ${isKnown && current && html`<${current.view} key=${current.name} parts=${route.parts} parameters=${route.parameters} config=${config} />`}
      ${isKnown && !current && html`<h1 tabindex="-1" data-heading>Not found</h1><${Empty} title="There is no such page"><a href="#/pipeline">To the pipeline</a><//>`}
    </main>
    <footer class="bottom">
      <span>Depot ${config.version}</span>
      <a href="/docs">API of query-api</a>
      <a href=${`${config.command_api}/docs`}>API of command-api</a>
    </footer>
    ${isRenewing && html`<${SignInDialog} config=${config} close=${() => setIsRenewing(false)} />`}`;
}

function skip(event) {
  // The hash is the route, so that the jump is made here.
  event.preventDefault();
  document.getElementById("main").focus();
}

// A new view is announced by its heading, where the keyboard goes on. A change within a view leaves the focus where it is.
function useFocusOfView(name, title) {
  const first = useRef(true);
  useEffect(() => {
    document.title = `${title} · Depot`;
    if (first.current) {
      first.current = false;
      return;
    }
    document.querySelector("[data-heading]")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [name]);
}

function Who({ who, signOut }) {
  return html`
    <span class="who"><span class="clip" title=${who.subject}>${who.subject}</span> <span class="quiet">${who.roles.join(", ") || "no role"}</span></span>
    <button type="button" class="button small" onClick=${signOut}>Sign out</button>`;
}

const THEME_WORDS = { auto: "Auto", light: "Light", dark: "Dark" };

function ThemeButton() {
  const { name } = useObserved(theme);
  return html`<button type="button" class="button small theme" onClick=${nextTheme} aria-label=${`Colours: ${THEME_WORDS[name]}. Change`}>${THEME_WORDS[name]}</button>`;
}

// What waits for a person, seen from every view.
function Mark({ view }) {
  const { stages, deadLetters, sagas, status } = useObserved(pipeline);
  if (status === "starting" || status === "forbidden") return null;
  const of = {
    pipeline: () => stages.filter((stage) => stage.state === "down" && !stage.isLastKnown).length,
    "dead-letters": () => deadLetters.reduce((sum, { open }) => sum + open, 0),
    sagas: () => sagas.filter(({ state }) => state === "stuck").reduce((sum, { open }) => sum + open, 0),
  }[view];
  const number = of?.() ?? 0;
  if (number === 0) return null;
  const meaning = { pipeline: "down", "dead-letters": "open", sagas: "stuck" }[view];
  return html` <span class="mark num">${number > 999 ? "999+" : number}<span class="unseen"> ${meaning}</span></span>`;
}
