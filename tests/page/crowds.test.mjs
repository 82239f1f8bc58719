// Ten thousand executions, and an execution of ten thousand calls: the document stays small, and what is done with it costs the page little. That is judged by
// the processor time of the page's own thread, which a busy machine makes no longer; how long pauses were is printed and not judged, since it does that to them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const MOST_ELEMENTS = 3000;
/** Seconds of processor time, at least three times what they took where the tests were written. */
const MOST = { scrolling: 2.5, showing: 1, searching: 0.5 };

const visitor = await browse();
const viewer = await visitor({ role: "viewer", width: 1440 });
const { page } = viewer;
await page.evaluateOnNewDocument(() => {
  globalThis.pauses = [];
  new PerformanceObserver((list) => globalThis.pauses.push(...list.getEntries().map((entry) => Math.round(entry.duration)))).observe({ type: "longtask", buffered: true });
});

const performance = await page.createCDPSession();
await performance.send("Performance.enable", { timeDomain: "threadTicks" });

/** The processor time that all tasks of the page took since its document was loaded. */
async function worked() {
  const { metrics } = await performance.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

/** Does something within one document, which must not cost more than so much. */
async function costs(context, what, most, act) {
  const before = await worked();
  await page.evaluate(() => (globalThis.sameDocument = true));
  await act();
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true, "the clock begins anew with a document");
  const cost = (await worked()) - before;
  context.diagnostic(`${what}: ${cost.toFixed(3)} s of processor time`);
  assert.ok(cost > 0 && cost <= most, `${what}: ${cost.toFixed(3)} s of processor time, and ${most} s are the most`);
}

async function tell(context, what) {
  const pauses = await page.evaluate(() => globalThis.pauses.splice(0));
  const elements = await viewer.size();
  context.diagnostic(`${what}: ${elements} elements; ${pauses.length} pauses over 50 ms, the longest ${Math.max(0, ...pauses)} ms`);
  assert.ok(elements < MOST_ELEMENTS, `${what}: ${elements} elements`);
}

/** Scrolls through a virtual list from top to bottom; every stop has rows in sight. */
async function scrollThrough(steps) {
  for (let step = 1; step <= steps; step += 1) {
    await page.$eval(".virtual", (list, part) => (list.scrollTop = part * list.scrollHeight), step / steps);
    await page.waitForFunction(() => {
      const { top, bottom } = document.querySelector(".virtual").getBoundingClientRect();
      return [...document.querySelectorAll(".virtual-row")].some((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom && row.innerText !== "");
    });
  }
}

test("a list of ten thousand executions", async (context) => {
  await viewer.go("/executions");
  await viewer.sees(`${given.executions.toLocaleString("en")} in all`);
  await viewer.sees("no_calls", ".execution-row");
  await tell(context, "the list");
  // Pages come as they are scrolled to.
  await page.waitForFunction(
    (all) => {
      const list = document.querySelector(".virtual");
      list.scrollTop = list.scrollHeight;
      return Number(list.getAttribute("aria-rowcount")) > all;
    },
    { polling: 100 },
    given.executions,
  );
  await tell(context, "the list, all of it");
  await page.$eval(".virtual", (list) => (list.scrollTop = 0));
  await costs(context, "40 stops in the list", MOST.scrolling, () => scrollThrough(40));
  await tell(context, "the list, scrolled through");
  await costs(context, "a search in the list", MOST.searching, async () => {
    await viewer.fill("Search by flow, ID, label, question or failure", "sequence");
    await viewer.sees(`1 execution found in ${given.executions.toLocaleString("en")}`);
  });
  await tell(context, "a search in it");
});

test("an execution of ten thousand calls", async (context) => {
  // By the link of its row, so that the document is the same.
  await costs(context, "10,000 calls, shown first", MOST.showing, async () => {
    await page.focus(".virtual");
    await viewer.press("j", "Enter");
    await viewer.sees("sequence", "h1");
    await viewer.sees("10,000 calls");
    await page.waitForFunction(() => document.querySelector(".call-row .bar"));
  });
  await viewer.arrives(new RegExp(`^/executions/${given.long}`));
  await tell(context, "the time line");
  await costs(context, "40 stops in the time line", MOST.scrolling, () => scrollThrough(40));
  await tell(context, "the time line, scrolled through");
  await page.focus(".virtual");
  await viewer.press("End");
  await viewer.sees("Call 9999", ".inspected");
  await viewer.press("+", "+", "ArrowLeft", "0");
  await costs(context, "a search in the calls", MOST.searching, async () => {
    await viewer.fill("Find a call by name, ID or kind", "#777");
    await page.waitForFunction(() => document.querySelectorAll(".virtual-row").length < 30);
  });
  await tell(context, "a call found in it");
  for (const tab of ["Input and result", "Artifacts 10k", "Details"]) {
    await viewer.click("tab", tab);
    await page.waitForFunction(() => document.querySelector("[role=tabpanel]:not([hidden])")?.childElementCount > 0);
  }
  await tell(context, "its other tabs");
});
