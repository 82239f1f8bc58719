// The time line of executions that did more than one thing after the other: attempts, lanes, folded waiting, and the way to a failure.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const viewer = await visitor({ role: "viewer", width: 1440 });
const { page } = viewer;
const ROWS = ".call-row:not(.call-header)";

/** Waits until there are so many of something. */
const counts = (selector, count) => page.waitForFunction((what, many) => document.querySelectorAll(what).length === many, { polling: 50 }, selector, count);

/** Where the bars of the calls stand in their tracks: shares of its width. */
const bars = () =>
  page.$$eval(`${ROWS} .bar`, (found) =>
    found.map((bar) => {
      const [own, track] = [bar.getBoundingClientRect(), bar.closest(".call-track").getBoundingClientRect()];
      return { from: (own.left - track.left) / track.width, to: (own.right - track.left) / track.width };
    }),
  );

test("a call that was tried twice says so, with the failure of the first attempt", async () => {
  await viewer.go(`/executions/${given.flaky}?call=1`);
  await viewer.sees("×2", `${ROWS} .call-attempts`);
  await viewer.sees("1 more attempt", ".stats");
  await counts(".inspected .attempt", 2);
  const said = await page.$$eval(".attempt", (items) => items.map((item) => [item.querySelector(".status-word").textContent.toLowerCase(), item.querySelector(".attempt-failure")?.textContent ?? null]));
  assert.deepEqual(said, [
    ["failed", "attempt 1 of step 2 fails"],
    ["completed", null],
  ]);
  await page.click(".attempt summary");
  await viewer.sees("attempt 1 of step 2 fails", ".attempt .failure-message");
  await viewer.go(`/executions/${given.flaky}?call=0`);
  await viewer.sees("Input", ".inspected");
  assert.equal(await viewer.count(".attempt"), 0, "a call that worked at once has no attempts to tell of");
});

test("calls beside each other are drawn beside each other, each in a lane", async () => {
  await viewer.go(`/executions/${given.beside}`);
  await counts(`${ROWS} .bar`, 2);
  const [first, second] = await bars();
  const together = Math.min(first.to, second.to) - Math.max(first.from, second.from);
  assert.ok(together > 0.25, `together for ${together} of the time`);
  const canvas = await page.waitForSelector(".overview-canvas");
  assert.match(await canvas.evaluate((node) => node.getAttribute("aria-label")), /^2 calls in 2 lanes/);
  // What is painted in the middle of the first lane, and below it in the second, for so much of the width.
  const painted = await canvas.evaluate((node) => {
    const ratio = node.width / node.clientWidth;
    const lane = (at) => node.getContext("2d").getImageData(0, Math.round((20 + at * 12 + 5) * ratio), node.width, 1).data;
    const [above, below] = [lane(0), lane(1)];
    const columns = Array.from({ length: node.width }, (_, x) => above[x * 4 + 3] > 0 && below[x * 4 + 3] > 0);
    return columns.filter(Boolean).length / node.width;
  });
  assert.ok(painted > 0.25, `two lanes are painted in ${painted} of the width`);
});

test("long waiting is folded, until somebody wants to see how long it was", async () => {
  await viewer.go(`/executions/${given.idle}`);
  await counts(`${ROWS} .bar`, 3);
  const isFolded = () => page.$$eval(".timeline-tools button", (buttons) => buttons.find((button) => button.innerText.includes("Fold waiting")).getAttribute("aria-pressed"));
  const slept = async () => {
    const { from, to } = (await bars())[1];
    return to - from;
  };
  assert.equal(await isFolded(), "true", "most of it was waiting");
  const folded = await slept();
  assert.ok(folded < 0.2, `${folded} of the width`);
  await viewer.click("button", "Fold waiting");
  assert.equal(await isFolded(), "false");
  const whole = await slept();
  assert.ok(whole > 0.4, `${whole} of the width`);
  await viewer.click("button", "Fold waiting");
  assert.equal(await isFolded(), "true");
  assert.equal(await slept(), folded);
});

test("a failure is followed from the parent into its child, to the attempt that was the last", async () => {
  await viewer.go(`/executions/${given.failed}`);
  await viewer.sees("attempt 3 of step 2 fails", ".execution-failure .failure-message");
  await counts(".execution-failure .causes li", 4);
  const causes = (await page.$$eval(".causes li", (items) => items.map((item) => item.innerText))).map((text) => text.replaceAll(/\s+/g, " "));
  assert.match(causes[0], /^(↳ )?call 1, child_breaks$/);
  assert.match(causes[1], /^(↳ )?child child_breaks [0-9a-f]{8}$/);
  assert.match(causes[2], /^(↳ )?call 0, flaky_tick$/);
  assert.match(causes[3], /^(↳ )?attempt 3, the last: error attempt 3 of step 2 fails$/);
  await page.click(".causes li:nth-child(1) button");
  await viewer.sees("It failed", ".inspected");
  await viewer.arrives(/call=1/);
  await page.click(".causes li:nth-child(3) a");
  await viewer.sees("child_breaks", "h1");
  await viewer.arrives(/call=0/);
  await counts(".inspected .attempt", 3);
  await counts(".execution-failure .causes li", 2);
});
