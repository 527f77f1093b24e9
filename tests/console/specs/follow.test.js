// Following one command and one upload, at both widths.
// Break it: leave out a hop in follow/journey.js; never call `told` in follow/watch-upload.js; forget the parts that had
// arrived in follow/transfer.js.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, launch, openPage, requireNoOverflow } from "../browser.js";
import { COMMAND, PAGE, ask } from "../stand.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

async function choose(page, { name = "wheel.png", mimeType = "image/png", buffer = PICTURE } = {}) {
  await page.setInputFiles("input[type=file]", { name, mimeType, buffer });
}

for (const [width, viewport] of WIDTHS) {
  test(`a created item is seen at each hop, each with its time (${width})`, async () => {
    const { page, close } = await openPage(browser, { viewport, hash: "#/follow/create" });
    await page.getByLabel("Name", { exact: true }).fill(`Followed at ${width}`);
    await page.getByRole("button", { name: "Create and follow" }).click();
    await page.locator("[data-journey=over]").waitFor({ timeout: 30_000 });
    const states = await page.locator("[data-hop]").evaluateAll((hops) => hops.map((hop) => [hop.dataset.hop, hop.dataset.hopState]));
    assert.deepEqual(states, ["accepted", "recorded", "published", "kafka", "views", "cache", "readable", "announced"].map((hop) => [hop, "done"]));
    for (const time of await page.locator(".hop-time").allInnerTexts()) assert.match(time, /[≤+] \d/);
    await requireNoOverflow(page);
    await close();
  });

  test(`a changed item is followed to its new version (${width})`, async () => {
    const { page, close, goTo } = await openPage(browser, { viewport, hash: "#/follow/create" });
    await page.getByRole("button", { name: "Create and follow" }).click();
    await page.locator("[data-journey=over]").waitFor({ timeout: 30_000 });
    await page.getByRole("link", { name: "Change it" }).click();
    await page.getByLabel("Description").fill("As good as new.");
    await page.getByRole("button", { name: "Change and follow" }).click();
    await page.locator("[data-journey=over]").waitFor({ timeout: 30_000 });
    await page.getByLabel("Hops").getByText("version 2", { exact: false }).first().waitFor();
    const id = await page.locator("section[aria-label=Hops] header code").innerText();
    await goTo(`#/follow/${id}`);
    await page.locator("[data-hop=view]").waitFor();
    await page.locator("[data-hop=state]").waitFor();
    assert.ok(await page.locator("[data-hop=event]").count() >= 2);
    await close();
  });

  test(`a picture is uploaded, its saga's steps light up, and its thumbnail is shown (${width})`, async () => {
    const { page, close } = await openPage(browser, { viewport, hash: "#/follow/upload" });
    await choose(page);
    await page.getByRole("button", { name: "Upload and follow" }).click();
    await page.locator("[data-upload-status=stored][data-saga=over]").waitFor({ timeout: 60_000 });
    const steps = await page.locator("[data-step-name]").evaluateAll((all) => all.map((step) => [step.dataset.stepName, step.dataset.stepState]));
    assert.deepEqual(steps, [["awaiting_bytes", "done"], ["awaiting_file", "done"], ["attached", "done"]]);
    await page.getByRole("link", { name: "Open the item" }).click();
    const picture = page.locator(".thumbnail img");
    await picture.waitFor();
    await picture.evaluate((image) => image.decode());
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download wheel.png" }).click()]);
    assert.equal(download.suggestedFilename(), "wheel.png");
    await requireNoOverflow(page);
    await close();
  });
}

test("a file is dropped onto the page", async () => {
  const { page, close } = await openPage(browser, { hash: "#/follow/upload" });
  await page.locator(".drop").waitFor();
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["abc"], "dropped.bin", { type: "application/octet-stream" }));
    return transfer;
  });
  await page.dispatchEvent(".drop", "drop", { dataTransfer: data });
  await page.getByText("dropped.bin").waitFor();
  await page.getByRole("button", { name: "Upload and follow" }).click();
  await page.locator("[data-upload-status=stored]").waitFor({ timeout: 60_000 });
  await close();
});

test("a large file is paused, and goes on with the parts that have not arrived", async () => {
  const { page, close } = await openPage(browser, { hash: "#/follow/upload" });
  const partOf = (request) => new URL(request.url()).searchParams.get("partNumber");
  const begun = [];
  const arrived = new Set();
  page.on("request", (request) => { if (request.method() === "PUT" && partOf(request)) begun.push(partOf(request)); });
  page.on("requestfinished", (request) => { if (request.method() === "PUT" && partOf(request)) arrived.add(partOf(request)); });
  // Slow enough for a pause while some parts have arrived and others have not.
  const network = await page.context().newCDPSession(page);
  const atMost = (uploadThroughput) => network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await network.send("Network.enable");
  await atMost(12 * 1024 * 1024);
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(90 * 1024 * 1024)], "large.bin", { type: "application/octet-stream" }));
    const input = document.querySelector("input[type=file]");
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await page.getByRole("button", { name: "Upload and follow" }).click();
  await page.getByText(/[2-4] of 6 parts/).waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Pause" }).click();
  await page.locator("[data-transfer=paused]").waitFor();
  const before = new Set(arrived);
  const number = begun.length;
  await atMost(-1);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("of 6 parts had arrived before").waitFor();
  await page.locator("[data-upload-status=stored]").waitFor({ timeout: 120_000 });
  const again = begun.slice(number).filter((part) => before.has(part));
  assert.deepEqual(again, [], "what has arrived is not sent again");
  assert.equal(new Set([...before, ...begun.slice(number)]).size, 6);
  await close();
});

test("a wrong checksum is compensated, and the quota is free again", async () => {
  const { page, close } = await openPage(browser, { hash: "#/follow/upload" });
  await choose(page);
  await page.getByRole("radio", { name: "Wrong checksum" }).check();
  await page.getByRole("button", { name: "Upload and follow" }).click();
  await page.locator("[data-upload-status=rejected][data-saga=over]").waitFor({ timeout: 60_000 });
  assert.equal(await page.locator("[data-step-name=rejected]").getAttribute("data-step-state"), "done");
  assert.equal(await page.locator("[data-step-name=attached]").getAttribute("data-step-state"), "ahead");
  const account = (await ask(COMMAND, "GET", "/api/v1/accounts/alice")).json();
  assert.equal(account.reserved_bytes, 0);
  await close();
});

test("an upload whose item is deleted meanwhile is undone", async () => {
  const { page, close } = await openPage(browser, { hash: "#/follow/upload" });
  await choose(page);
  await page.getByRole("radio", { name: "Item deleted meanwhile" }).check();
  await page.getByRole("button", { name: "Upload and follow" }).click();
  await page.locator("[data-saga=over]").waitFor({ timeout: 60_000 });
  assert.match(await page.locator("[data-saga]").getAttribute("data-upload-status"), /aborted|rejected|removed/);
  await close();
});

test("a full quota refuses the upload, and the limit is as it was", async () => {
  const limit = async () => (await ask(COMMAND, "GET", "/api/v1/accounts/alice")).json().limit_bytes;
  const was = await limit();
  const { page, close } = await openPage(browser, { hash: "#/follow/upload" });
  await choose(page);
  await page.getByRole("radio", { name: "Quota full" }).check();
  await page.getByRole("button", { name: "Upload and follow" }).click();
  await page.locator("[data-transfer=refused]").waitFor({ timeout: 30_000 });
  await page.getByText("The limit is set back.").waitFor();
  assert.equal(await limit(), was);
  await close();
});

test("no token is in the address or in any storage", async () => {
  const { page, close } = await openPage(browser, { hash: "#/items" });
  const seen = await page.evaluate(() => [location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie].join(" "));
  assert.doesNotMatch(seen, /eyJ/);
  assert.ok(seen.startsWith(PAGE));
  await close();
});
