// Without a mouse, without sight, with a token that ends.
// Break it: take `tabindex` and `data-heading` off a heading; set --text-quiet to #bbb; never call `session.refused()`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, launch, openPage, requireAccessible, requireNoOverflow } from "../browser.js";
import { TOKEN, createItem, shortToken, visible } from "../stand.js";

let browser;
let item;
before(async () => {
  browser = await launch();
  item = await createItem({ name: "Looked at", description: "By axe.", tags: ["blue"], attributes: { gears: 7 } });
  await visible(item.id, 1);
});
after(() => browser.close());

const VIEWS = () => ["#/pipeline", "#/pipeline/outbox", "#/follow/create", "#/follow/change", "#/follow/upload", `#/follow/${item.id}`, "#/items", `#/items/${item.id}`, "#/dead-letters", "#/sagas", "#/load", "#/nowhere"];

for (const colorScheme of ["light", "dark"]) {
  for (const [width, viewport] of WIDTHS) {
    test(`axe finds nothing serious in any view (${colorScheme}, ${width})`, async () => {
      const { page, close, goTo } = await openPage(browser, { viewport, colorScheme });
      for (const view of VIEWS()) {
        await goTo(view);
        await page.locator("h1").waitFor();
        await page.waitForFunction(() => !document.querySelector(".loading"));
        await requireAccessible(page, view);
        await requireNoOverflow(page);
      }
      await close();
    });
  }
}

test("axe finds nothing serious in the sign-in, a dialog and an editor", async () => {
  const { page, close } = await openPage(browser, { hash: `#/items/${item.id}` });
  await page.getByRole("button", { name: "Edit" }).click();
  await requireAccessible(page, "the editor");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await requireAccessible(page, "a dialog");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await requireAccessible(page, "the sign-in");
  await close();
});

test("all is done by the keyboard alone", async () => {
  const { page, close } = await openPage(browser, { hash: "#/pipeline" });
  const tabTo = async (matches, most = 60) => {
    for (let step = 0; step < most; step += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((selector) => document.activeElement?.matches(selector), matches)) {
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(outline, "none", `the focus is seen on ${matches}`);
        return;
      }
    }
    assert.fail(`${matches} cannot be reached by Tab`);
  };
  // From the top: the skip link is first.
  await page.evaluate(() => { document.activeElement?.blur(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); });
  await tabTo(".skip", 1);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.locator("[data-stage=kafka]").waitFor();
  await tabTo("[data-stage=kafka]");
  await page.keyboard.press("Enter");
  await page.getByRole("complementary").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H2", "the focus is in the panel");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement?.dataset.stage === "kafka");
  await page.evaluate(() => { location.hash = "#/follow/create"; });
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  await tabTo("input[name=name]");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("Typed");
  await page.keyboard.press("Enter");
  await page.locator("[data-journey]").waitFor({ timeout: 20_000 });
  await page.evaluate((id) => { location.hash = `#/items/${id}`; }, item.id);
  await page.getByRole("heading", { level: 1, name: "Looked at" }).waitFor();
  await tabTo("button.danger-quiet");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.ok(await page.evaluate(() => document.activeElement.matches("button.danger-quiet")), "the focus is back where it was");
  await close();
});

test("a token that ends is said before, and after; the next one goes on with the page", async () => {
  const { page, close } = await openPage(browser, { clock: true, hash: "#/pipeline" });
  await page.locator("[data-stage]").first().waitFor();
  await page.clock.fastForward("58:30");
  await page.locator("[data-banner=token]", { hasText: "less than two minutes" }).waitFor();
  await page.clock.fastForward("05:00");
  await page.locator("[data-banner=token]", { hasText: "has expired" }).waitFor();
  await page.locator("[data-stage]").first().waitFor();
  await close();
});

test("where a token has ended, another one goes on with the page as it is", async () => {
  const { page, close } = await openPage(browser, { hash: "#/follow/create" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Paste a token instead").click();
  await page.getByLabel("Token").fill(shortToken(6));
  await page.getByRole("button", { name: "Use this token" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Half written");
  await page.locator("[data-banner=token]", { hasText: "has expired" }).waitFor({ timeout: 15_000 });
  await page.getByRole("button", { name: "Get a new one" }).click();
  const dialog = page.getByRole("dialog");
  await requireAccessible(page, "the dialog of the sign-in");
  await dialog.getByText("Paste a token instead").click();
  await dialog.getByLabel("Token").fill(TOKEN);
  await dialog.getByRole("button", { name: "Use this token" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Half written");
  await page.getByRole("button", { name: "Create and follow" }).click();
  await page.locator("[data-journey]").waitFor();
  await close();
});

test("a pasted text that is no token is refused with a reason", async () => {
  const { page, close } = await openPage(browser, { hash: "#/pipeline" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Paste a token instead").click();
  await page.getByLabel("Token").fill("no token");
  await page.getByRole("button", { name: "Use this token" }).click();
  await page.getByText("This is no bearer token").waitFor();
  await close();
});

test("light and dark are as the system has them, and as the person says", async () => {
  const { page, close } = await openPage(browser, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "Colours: Auto" }).click();
  assert.notEqual(await ground(), dark);
  await page.getByRole("button", { name: "Colours: Light" }).click();
  assert.equal(await ground(), dark);
  await close();
});

test("times are in the reader's zone", async () => {
  const { page, close } = await openPage(browser, { hash: `#/items/${item.id}` });
  const time = page.locator(".timeline time").first();
  await time.waitFor();
  const utc = new Date(await time.getAttribute("datetime"));
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(utc);
  assert.ok((await time.innerText()).includes(local));
  await close();
});
