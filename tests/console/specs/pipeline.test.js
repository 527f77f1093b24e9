// The picture: what is broken is red within three seconds, says why, and is green again; the live connection comes back.
// Break it: make INTERVAL in pipeline/feed.js ten seconds; drop `Last-Event-ID` in api/stream.js; show `ok` for every state.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, launch, openPage, requireNoOverflow } from "../browser.js";
import { createItem, inStack, killProcess, pauseProcess, resumeProcess, startBacking, startServices, stopProcess } from "../stand.js";

const SEEN_WITHIN = 3_000;

let browser;
before(async () => { browser = await launch(); });
after(async () => {
  await startBacking();
  await startServices();
  await browser.close();
});

const stage = (page, name, ...states) => page.locator(states.map((state) => `[data-stage="${name}"][data-state=${state}]`).join(", "));

async function allFine(page) {
  await page.locator("[data-verdict=ok]").waitFor({ timeout: 90_000 });
}

// What takes the process down may itself take a while, such as a drain: counted is from when it is gone.
async function seenRed(page, name, breakIt) {
  await breakIt();
  const gone = Date.now();
  await stage(page, name, "down", "degraded").waitFor({ timeout: 10_000 });
  const took = Date.now() - gone;
  assert.ok(took <= SEEN_WITHIN, `${name} was seen broken after ${took} ms`);
  assert.ok(await stage(page, name, "down", "degraded").locator(".stage-reason").innerText(), "it says why");
}

for (const [width, viewport] of WIDTHS) {
  test(`the picture has every stage, and a click shows what is behind it (${width})`, async () => {
    const { page, close } = await openPage(browser, { viewport });
    await allFine(page);
    for (const name of ["command-api", "outbox", "kafka", "projector", "uploader", "saga", "dead-letters", "views", "cache", "objects", "query-api"]) {
      await page.locator(`[data-stage="${name}"]`).waitFor();
    }
    await page.locator("[data-stage=outbox]").click();
    const panel = page.getByRole("complementary", { name: /outbox/i });
    await panel.getByRole("heading", { name: "In the repository" }).waitFor();
    await panel.getByRole("heading", { name: "Last events" }).waitFor();
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "detached" });
    assert.equal(await page.locator(".chart canvas").count(), 6);
    await requireNoOverflow(page);
    await close();
  });
}

for (const name of ["projector", "uploader", "command-api"]) {
  test(`a stopped ${name} is red within three seconds, and green again`, async () => {
    const { page, close } = await openPage(browser);
    await allFine(page);
    await seenRed(page, name, () => killProcess(name));
    await startServices();
    await stage(page, name, "ok").waitFor({ timeout: 60_000 });
    await allFine(page);
    await close();
  });
}

test("a paused projector, which still has its connections, is red within three seconds", async () => {
  const { page, close } = await openPage(browser);
  await allFine(page);
  try {
    await seenRed(page, "projector", () => pauseProcess("projector"));
  } finally {
    await resumeProcess("projector");
  }
  await allFine(page);
  await close();
});

test("a stopped broker is red within three seconds, and green again", async () => {
  const { page, close } = await openPage(browser);
  await allFine(page);
  await seenRed(page, "kafka", () => killProcess("kafka"));
  await startBacking();
  await stage(page, "kafka", "ok").waitFor({ timeout: 120_000 });
  await allFine(page);
  await close();
});

test("a stopped query-api is said by the page itself; what was known stays, and the stream goes on behind the last event", async () => {
  const { page, close } = await openPage(browser);
  await allFine(page);
  const first = await createItem({ name: "Before the cut" });
  await page.locator(`.change-list a[href*="${first.id}"]`).waitFor({ timeout: 20_000 });
  await seenRed(page, "query-api", () => stopProcess("query-api"));
  await page.locator("[data-stage=projector].last-known").waitFor();
  await page.locator("[data-banner=connection]").waitFor();
  const meanwhile = await createItem({ name: "During the cut" });
  await startServices();
  await stage(page, "query-api", "ok").waitFor({ timeout: 60_000 });
  // It happened while nobody listened, and is told all the same.
  await page.locator(`.change-list a[href*="${meanwhile.id}"]`).waitFor({ timeout: 60_000 });
  assert.equal(await page.locator(`.change-list a[href*="${first.id}"]`).count(), 1, "nothing comes twice");
  await page.locator("[data-banner=connection]").waitFor({ state: "detached" });
  await close();
});

test("a cut network is shown, and the page recovers by itself", async () => {
  const { page, close } = await openPage(browser);
  await allFine(page);
  await page.context().setOffline(true);
  await stage(page, "query-api", "down").waitFor({ timeout: SEEN_WITHIN });
  await page.context().setOffline(false);
  await allFine(page);
  await page.locator("[data-banner=connection]").waitFor({ state: "detached", timeout: 40_000 });
  await close();
});

test("a load moves the picture, and ends by itself", async () => {
  const { page, close } = await openPage(browser, { hash: "#/load" });
  await page.getByLabel("Seconds").fill("8");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("link", { name: "Pipeline", exact: true }).click();
  await page.locator(".change-list li").nth(10).waitFor({ timeout: 20_000 });
  await page.getByRole("link", { name: "Load", exact: true }).click();
  await page.locator("[data-load=done]").waitFor({ timeout: 30_000 });
  const figures = await page.locator("[data-load] dd").allInnerTexts();
  assert.ok(Number(figures[1].replace(/\D/g, "")) > 100, `accepted: ${figures[1]}`);
  assert.equal(figures[3], "0", "none failed");
  await close();
});

test("the native scripts know all processes again", async () => {
  for (const name of ["command-api", "query-api", "projector", "uploader", "kafka"]) assert.match(await inStack(`process_pid ${name}`), /^\d+$/);
});
