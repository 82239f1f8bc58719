// What an execution left: artifacts in their viewers, model calls, what was granted, used and denied, and downloads.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const author = await visitor({ role: "author", width: 1440 });
const { page } = author;

async function opens(artifact) {
  await author.click("button", artifact);
  await author.sees(artifact, "dialog h2");
}

async function closes() {
  await author.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
}

/** What a link of the page downloads. */
function downloaded(selector) {
  return page.$eval(selector, async (anchor) => {
    const response = await fetch(anchor.href);
    return { name: anchor.download, status: response.status, policy: response.headers.get("content-security-policy"), how: response.headers.get("content-disposition"), text: await response.text() };
  });
}

test("JSON is a tree, and a table where it is a list of like objects", async () => {
  await author.go(`/executions/${given.saved}?tab=artifacts`);
  await opens("json plain");
  await author.sees("plain", "dialog table");
  await author.page.click("dialog .segment:nth-of-type(2)");
  await author.sees("plain", "dialog .json-string");
  await closes();
});

test("Markdown, separated values and pictures have viewers of their own", async () => {
  await opens("markdown");
  await author.sees("plain", "dialog .markdown h3");
  assert.equal(await author.count("dialog .markdown img"), 0, "a picture elsewhere is not fetched");
  await closes();
  await opens("table");
  await author.sees("2", "dialog td");
  await closes();
  // One in pixels, and one in lines, whose script does not run.
  for (const [name, width] of [["picture", 8], ["drawing", 300]]) {
    await opens(name);
    await page.waitForFunction(() => document.querySelector("dialog img")?.complete || document.querySelector("dialog .image-box .empty"));
    assert.equal(await page.$eval("dialog img", (image) => image.naturalWidth), width, name);
    await author.sees(`${width} ×`, "dialog .image-box");
    await closes();
  }
});

test("everything can be downloaded, and is never shown as a page of the host", async () => {
  await opens("page plain");
  const { name, status, policy, how, text } = await downloaded("dialog a[download]");
  assert.deepEqual([status, text, name], [200, "plain", "page-plain"]);
  assert.match(how, /^attachment/);
  assert.match(policy, /default-src 'none'/);
  await closes();
});

test("model calls show prompt, answer, tokens and cost", async () => {
  await author.go(`/executions/${given.written}?tab=models`);
  await author.sees("outline_call");
  await author.sees("31 → 12");
  await page.click(".model-call summary");
  await author.sees("tides", ".model-call[open] .message");
  await author.sees("The moon pulls", ".model-call[open] .message-answer .markdown");
  await author.sees("pulls", ".message-answer strong");
  await author.sees("Tokens read", ".stats");
  // At $0.15 and $0.60 a million: 31 + 64 read, 12 + 9 written.
  await author.sees("$0.000027", ".stats");
  await author.go(`/executions?q=${given.written}`);
  await author.sees("llm_writer", ".execution-row");
  assert.equal(await author.text(".execution-row .cell-cost"), "$0.000027");
  assert.equal(await author.text(".execution-row .cell-tokens"), "116");
});

test("a replay says what it saved: in all, in its model calls, and at the call that was served", async () => {
  const stats = () => page.$$eval("[role=tabpanel] .stats .stat", (all) => Object.fromEntries(all.map((one) => [one.querySelector("dt").textContent, one.querySelector("dd").innerText.replaceAll(/\s+/g, " ")])));
  await author.go(`/executions/${given.again}?tab=models`);
  await author.sees("$0.000012 saved", ".execution-head .stats");
  await author.sees("1 from a record", ".execution-head .stats");
  await author.sees("draft_call", ".model-call");
  assert.equal(await author.count(".model-call"), 1, "what was served was not asked");
  const { Cost: cost, Saved: saved } = await stats();
  assert.deepEqual([cost, saved], ["$0.000015", "$0.000012 1 answer on record already"]);
  await author.go(`/executions/${given.again}?call=0`);
  await author.sees("served", ".inspected .provenance");
  const facts = await page.$$eval(".inspected .fact", (all) => Object.fromEntries(all.map((fact) => [fact.querySelector("dt").textContent, fact.querySelector("dd").textContent])));
  assert.equal(facts.Saved, "$0.000012");
  // Where nothing at all was asked, that is said beside what it saved.
  await author.go(`/executions/${given.given}?tab=models`);
  await author.sees("No model was called here", "[role=tabpanel]");
  assert.match((await stats()).Saved, /^\$0\.0000\d+ \d answers? on record already$/);
});

test("capabilities that were granted, used and denied", async () => {
  await author.go(`/executions/${given.read}?tab=access`);
  await author.sees("Granted to the execution");
  await author.sees("documents", ".grants");
  await author.sees("allowed", "table");
  await author.sees("documents/tides.md", "table");
  await author.go(`/executions/${given.denied}?tab=access`);
  await author.sees("denied", "table");
  await author.sees("127.0.0.1:9", "table");
  await page.click(".segment:nth-of-type(2)");
  await author.sees("denied", "table");
});

test("a failure names its call, and leads to it", async () => {
  await author.go(`/executions/${given.denied}`);
  await author.sees("This execution failed");
  await author.sees("call 0, connects", ".execution-failure .causes");
  await page.click(".execution-failure .link-button");
  await author.sees("It failed", ".inspected");
});

test("an execution is checked, and downloaded for other programs", async () => {
  await author.go(`/executions/${given.written}`);
  await author.click("button", "More actions");
  await author.click("menuitem", "Verify Hash chain, blobs and the component's code");
  await author.sees("Nothing is wrong", "dialog");
  await closes();
  for (const path of ["events", "trajectory"]) {
    const response = await page.evaluate(async (address) => {
      const found = await fetch(address);
      return { status: found.status, length: (await found.text()).length };
    }, `/api/v1/executions/${given.written}/${path}`);
    assert.ok(response.status === 200 && response.length > 2, path);
  }
});
