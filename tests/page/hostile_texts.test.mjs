// A guest whose every text is markup, script, an address that runs, colours of terminals or letters that turn round: all of it is shown as text.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
// As high as everything: a browser leaves out of the text what is far from being seen.
const admin = await visitor({ login: true, width: 1440, height: 6000 });
const { page } = admin;
const TABS = ["timeline", "values", "logs", "artifacts", "models", "access", "lineage", "details"];
// What can be read of it everywhere, whatever becomes of signs that cannot.
const MARK = "<script>window.__xss='script'</script>";

/** Nothing ran, nothing was made of it that could, and it leads nowhere. */
async function isHarmless(where) {
  const found = await page.evaluate(() => ({
    ran: globalThis.__xss ?? null,
    scripts: [...document.querySelectorAll("script")].filter((script) => !script.src.startsWith(`${location.origin}/js/`)).length,
    styles: document.querySelectorAll("style, link[rel=stylesheet]:not([href^='/css/'])").length,
    handlers: [...document.querySelectorAll("*")].filter((node) => [...node.attributes].some(({ name }) => /^on/i.test(name))).length,
    addresses: [...document.querySelectorAll("[href], [src], [action]")].filter((node) => ["href", "src", "action"].some((name) => /^\s*(javascript|vbscript|data:text)/i.test(node.getAttribute(name) ?? ""))).length,
    frames: document.querySelectorAll("iframe, object, embed, base, meta[http-equiv]").length,
    pictures: [...document.querySelectorAll("img")].filter((image) => !/^(blob:|data:image\/)/.test(image.src)).length,
  }));
  assert.deepEqual(found, { ran: null, scripts: 0, styles: 0, handlers: 0, addresses: 0, frames: 0, pictures: 0 }, where);
}

async function opensEverything() {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("main details:not([open])")) details.open = true;
  });
}

for (const execution of ["asking", "failed"]) {
  test(`no part of the execution that is ${execution} makes markup of it`, async () => {
    for (const tab of TABS) {
      await admin.go(`/executions/${given[execution]}?tab=${tab}`);
      await page.waitForFunction(() => !document.querySelector(".skeleton"));
      await opensEverything();
      if (tab === "values" || (tab === "logs" && execution === "asking")) await admin.sees(MARK, "[role=tabpanel]:not([hidden])");
      await isHarmless(`${execution} ${tab}`);
    }
    await admin.go(`/executions/${given[execution]}?call=0`);
    await admin.sees("Input", ".inspected");
    await opensEverything();
    await isHarmless("a call");
  });
}

test("every artifact is shown as what it is, and nothing of it runs", async () => {
  await admin.go(`/executions/${given.asking}?tab=artifacts`);
  const names = await page.$$eval(".artifact-name", (buttons) => buttons.length);
  assert.equal(names, 5);
  for (let at = 0; at < names; at += 1) {
    await page.$$eval(".artifact-name", (buttons, index) => buttons[index].click(), at);
    await page.waitForSelector("dialog[open] .dialog-body *");
    const ways = await admin.count("dialog .segment input");
    for (let way = 0; way < Math.max(1, ways); way += 1) {
      if (ways > 0) await page.$$eval("dialog .segment input", (inputs, index) => inputs[index].click(), way);
      await page.waitForFunction(() => [...document.querySelectorAll("dialog img")].every((image) => image.complete));
      await isHarmless(`artifact ${at}, way ${way}`);
    }
    await admin.press("Escape");
    await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  }
  // Asked for by its own address, as from a link in a mail, it is a download, or a document that can do nothing.
  const { items } = await admin.api("GET", `/executions/${given.asking}/artifacts`);
  for (const { artifact_id: id } of items) {
    const headers = await page.evaluate(async (address) => {
      const response = await fetch(address);
      return { how: response.headers.get("content-disposition"), policy: response.headers.get("content-security-policy"), sniff: response.headers.get("x-content-type-options") };
    }, `/api/v1/artifacts/${encodeURIComponent(id)}/content`);
    assert.match(headers.how ?? "", /^attachment/);
    assert.equal(headers.sniff, "nosniff");
    assert.match(headers.policy ?? "", /default-src 'none'/);
  }
});

test("a question, its form and what the flow says about it are text", async () => {
  await admin.go("/inbox");
  await admin.sees(MARK, "main");
  await isHarmless("inbox");
  await page.click(".inbox-item");
  await isHarmless("inbox, after a click");
  await admin.click("button", "More about this question");
  await admin.click("menuitem", "Make a link that answers it For mail or chat; it works once, without a login");
  const link = await (await page.waitForSelector(".secret-text")).evaluate((node) => node.innerText);
  await isHarmless("link");
  const friend = await visitor();
  await friend.page.goto(link);
  await friend.sees(MARK, "main");
  assert.equal(await friend.page.evaluate(() => globalThis.__xss ?? null), null);
});

test("names of letters that turn round do not turn the page round", async () => {
  await admin.go(`/executions/${given.asking}?tab=logs`);
  await admin.sees("gnp.exe", ".log-message");
  const logs = await admin.text(".log-lines");
  assert.ok(!logs.includes("\u001b"), "no escape sequence is left");
  // What stands after such a text in the same line is where it would be without it.
  const turned = await page.$$eval(".log-message", (nodes) => nodes.filter((node) => node.innerText.includes("gnp.exe")).map((node) => getComputedStyle(node).unicodeBidi));
  assert.ok(turned.length > 0 && turned.every((how) => /isolate|plaintext/.test(how)), turned.join());
});

test("a component by hand, whose manifest is all markup, has a page and a form", async () => {
  for (const tab of ["overview", "start", "versions", "schema"]) {
    await admin.go(`/flows/odd?tab=${tab}`);
    await page.waitForFunction(() => !document.querySelector(".skeleton"));
    await opensEverything();
    if (["start", "schema"].includes(tab)) await admin.sees(MARK, "[role=tabpanel]:not([hidden])");
    await isHarmless(`flow ${tab}`);
  }
  await admin.go("/flows");
  await admin.sees("odd", ".flow-card");
  await isHarmless("flows");
});

test("lists, comparisons and the error of a wrong address are harmless too", async () => {
  await admin.go("/executions");
  await admin.sees(MARK, ".execution-row");
  await isHarmless("list");
  await admin.go(`/executions?q=${encodeURIComponent(given.text)}&flow=${encodeURIComponent(given.text)}`);
  await isHarmless("filters");
  await admin.go(`/compare?execution=${given.asking}&execution=${given.failed}`);
  await admin.sees("2 executions");
  await opensEverything();
  await isHarmless("comparison");
  await page.goto(`${given.url}/nowhere/${encodeURIComponent(given.text)}`);
  await admin.sees("There is nothing here", "h1");
  await isHarmless("wrong address");
});
