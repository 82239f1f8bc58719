// A model's answer, read while it is made: by whoever watches, whoever comes in the middle of it, and whoever comes again.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const author = await visitor({ role: "author", width: 1440 });
const viewer = await visitor({ role: "viewer", width: 1440 });
const MAKING = ".making-text";
const PANEL = "[role=tabpanel]:not([hidden])";

/** Lets the model go on. */
const goOn = (gate) => writeFile(`${given.gates}.${gate}`, "");

/** The numbers of the words that can be read in a place. */
const words = async (who, place) => [...(await who.text(place)).matchAll(/word-(\d+)/g)].map(([, number]) => Number(number));

/** That they are all words so far: from the first one, in order, each once, and at least as far as one that was waited for. */
function assertWhole(found, least) {
  assert.ok(found.length > least, `word-${least} is among ${found.join()}`);
  assert.deepEqual(found, found.map((_, at) => at), "none is missing, none is there twice");
}

/** That both who watch read the same, as soon as both have what has come. */
async function assertSame() {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const both = await Promise.all([author, viewer].map((who) => words(who, MAKING)));
    if (both[0].join() === both[1].join()) return;
    assert.ok(Date.now() < deadline, `both tabs show the same: ${both.join(" | ")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What the model wrote was text for whoever looked. */
async function assertHarmless(who) {
  const found = await who.page.evaluate(() => ({
    ran: globalThis.xss ?? null,
    made: document.querySelectorAll("main img, main script, main iframe, main svg[onload], main [onerror]").length,
    addresses: [...document.querySelectorAll("main [href]")].filter((node) => /^\s*(javascript|data):/i.test(node.getAttribute("href"))).length,
  }));
  assert.deepEqual(found, { ran: null, made: 0, addresses: 0 });
}

async function start(flow, input) {
  const { exec_id: id } = await author.api("POST", `/flows/${flow}/executions`, { input });
  return id;
}

let told = null;

test("an answer grows while the model makes it, and whatever it says is text", async () => {
  told = await start("model_flow_stream", { prompt: "x" });
  await author.go(`/executions/${told}`);
  await author.page.evaluate(() => (globalThis.sameDocument = true));
  await author.sees("A model is answering", ".making");
  await author.sees("story", ".making-head");
  await author.sees("word-30", MAKING);
  const first = await words(author, MAKING);
  assertWhole(first, 30);
  assert.ok(!first.includes(70), "the model has not said that yet");
  assert.match(await author.text(MAKING), /<script>window\.xss='script'<\/script>/);
  await assertHarmless(author);

  await goOn(1);
  await author.sees("word-100", MAKING);
  assertWhole(await words(author, MAKING), 100);
  assert.match(await author.text(".execution-head .pill"), /running/i, "the call has not ended");
});

test("whoever comes in the middle of it, and whoever loads the page again, reads it from the beginning and once", async () => {
  await viewer.go(`/executions/${told}`);
  await viewer.sees("word-100", MAKING);
  await assertSame();
  assertWhole(await words(viewer, MAKING), 100);
  await assertHarmless(viewer);

  await viewer.page.reload();
  await viewer.sees("word-100", MAKING);
  assertWhole(await words(viewer, MAKING), 100);
  assert.equal(await viewer.count(".making"), 1);
});

test("a connection that was lost goes on where it was", async () => {
  // As a tab that nobody looked at for long.
  await viewer.page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
  await goOn(2);
  await author.sees("word-160", MAKING);
  assert.ok(!(await words(viewer, MAKING)).includes(160), "it hears nothing meanwhile");
  await viewer.page.evaluate(() => window.dispatchEvent(new Event("pageshow")));
  await viewer.sees("word-160", MAKING);
  await assertSame();
  assertWhole(await words(viewer, MAKING), 160);
});

test("the recorded answer takes its place, with its tokens and what it cost", async () => {
  await author.click("tab", "Model calls");
  await author.sees("No model was called", PANEL);
  await author.sees("A model is answering", ".making");
  await goOn(3);
  for (const who of [author, viewer]) await who.seesNoMore("A model", ".making");
  await author.sees("31 → 12", ".model-call");
  await author.sees("word-199", ".message-answer");
  assertWhole(await words(author, ".message-answer"), 199);
  assert.match(await author.text(".message-answer"), /<script>window\.xss='script'<\/script>/);
  await author.sees("Tokens written", `${PANEL} .stats`);
  assert.match(await author.text(`${PANEL} .stats`), /\$0\.000\d+[^]*Tokens written\s*12/);
  assert.equal(await author.page.evaluate(() => globalThis.sameDocument), true, "nothing was loaded again");
  await assertHarmless(author);
  await author.page.waitForFunction(() => /completed/i.test(document.querySelector(".execution-head .pill").innerText), { polling: 50 });
});

test("an answer that is shown only as a whole is announced, and shown when it is there", async () => {
  const request = { prompt: "x", name: "sealed <b>name</b>", stream: true };
  const id = await start("model_stream", { request, most: null, abort: false });
  await author.go(`/executions/${id}?tab=models`);
  await author.sees("shown once it is on record", MAKING);
  await author.sees("sealed_b_name_b", ".making-head");
  assert.doesNotMatch(await author.text("main"), /hidden-word/);
  await goOn(4);
  await author.sees("hidden-word", ".message-answer");
  await author.seesNoMore("A model", ".making");
});
