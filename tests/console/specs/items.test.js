// Items as a person works with them: search, pages, edit, a conflict merged by hand, history.
// Break it: leave out If-Match in api/items.js; take theirs without asking in items/conflict.js; forget the cursor in
// elements/paged.js.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, launch, openPage, requireNoOverflow, requireSmooth } from "../browser.js";
import { PAGE, ask, createItem, importItems, patchItem, until, visible } from "../stand.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const mark = `mark${process.pid}${Date.now() % 100_000}`;

for (const [width, viewport] of WIDTHS) {
  test(`an item is searched, opened, edited, and shown in its new version (${width})`, async () => {
    const name = `Searched ${mark} ${width.replace(" ", "")}`;
    const item = await createItem({ name, tags: ["blue"] });
    await visible(item.id, 1);
    const { page, close } = await openPage(browser, { viewport, hash: "#/items" });
    await page.getByLabel("Search").fill(`"${name}"`);
    await page.getByRole("link", { name }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Description").fill("With a bell.");
    await page.getByLabel("Tags, with commas").fill("blue, bell");
    await page.getByRole("button", { name: "Save on version 1" }).click();
    await page.getByText("version 2").first().waitFor();
    await page.locator(".differences ins", { hasText: "With a bell." }).waitFor();
    await requireNoOverflow(page);
    await close();
  });

  test(`a conflict is shown as one, and merged by hand (${width})`, async () => {
    const item = await createItem({ name: `Fought for ${mark}`, description: "old", tags: ["a"] });
    await visible(item.id, 1);
    const { page, close } = await openPage(browser, { viewport, hash: `#/items/${item.id}` });
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Description").fill("mine");
    await patchItem(item.id, item.etag, { description: "theirs", tags: ["a", "b"] });
    await page.getByRole("button", { name: "Save on version 1" }).click();
    await page.locator("[data-conflict]").waitFor();
    await page.getByText("Somebody was faster (412)").waitFor();
    const save = page.getByRole("button", { name: "Save on version 2" });
    assert.ok(await save.isDisabled(), "nothing is saved before it is said what stands");
    await page.locator("[data-field=description]").getByRole("button", { name: "Take yours" }).click();
    await requireNoOverflow(page);
    await save.click();
    await page.locator(".description", { hasText: "mine" }).waitFor();
    const merged = await visible(item.id, 3);
    assert.equal(merged.description, "mine");
    assert.deepEqual(merged.tags, ["a", "b"], "what only they changed stands");
    await close();
  });
}

test("an item is deleted after a question, and says so afterwards", async () => {
  const item = await createItem({ name: `Short-lived ${mark}` });
  await visible(item.id, 1);
  const { page, close, goTo } = await openPage(browser, { hash: `#/items/${item.id}` });
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { level: 1, name: "Items" }).waitFor();
  await goTo(`#/items/${item.id}`);
  await until("the item reads as deleted", async () => {
    if (await page.getByText("This item is deleted").isVisible()) return true;
    await goTo("#/items");
    await goTo(`#/items/${item.id}`);
    return false;
  });
  await close();
});

test("ten thousand items are gone through without a stall", async () => {
  for (let at = 0; at < 10_000; at += 2_000) {
    await importItems(Array.from({ length: 2_000 }, (_, index) => ({ name: `Bulk ${mark} ${at + index}`, tags: [mark] })));
  }
  await until("the view has the last of them", async () => {
    const { json } = await ask(PAGE, "GET", `/api/v1/items?tag=${mark}&sort=-created_at&limit=1`);
    const { tags } = (await ask(PAGE, "GET", "/api/v1/statistics/tags?limit=200")).json();
    return json().items.length === 1 && tags.some(({ tag, items }) => tag === mark && items >= 10_000);
  }, 180);
  const { page, close } = await openPage(browser, { hash: `#/items?tag=${mark}` });
  await page.locator("tbody tr").first().waitFor();
  const next = page.getByRole("button", { name: "Next" });
  await requireSmooth(page, 199, async () => {
    for (let number = 2; number <= 200; number += 1) {
      await next.click();
      await page.locator(".pages", { hasText: `Page ${number}` }).waitFor();
      await page.locator("[aria-busy=false]").waitFor();
    }
  });
  assert.equal(await page.locator("tbody tr").count(), 50);
  await page.getByRole("button", { name: "Previous" }).click();
  await page.locator(".pages", { hasText: "Page 199" }).waitFor();
  await close();
});
