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
// The same where Markdown is read: two pairs of underlines are emphasis there.
const IN_MARKDOWN = "xss='script'</script>";
// And where the host has written it down with escaped quotes.
const IN_RECORD = "<script>window.__xss=";

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

for (const execution of ["asking", "failed", "reached"]) {
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
  assert.equal(names, 6);
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

test("what models are asked, say, call and refuse is text", async () => {
  await admin.go(`/executions/${given.reached}?tab=models`);
  await admin.sees(MARK, ".model-call summary");
  assert.ok((await admin.count(".model-call")) >= 3);
  await page.$$eval(".model-call > summary", (summaries) => summaries.forEach((summary) => summary.parentElement.open || summary.click()));
  await admin.sees(MARK, ".model-call .message:not(.message-answer)");
  await admin.sees(MARK, ".model-call .message-answer");
  await opensEverything();
  await isHarmless("model calls");
  // The second answer asks for a tool of that name, and the third is a refusal.
  const calls = await page.$$eval(".model-call", (all) => all.map((call) => ({ status: call.querySelector(".status-word").textContent.toLowerCase(), text: call.innerText })));
  assert.ok(calls[1].text.includes("call_1"), calls[1].text);
  assert.equal(calls[2].status, "failed");
});

test("what was reached for and refused is text, in the panel and at the call", async () => {
  const kinds = () => page.$$eval("[role=tabpanel] tbody tr", (rows, mark) => rows.filter((row) => row.innerText.includes(mark)).map((row) => `${row.cells[0].innerText} ${row.cells[1].innerText}`), IN_RECORD);
  await admin.go(`/executions/${given.reached}?tab=access`);
  await admin.sees(IN_RECORD, "table");
  await isHarmless("all accesses");
  for (const kind of ["denied secret", "denied write", "allowed llm"]) assert.ok((await kinds()).includes(kind), `${kind} is not among ${await kinds()}`);
  await page.click("[role=tabpanel] .segment:nth-of-type(2)");
  await page.waitForFunction(() => ![...document.querySelectorAll("td .badge")].some((badge) => badge.textContent === "allowed"), { polling: 50 });
  assert.deepEqual((await kinds()).sort(), ["denied secret", "denied write"]);
  await isHarmless("denied accesses");
  await admin.go(`/executions/${given.reached}?call=1`);
  await admin.sees(IN_RECORD, ".inspected .touched");
  await isHarmless("accesses of a call");
});

test("a child that says it is harmless, and so is the way to it", async () => {
  await admin.go(`/executions/${given.reached}?call=2`);
  await admin.sees("child_with_markup", ".inspected-name");
  await isHarmless("the call of a child");
  await page.$$eval(".inspected .facts a.identifier", (links) => links.at(-1).click());
  await admin.sees("child_with_markup", "h1");
  for (const tab of TABS) {
    await admin.go(`${new URL(page.url()).pathname}?tab=${tab}`);
    await page.waitForFunction(() => !document.querySelector(".skeleton"));
    await opensEverything();
    if (tab === "values" || tab === "logs") await admin.sees(MARK, "[role=tabpanel]:not([hidden])");
    await isHarmless(`child, ${tab}`);
  }
});

test("a model that says it while somebody listens makes no markup of it", async () => {
  const { exec_id: id } = await admin.api("POST", "/flows/hears_markup/executions", { input: { text: given.text } });
  await admin.go(`/executions/${id}`);
  // It goes on when this test is over.
  await admin.sees(IN_MARKDOWN, ".making");
  await isHarmless("an answer in the making");
  assert.equal(await admin.count(".making script, .making img, .making svg:not(.glyph, .icon), .making style, .making a"), 0);
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
