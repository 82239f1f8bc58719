// Replay from a call with another output, checked before it is sent; and two executions beside each other.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const author = await visitor({ role: "author", width: 1440 });
const { page } = author;
let replay = null;
let moon = null;

/** Waits until a replay was started and is over: which execution it is. */
async function done() {
  await page.waitForFunction((source) => location.pathname.startsWith("/executions/") && !location.pathname.includes(source), {}, given.source);
  await author.sees("replay of", ".execution-about");
  await page.waitForFunction(() => /completed/i.test(document.querySelector(".execution-head .pill").innerText), { polling: 50 });
  return page.url().split("/").at(-1).split("?")[0];
}

/** Waits until the time line says of each call where its output came from. */
async function provenances(...wanted) {
  const found = () => page.$$eval(".call-row:not(.call-header)", (rows) => rows.map((row) => [row.querySelector(".truncate").textContent, row.querySelector(".provenance-word").textContent]));
  await page.waitForFunction((count) => document.querySelectorAll(".provenance-word").length === count, { polling: 50 }, wanted.length);
  assert.deepEqual(await found(), wanted);
}

test("the time line leads to a call with its input, output and provenance", async () => {
  await author.go(`/executions/${given.source}`);
  await author.sees("research", ".virtual-row");
  await page.focus(".virtual");
  await author.press("j");
  await author.sees("research", ".inspected-name");
  await author.sees("kitaru", ".inspected");
  await author.sees("notes about kitaru", ".inspected");
  await author.press("j");
  await author.sees("write_draft", ".inspected-name");
  await author.arrives(/call=1/);
  await author.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".inspected"));
});

test("an output that the schema refuses is refused with a message", async () => {
  await author.go(`/executions/${given.source}?call=0`);
  await author.click("button", "Replay with another output");
  await author.sees("Checked against the component's schema", "dialog");
  await author.sees("1 output", ".replay-plan");
  await author.fill("output as JSON", "17");
  await author.click("button", "Start the replay");
  await author.sees("text", ".override .field-error");
  assert.equal(await author.focused(), "output as JSON");
  await author.fill("output as JSON", "{ broken");
  await author.click("button", "Start the replay");
  await author.sees("This is not JSON", ".override .field-error");
  assert.equal(await author.count("dialog[open]"), 1);
});

test("the right one starts a replay, which says what it served and what ran", async () => {
  await author.fill("output as JSON", '"edited notes for kitaru"');
  await author.click("button", "Start the replay");
  replay = await done();
  await provenances(["research", "overridden"], ["write_draft", "ran"], ["publish", "ran"]);
  await author.sees("1 from a record", ".stats");
  await author.click("tab", "Input and result");
  await author.sees("PUBLISHED: Draft from edited notes for kitaru");
  await author.click("tab", "Lineage");
  await author.sees("Original", ".lineage");
  const source = await author.api("GET", `/executions/${given.source}`);
  assert.equal(source.result, "PUBLISHED: Draft from notes about kitaru", "the source is as it was");
});

test("from the second call on, the first is served and says where from", async () => {
  await author.go(`/executions/${given.source}?call=1`);
  await author.click("button", "Replay from here");
  await author.click("button", "Start the replay");
  const id = await done();
  await provenances(["research", "served"], ["write_draft", "ran"], ["publish", "ran"]);
  await author.sees("1 from a record", ".stats");
  await page.click(".call-row:not(.call-header)");
  await author.sees("served", ".inspected .provenance");
  assert.equal(await page.$eval(".inspected a.identifier", (anchor) => anchor.getAttribute("href")), `/executions/${given.source}?call=0`);
  // It is in nobody's way in what follows.
  const admin = await visitor({ login: true });
  await admin.api("DELETE", `/executions/${id}`);
});

test("two executions are chosen in the list by keyboard and compared", async () => {
  await author.go("/executions");
  await author.sees("content_pipeline", ".execution-row");
  await author.press("j", "x", "j", "x");
  await author.sees("2 executions chosen");
  await author.click("button", "Compare");
  await author.sees("2 executions of content_pipeline");
  await author.sees("edited notes for kitaru", "main");
  const address = new URL(page.url());
  assert.deepEqual(address.searchParams.getAll("execution"), [given.source, replay], "the oldest is the base");
  await author.sees("the same in all", ".compare-values");
  await author.sees("B differs from A", ".compare-values");
  await author.page.reload();
  await author.sees("2 executions of content_pipeline");
});

test("a replay can change the flow's input", async () => {
  await author.go(`/executions/${given.source}`);
  await author.click("button", "Replay");
  await (await page.waitForSelector("dialog .check input")).click();
  await author.fill("Topic", "moon");
  await author.click("button", "Start the replay");
  moon = await done();
  assert.equal((await author.api("GET", `/executions/${moon}`)).result, "PUBLISHED: Draft from notes about moon");
});

test("three are compared with the first, and one can be left out", async () => {
  await author.go("/executions");
  await author.sees("content_pipeline", ".execution-row");
  await author.press("j", "x", "j", "x", "j", "x");
  await author.sees("3 executions chosen");
  await author.click("button", "Compare");
  await author.sees("3 executions of content_pipeline");
  const letters = () => page.$$eval(".compare-column .compare-letter", (nodes) => nodes.map((node) => node.textContent));
  const chosen = () => new URL(page.url()).searchParams.getAll("execution");
  assert.deepEqual(await letters(), ["A", "B", "C"]);
  assert.deepEqual(chosen(), [given.source, replay, moon]);
  const said = () => page.$$eval(".compare-values > summary", (all) => Object.fromEntries(all.map((one) => [one.querySelector("h2").textContent, one.querySelector(".muted").textContent])));
  assert.deepEqual(await said(), { Input: "C differs from A", Outcome: "B, C differ from A" });
  await author.sees("edited", ".compare-values:last-of-type");
  await page.$$eval(".compare-values:last-of-type .segment", (ways) => ways.find((way) => way.textContent === "A with C").click());
  await author.sees("moon", ".compare-values:last-of-type");
  await author.click("button", "More about B");
  await author.click("menuitem", "Leave it out");
  await author.sees("2 executions of content_pipeline");
  assert.deepEqual([await letters(), chosen()], [["A", "B"], [given.source, moon]]);
  assert.deepEqual(await said(), { Input: "B differs from A", Outcome: "B differs from A" });
});
