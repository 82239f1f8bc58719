// What admins do: publishing, tags, models, secrets, service accounts and their keys, and looking after the host.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const admin = await visitor({ login: true, width: 1440 });
const { page } = admin;

test("a component is uploaded and published, with a second version and tags", async () => {
  await admin.click("link", "Flows");
  await admin.click("button", "Publish");
  const file = await page.waitForSelector("dialog input[type=file]");
  await file.uploadFile(given.component);
  await admin.sees("Flows to publish", "dialog");
  await admin.sees("hello", "dialog legend ~ *");
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("1 flow published");
  await admin.click("link", "hello");
  await admin.click("tab", "Versions 1");
  await admin.click("button", "Publish a version");
  await (await page.waitForSelector("dialog input[type=file]")).uploadFile(given.changed);
  await admin.sees("This component has no flow hello.", "dialog");
  await (await page.$("dialog input[type=file]")).uploadFile(given.component);
  await admin.sees("Flows to publish", "dialog");
  await admin.fill("Tags", "canary");
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("v2", "table");
  await admin.sees("canary", "table");
  await admin.click("button", "Take the tag canary from v2");
  await admin.click("button", "Take it away");
  await admin.sees("v2 has no tag canary any more");
  await admin.click("button", "Delete v2");
  await page.waitForSelector("dialog[open] .button-danger");
  const typed = await page.$("dialog[open] input");
  if (typed) await typed.type(await page.$eval("dialog[open] label code", (node) => node.innerText));
  await page.click("dialog[open] .button-danger");
  await page.waitForFunction(() => !document.querySelector("dialog[open]") && !document.querySelector("table").innerText.includes("v2"), { polling: 50 });
});

test("a flow has its schema and commands that start it", async () => {
  await admin.go("/flows/hello?tab=schema");
  await admin.sees("name", "table");
  await admin.go("/flows/hello?tab=start");
  await admin.sees("kitaru-host invoke hello", ".start-commands");
  await page.click(".start-commands .segment:nth-of-type(2)");
  await admin.sees(`${given.url}/api/v1/flows/hello/executions`, ".start-commands");
});

test("a model is registered, changed and removed", async () => {
  await admin.click("link", "Models");
  await admin.click("button", "Register");
  await admin.fill("Alias", "draft");
  await admin.fill("Model", "nonsense");
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("It is written provider/model", "dialog");
  await admin.fill("Model", "openai/gpt-4o-mini");
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("draft", ".card");
  await admin.sees("openai/gpt-4o-mini", ".card");
  await admin.click("button", "More about draft");
  await admin.click("menuitem", "Remove");
  await admin.click("button", "Remove the alias");
  await admin.sees("No model has a name yet");
});

test("a secret is added, and its value never comes back", async () => {
  const heard = [];
  page.on("response", async (response) => heard.push(await response.text().catch(() => "")));
  await admin.click("link", "Secrets");
  await admin.click("button", "Add a secret");
  await admin.fill("Name", "mail");
  await admin.fill("Key", "password");
  await admin.fill("Value", "planted-in-a-browser");
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("mail", "table");
  await admin.sees("password", "table");
  assert.doesNotMatch(await page.content(), /planted-in-a-browser/);
  await page.reload();
  await admin.sees("mail", "table");
  page.removeAllListeners("response");
  assert.ok(heard.some((text) => text.includes("password")) && !heard.join().includes("planted-in-a-browser"));
  await admin.click("button", "Delete mail");
  await page.waitForSelector("dialog[open] input");
  assert.equal(await page.$eval("dialog[open] .button-danger", (button) => button.disabled), true);
  await page.type("dialog[open] input", "mail");
  await page.click("dialog[open] .button-danger");
  await admin.sees("No secrets yet");
});

test("a key is made, shown once, works, and is revoked", async () => {
  await admin.click("link", "Access");
  await admin.click("button", "Add a service account");
  await admin.fill("Name", "ci");
  await page.click('dialog input[value="author"]');
  await page.click("dialog .dialog-actions .button-primary");
  await admin.sees("ci", ".card");
  await admin.click("button", "Make a key");
  await admin.fill("Name", "pipeline");
  await page.click("dialog .dialog-actions .button-primary");
  await page.waitForSelector(".secret-text");
  const key = await page.$eval(".secret-text", (node) => node.innerText);
  assert.match(key, /^kh_/);
  await admin.press("Escape");
  assert.equal(await admin.count(".secret-text"), 1, "Escape would lose it for good");
  await admin.click("button", "I have copied it");
  await admin.sees("never used", ".account-key");
  assert.ok(!(await page.content()).includes(key));

  const pipeline = await visitor();
  await pipeline.enter(key);
  await admin.page.reload();
  await admin.click("button", "More about the key pipeline of ci");
  await admin.click("menuitem", "Revoke");
  await admin.click("button", "Revoke the key");
  await admin.sees("revoked", ".account-key");
  await pipeline.page.goto(`${given.url}/inbox`);
  await pipeline.sees("Log in to this host", "h1");
  await admin.click("tab", "Audit log");
  await admin.sees("auth.api-keys.create", "table");
});

test("the host says how it is", async () => {
  await admin.click("link", "System");
  await admin.sees("Ready", ".figure-value");
  await admin.sees("Running instances");
  await admin.sees("On disk");
  await admin.sees("Limits");
  await admin.sees("Software");
  const sizes = await page.$$eval(".panel", (panels) => {
    const store = panels.find((panel) => panel.querySelector("h2")?.textContent === "Store");
    return [...store.querySelectorAll(".share-legend li")].map((part) => part.textContent);
  });
  assert.equal(sizes.length, 4);
  for (const part of ["Database", "Components", "Compiled code"]) assert.match(sizes.find((text) => text.startsWith(part)) ?? "", /[1-9][\d.]* (B|KiB|MiB)$/, part);
  const facts = await page.$$eval(".facts .fact", (all) => Object.fromEntries(all.map((fact) => [fact.querySelector("dt").textContent, fact.querySelector("dd").textContent])));
  assert.match(facts["Runs in"], /^(no container|a container|Kubernetes|a CI job)$/);
  assert.match(facts["Stack of an instance"], /^[\d.]+ [KM]iB$/);
  assert.equal(facts["Default model"], "none");
});

test("an execution is deleted for good, after its name was typed", async () => {
  await admin.go(`/executions/${given.execution}`);
  await admin.click("button", "More actions");
  await admin.click("menuitem", "Delete With journal, logs and artifacts");
  await admin.sees("Delete this execution?", "dialog");
  const short = given.execution.slice(-8);
  await page.type("dialog[open] input", short);
  await admin.click("button", "Delete for good");
  await admin.arrives(/^\/executions$/);
  await admin.sees("No executions yet");
});
