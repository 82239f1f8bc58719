// Who comes in, by which door, and what those see who may not do everything.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();

test("a page that needs a login asks for one, and goes on to where one wanted to be", async () => {
  const someone = await visitor();
  await someone.page.goto(`${given.url}/flows/wait_bool?tab=schema`);
  await someone.sees("Log in to this host", "h1");
  assert.equal(await someone.focused(), "API key");
  await someone.fill("API key", "nonsense");
  await someone.press("Enter");
  await someone.sees("An API key begins with kh_");
  await someone.fill("API key", given.keys.viewer.replace(/.{4}$/, "AAAA"));
  await someone.press("Enter");
  await someone.page.waitForSelector('input[aria-invalid="true"]');
  assert.doesNotMatch(await someone.text(), /begins with kh_ *$/m);
  await someone.sees("Log in to this host", "h1");
  await someone.fill("API key", given.keys.viewer);
  await someone.press("Enter");
  await someone.sees("wait_bool", "h1");
  assert.equal(someone.path, "/flows/wait_bool?tab=schema");
});

test("the login never leads to another host, or round in a circle", async () => {
  for (const next of ["https://outside.invalid/x", "//outside.invalid/x", "/\\outside.invalid", "javascript:alert(1)", "/login?next=/keys"]) {
    const someone = await visitor();
    await someone.page.goto(`${given.url}/login?next=${encodeURIComponent(next)}`);
    await someone.fill("API key", given.keys.viewer);
    await someone.press("Enter");
    await someone.page.waitForFunction(() => !location.pathname.startsWith("/login"));
    assert.ok(someone.page.url().startsWith(`${given.url}/`), someone.page.url());
    await someone.page.browserContext().close();
  }
});

test("a wrong code is refused, and the right one works once", async () => {
  const guesser = await visitor();
  await guesser.page.goto(`${given.url}/login#code=guessed`);
  await guesser.page.waitForSelector(".failed");
  assert.doesNotMatch(guesser.page.url(), /guessed/, "a code does not stay in the address");
  await guesser.sees("API key");

  const owner = await visitor({ login: true });
  assert.equal(owner.path, "/executions");
  assert.equal(await owner.page.evaluate(() => history.length <= 3 && !location.hash), true);
  const second = await visitor();
  await second.page.goto(given.login);
  await second.page.waitForSelector(".failed");
});

test("a viewer looks, and has no control that would change anything", async () => {
  const viewer = await visitor({ role: "viewer" });
  await viewer.go(`/executions/${given.waiting}`);
  await viewer.sees("An operator can answer this.");
  for (const label of ["Approve", "Replay", "Cancel"]) assert.equal(await viewer.count(`::-p-aria([name="${label}"][role="button"])`), 0, label);
  await viewer.go("/inbox");
  await viewer.sees("Your role lets you look. Operators answer questions.");
  await viewer.go("/flows/wait_bool?tab=start");
  await viewer.sees("Authors start flows");
  assert.equal(await viewer.page.$eval(".start-form button[type=submit]", (button) => button.disabled), true);
  await viewer.go("/keys");
  await viewer.sees("Admins manage service accounts and keys.");
  await viewer.go("/secrets");
  await viewer.sees("Authors see which secrets there are");
  // What the page does not offer, the host refuses too.
  const refused = await viewer.page.evaluate(async (id) => {
    const { csrf_token: token } = await (await fetch("/api/v1/session")).json();
    const headers = { "Content-Type": "application/json", "X-Kitaru-CSRF": token };
    return (await fetch(`/api/v1/executions/${id}/input`, { method: "POST", headers, body: '{"value":true}' })).status;
  }, given.waiting);
  assert.equal(refused, 403);
});

test("a forged request without the token is refused", async () => {
  const author = await visitor({ role: "author" });
  const status = await author.page.evaluate(
    async (id) => (await fetch(`/api/v1/executions/${id}/cancel`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" })).status,
    given.waiting,
  );
  assert.equal(status, 403);
});

test("who logs out is out, in every tab", async () => {
  const author = await visitor({ role: "author" });
  await author.go("/executions");
  const other = await author.page.browserContext().newPage();
  await other.goto(`${given.url}/inbox`);
  await other.waitForSelector("h1");
  // A page behind another draws nothing.
  await author.page.bringToFront();
  await author.page.click(".rail-account button");
  await author.click("menuitem", "Log out");
  await author.sees("Log in to this host", "h1");
  await other.bringToFront();
  await other.reload();
  await other.waitForSelector("#login-title");
  await author.page.bringToFront();
  await author.page.goBack();
  await author.sees("Log in to this host", "h1");
});

test("an address that is nothing says so, and leads back", async () => {
  const viewer = await visitor({ role: "viewer" });
  await viewer.page.goto(`${given.url}/nowhere/at/all`);
  await viewer.sees("There is nothing here", "h1");
  await viewer.page.goto(`${given.url}/executions/01999999-0000-7000-8000-000000000000`);
  await viewer.page.waitForSelector(".failed");
  await viewer.sees("was not found");
});
