// Writes docs/images/console-*.png from a running stack with some load on it: light, dark, narrow, something broken.
import { join } from "node:path";
import { NARROW, launch, openPage } from "./browser.js";
import { REPOSITORY, createItem, importItems, killProcess, patchItem, startServices, visible } from "./stand.js";

const LOAD_SECONDS = 45;

const browser = await launch();
const shoot = (page, name) => page.screenshot({ path: join(REPOSITORY, `docs/images/console-${name}.png`) });

async function prepare() {
  await importItems(Array.from({ length: 300 }, (_, index) => ({
    name: ["A blue bicycle", "An anvil", "A crate of lantern oil", "A folding easel"][index % 4], tags: [["blue", "sold"], ["spare"], ["blue"], []][index % 4],
    status: ["active", "draft", "archived"][index % 3],
  })));
  const item = await createItem({ name: "A bicycle", description: "As good as new.", tags: ["blue"], attributes: { gears: 7 } });
  await patchItem(item.id, item.etag, { tags: ["blue", "sold"], attributes: { gears: 21, bell: true } });
  await visible(item.id, 2);
  return item;
}

async function startLoad(page) {
  await page.getByLabel("Commands a second").fill("60");
  await page.getByLabel("Seconds").fill(String(LOAD_SECONDS));
  await page.getByRole("button", { name: "Start" }).click();
}

const item = await prepare();
const loading = await openPage(browser, { hash: "#/load" });
await startLoad(loading.page);

const light = await openPage(browser);
// Long enough for the rates and the charts to have something to show.
await light.page.waitForTimeout(25_000);
await shoot(light.page, "light");

const dark = await openPage(browser, { colorScheme: "dark", hash: "#/follow/create" });
await dark.page.getByRole("button", { name: "Create and follow" }).click();
await dark.page.locator("[data-journey=over]").waitFor();
await shoot(dark.page, "dark");

const narrow = await openPage(browser, { viewport: NARROW, hash: `#/items/${item.id}` });
await narrow.page.locator(".timeline li").nth(1).waitFor();
await shoot(narrow.page, "narrow");

const broken = await openPage(browser, { hash: "#/pipeline/projector" });
await broken.page.locator("[data-stage=projector][data-state=ok]").waitFor();
await killProcess("projector");
await broken.page.locator("[data-stage=projector][data-state=down]").waitFor();
await broken.page.waitForTimeout(2_000);
await shoot(broken.page, "broken");
await startServices();
await browser.close();
