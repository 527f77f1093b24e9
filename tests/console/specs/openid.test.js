// Signing in at an issuer, as in production: query-api takes its tokens and no others, and makes none.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, requireAccessible, WIDE } from "../browser.js";
import { CLIENT, startIssuer } from "../issuer.js";
import { startQueryApi, until } from "../stand.js";

let browser;
let issuer;
let service;

before(async () => {
  browser = await launch();
  service = await startQueryApi(async (origin) => {
    issuer = await startIssuer(origin, "depot", "reader");
    return {
      CONSOLE_OPENID_ISSUER: issuer.url,
      CONSOLE_OPENID_CLIENT_ID: CLIENT,
      JWT_JWKS_URL: `${issuer.url}/jwks`,
      JWT_ISSUER: issuer.url,
      JWT_SECRET: "",
      CURSOR_SECRET: "of-all-processes-of-this-query-api-and-none",
      DEV_TOKEN_ENABLED: "false",
    };
  });
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await issuer?.close();
});

async function signInPage() {
  const context = await browser.newContext({ viewport: WIDE });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  await page.goto(`${service.url}/#/items`);
  const button = page.getByRole("button", { name: `Sign in at ${new URL(issuer.url).host}` });
  await button.waitFor();
  return { page, button, faults, context };
}

test("a person signs in at the issuer in a window of its own, and the page reads with the token", async () => {
  const { page, button, faults, context } = await signInPage();
  await requireAccessible(page, "the sign-in at an issuer");
  assert.equal(await page.getByRole("button", { name: "Get a development token" }).count(), 0);
  const asked = [];
  context.on("request", (request) => asked.push(request.url()));
  const opening = page.waitForEvent("popup");
  await button.click();
  const popup = await opening;
  await popup.locator("input[name=login]").fill("alice");
  await popup.locator("input[name=password]").fill("any");
  await popup.getByRole("button", { name: /sign-in/i }).click();
  await popup.getByRole("button", { name: /continue/i }).click();
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  await page.getByRole("heading", { name: "Items" }).first().waitFor();
  await until("the window is closed", () => popup.isClosed());
  // A reader sees no dead letters, and who it is says so.
  await page.getByText("alice").first().waitFor();
  // The code passes through an address, for which it is; a token never does, and is kept nowhere.
  assert.ok(asked.some((url) => url.includes("code_challenge_method=S256")), "the sign-in has a proof of its own");
  assert.ok(asked.every((url) => !url.includes("eyJ")), "no token in an address");
  const kept = await page.evaluate(() => [localStorage, sessionStorage].flatMap((storage) => Object.values(storage)).join(" ") + document.cookie);
  assert.ok(!kept.includes("eyJ"), kept);
  assert.equal(new URL(page.url()).search, "");
  assert.deepEqual(faults, []);
  // Another page is another person.
  await page.reload();
  await button.waitFor();
  await context.close();
});

test("a person whom the issuer refuses is told so, and can try again", async () => {
  const { page, button, faults, context } = await signInPage();
  const opening = page.waitForEvent("popup");
  await button.click();
  const popup = await opening;
  await popup.getByRole("link", { name: /cancel/i }).click();
  await page.getByText(/The issuer refused: /).waitFor();
  assert.ok(await button.isEnabled());
  assert.deepEqual(faults, []);
  await context.close();
});

test("with the issuer away the page says so, and the window is closed", async () => {
  const { page, button, context } = await signInPage();
  await page.route(`${issuer.url}/**`, (route) => route.abort("connectionrefused"));
  const opening = page.waitForEvent("popup");
  await button.click();
  const popup = await opening;
  await page.getByText(/The issuer/).first().waitFor();
  await until("the window is closed", () => popup.isClosed());
  await context.close();
});
