// A page that is left open for an hour while things happen.
// Break it: keep every change in pipeline/recent-changes.js; leave out `slice` in pipeline/series.js.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, memory, openPage } from "../browser.js";
import { importItems, until } from "../stand.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const EVENTS = 12_000;
const MIB = 1024 * 1024;

test("an hour of events does not grow the page's memory", { timeout: 900_000 }, async () => {
  const { page, close } = await openPage(browser, { clock: true, pasted: true });
  await page.locator(".chart canvas").first().waitFor();
  let sent = 0;
  // A minute of the page's clock for so many events; its timers, such as the polls of each second, fire in between.
  const minutes = async (number, events) => {
    for (let minute = 0; minute < number; minute += 1) {
      const batch = Math.round(events / number);
      await importItems(Array.from({ length: batch }, (_, index) => ({ name: `Hour ${sent + index}`, description: "x".repeat(400) })));
      sent += batch;
      for (let step = 0; step < 12; step += 1) await page.clock.runFor(5_000);
    }
    await until("the page has heard of all", async () => {
      await page.clock.runFor(500);
      return Number(await page.locator("[data-changes-total]").getAttribute("data-changes-total")) >= sent;
    }, 120);
  };
  // What is bounded is full first: the charts' quarter of an hour, the list of changes.
  await minutes(16, 2_000);
  const before = await memory(page);
  await minutes(60, EVENTS - 2_000);
  const afterwards = await memory(page);
  const grown = afterwards.heap - before.heap;
  console.log(`heap ${(before.heap / MIB).toFixed(1)} MiB, after an hour and ${sent} events ${(afterwards.heap / MIB).toFixed(1)} MiB; nodes ${before.nodes} → ${afterwards.nodes}`);
  assert.ok(grown < 2 * MIB, `the heap grew by ${(grown / MIB).toFixed(1)} MiB`);
  assert.ok(afterwards.nodes < before.nodes * 1.1 + 200, `nodes: ${before.nodes} → ${afterwards.nodes}`);
  assert.ok(await page.locator(".change-list li").count() <= 40);
  await close();
});
