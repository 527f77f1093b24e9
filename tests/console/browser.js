// The system's Chromium, a page of the console in it, and what every test wants to know of a page.
import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { PAGE, TOKEN } from "./stand.js";

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 780 };
export const WIDTHS = [["1440 px", WIDE], ["360 px", NARROW]];

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

// `signIn` opens the page and signs in: the way of a person in development, or with a token that is longer good.
export async function openPage(browser, { viewport = WIDE, colorScheme = "light", role = "admin", hash = "#/pipeline", pasted = false, clock = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, locale: "en-GB", timezoneId: "Europe/Berlin", acceptDownloads: true });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.stack ?? error.message));
  page.on("console", (message) => {
    // What a service answers or does not is the page's business, and the browser tells of it by itself; the rest is a fault,
    // such as what the Content-Security-Policy refuses.
    if (message.type() === "error" && !/Failed to load resource|net::ERR_|blocked by CORS policy/.test(message.text())) faults.push(message.text());
  });
  if (clock) await page.clock.install();
  await page.goto(`${PAGE}/${hash}`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  if (pasted) {
    await page.getByText("Paste a token instead").click();
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Use this token" }).click();
  } else {
    await page.getByLabel(role, { exact: false }).and(page.getByRole("radio")).check();
    await page.getByRole("button", { name: "Get a development token" }).click();
  }
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  return {
    page,
    faults,
    goTo: async (next) => page.evaluate((to) => { location.hash = to; }, next),
    close: async () => {
      await context.close();
      assert.deepEqual(faults, [], "the page had errors");
    },
  };
}

export async function requireNoOverflow(page) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than the window`);
}

export async function requireAccessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], `axe has serious findings in ${what}`);
}

// What holds up the page's thread while `work` turns so many pages. Durations are of the wall's clock, so a busy machine has some
// that are long for no fault of the page's; a list that grows, or is drawn as a whole, makes nearly every turn long.
export async function requireSmooth(page, turns, work) {
  await page.evaluate(() => {
    window.longTasksOfTest = [];
    window.observerOfTest = new PerformanceObserver((list) => window.longTasksOfTest.push(...list.getEntries().map(({ duration }) => duration)));
    window.observerOfTest.observe({ type: "longtask" });
  });
  await work();
  const tasks = await page.evaluate(() => {
    window.observerOfTest.disconnect();
    return window.longTasksOfTest;
  });
  const long = tasks.filter((duration) => duration > 200);
  assert.ok(long.length <= Math.ceil(turns / 20), `${long.length} of ${turns} turns held the page up for more than 200 ms: ${long}`);
  assert.ok(tasks.every((duration) => duration < 1_000), `the page stood still for ${Math.max(...tasks)} ms`);
}

export async function memory(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const { nodes } = await session.send("Memory.getDOMCounters");
  await session.detach();
  return { heap: usedSize, nodes };
}
