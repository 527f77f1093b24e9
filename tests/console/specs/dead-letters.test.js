// Dead letters and sagas, and who may see them.
// Break it: send no `dry_run` in api/admin.js; leave out the confirmation in dead-letters/letter.js; take `has("admin")` out of
// dead-letters/view.js.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, launch, openPage, requireNoOverflow, requireSmooth } from "../browser.js";
import { discardLetters, openLetters, sendGarbage, until } from "../stand.js";

let browser;
const mark = `letter-${process.pid}`;
before(async () => {
  browser = await launch();
  await sendGarbage(1_000, mark);
  await until("a thousand dead letters are indexed", async () => (await openLetters()) >= 1_000, 180);
});
// They are a fault that the picture tells of, and other specs have theirs.
after(async () => {
  await browser.close();
  await until("no letter is open", async () => {
    await discardLetters();
    return (await openLetters()) === 0;
  });
});

for (const [width, viewport] of WIDTHS) {
  test(`a letter is inspected, and discarded with a note after a question (${width})`, async () => {
    const { page, close } = await openPage(browser, { viewport, hash: "#/dead-letters" });
    // One of the thousand.
    const letter = viewport.width % 1_000;
    await page.getByLabel("Key").fill(`${mark}-${letter}`);
    await until("the filter has been answered", async () => {
      const rows = await page.locator("tbody tr").count();
      return rows > 0 && rows < 10;
    });
    await page.locator("tbody th a").first().click();
    await page.getByText(`"nome": ${letter}`).waitFor();
    await page.getByRole("button", { name: "Bytes" }).click();
    await page.getByText("7b 22 6e 6f 6d 65 22").waitFor();
    await page.getByRole("heading", { name: "Headers" }).waitFor();
    await page.getByRole("button", { name: "Discard" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Why it is given up").fill("Sent by a test.");
    await dialog.getByRole("button", { name: "Discard" }).click();
    await page.locator(".view-head .badge", { hasText: "discarded" }).waitFor();
    assert.ok(await page.getByRole("button", { name: "Redrive" }).isDisabled());
    await requireNoOverflow(page);
    await close();
  });
}

test("a letter is redriven after a question", async () => {
  const { page, close } = await openPage(browser, { hash: "#/dead-letters" });
  await page.getByLabel("Key").fill(`${mark}-7`);
  await until("the filter has been answered", async () => (await page.locator("tbody tr").count()) < 10);
  await page.locator("tbody th a").first().click();
  await page.getByRole("button", { name: "Redrive" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Redrive" }).click();
  await page.locator(".view-head .badge", { hasText: /redriving|redriven/ }).waitFor();
  await close();
});

test("a thousand dead letters are gone through without a stall", async () => {
  const { page, close } = await openPage(browser, { hash: "#/dead-letters" });
  await page.locator("tbody tr").first().waitFor();
  const next = page.getByRole("button", { name: "Next" });
  await requireSmooth(page, 17, async () => {
    for (let number = 2; number <= 18; number += 1) {
      await next.click();
      await page.locator(".pages", { hasText: `Page ${number}` }).waitFor();
      await page.locator("[aria-busy=false]").waitFor();
    }
  });
  await close();
});

test("how many are meant is counted before they are discarded", async () => {
  const { page, close } = await openPage(browser, { hash: `#/dead-letters?key=${mark}-9` });
  await page.locator("tbody tr").first().waitFor();
  const meant = await page.locator("tbody tr").count();
  await page.getByRole("button", { name: "Discard these…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(`${meant} letters`).waitFor();
  await dialog.getByLabel("Why they are given up").fill("Sent by a test.");
  await dialog.getByRole("button", { name: `Discard ${meant}` }).click();
  await page.getByText("No dead letter is open").waitFor();
  await close();
});

test("sagas are listed by state, each with its steps", async () => {
  const { page, close } = await openPage(browser, { hash: "#/sagas" });
  await page.getByRole("button", { name: "completed", exact: true }).click();
  await page.locator("tbody th a, .empty").first().waitFor();
  if (await page.locator("tbody th a").count() > 0) {
    await page.locator("tbody th a").first().click();
    await page.locator("[data-step-state=done]").first().waitFor();
    await page.goBack();
  }
  await page.getByRole("button", { name: "stuck", exact: true }).click();
  await page.locator("[aria-busy=false]").waitFor();
  await close();
});

for (const role of ["reader", "writer"]) {
  test(`a ${role} is told what is for admins, and sees what is not`, async () => {
    const { page, close } = await openPage(browser, { role, hash: "#/dead-letters" });
    await page.locator("[data-needs-role=admin]").waitFor();
    await page.getByRole("link", { name: "Sagas" }).first().click();
    await page.locator("[data-needs-role=admin]").waitFor();
    await page.getByRole("link", { name: "Pipeline", exact: true }).click();
    await page.locator("[data-needs-role=admin]").waitFor();
    await page.getByRole("link", { name: "Load", exact: true }).click();
    await page.locator(role === "reader" ? "[data-needs-role=writer]" : "form").first().waitFor();
    await page.getByRole("link", { name: "Items", exact: true }).click();
    await page.locator("tbody tr, .empty").first().waitFor();
    await close();
  });
}
