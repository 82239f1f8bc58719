// What the list is narrowed to by label, time and status: it stands in the address, outlives a reload, and is announced.

import assert from "node:assert/strict";
import { test } from "node:test";

import { announcements } from "./lib/announcements.mjs";
import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const viewer = await visitor({ role: "viewer", width: 1440 });
const { page } = viewer;
const announces = await announcements(viewer);

/** Waits until so many are found, as the list itself says. */
const finds = (count) => viewer.sees(`${count.toLocaleString("en")} of these`, ".lede");
const shown = () => page.$$eval(".execution-row:not(.execution-header) .execution-link", (links) => links.map((link) => link.getAttribute("href").split("/").at(-1)));
const valueOf = async (label) => (await viewer.field(label)).evaluate((node) => node.value);

test("a label leaves those that have it, two leave those that have both", async () => {
  await viewer.go("/executions");
  await viewer.sees(`${given.executions} in all`, ".lede");
  await viewer.fill("Label", "red");
  await viewer.press("Enter");
  await viewer.arrives(/[?&]tag=red$/);
  await finds(2);
  await announces(/^2 of these$/);
  assert.deepEqual(await shown(), [given.both, given.red]);
  await viewer.fill("Label", "red, blue");
  await viewer.press("Enter");
  await finds(1);
  assert.deepEqual(await shown(), [given.both]);
  await page.goBack();
  await finds(2);
  assert.equal(await valueOf("Label"), "red", "the field follows, though one is in it");
});

test("words are looked for, and going back takes them out of the field too", async () => {
  await viewer.go("/executions?tag=red");
  await finds(2);
  await viewer.press("/");
  await page.keyboard.type(given.both.slice(-8));
  await viewer.arrives(/q=/);
  await viewer.sees("1 execution found", ".lede");
  assert.deepEqual(await shown(), [given.both]);
  await viewer.press("Escape");
  await finds(2);
  assert.equal(await valueOf("Search by flow, ID, label, question or failure"), "");
  await viewer.go("/executions?tag=blue&q=flow");
  await viewer.choose("Started", "Last hour");
  await viewer.arrives(/since=1h/);
  await page.goBack();
  await viewer.arrives(/^\/executions\?tag=blue&q=flow$/);
  assert.equal(await valueOf("Search by flow, ID, label, question or failure"), "flow");
});

test("what is narrowed is so after a reload, and in a window of its own", async () => {
  await viewer.go("/executions?tag=red");
  await finds(2);
  await page.click(".chips .chip:nth-child(5)");
  await viewer.arrives(/status=completed/);
  await viewer.choose("Started", "Last 24 hours");
  await viewer.arrives(/since=24h/);
  await finds(2);
  const address = viewer.path;
  await page.reload();
  await finds(2);
  assert.deepEqual(await shown(), [given.both, given.red]);
  assert.equal(viewer.path, address);
  assert.deepEqual([await valueOf("Label"), await valueOf("Started")], ["red", "24h"]);
  assert.deepEqual(await page.$$eval('.chip[aria-pressed="true"]', (chips) => chips.map((chip) => chip.innerText.split(/\s/)[0])), ["Completed"]);
  const other = await visitor({ role: "viewer", width: 1440 });
  await other.go(address);
  await other.sees("2 of these", ".lede");
});

test("a time leaves what began since then", async () => {
  await viewer.go("/executions?since=1h");
  await viewer.sees("of these", ".lede");
  // One for each minute before now; which of them is just an hour old depends on when it is asked.
  const recent = Number.parseInt(await viewer.text(".lede"), 10);
  assert.ok(recent >= 50 && recent <= 63, `${recent} in the last hour`);
  await viewer.choose("Started", "Last 7 days");
  await finds(given.executions);
  await viewer.choose("Started", "Any time");
  await viewer.sees(`${given.executions} in all`, ".lede");
  assert.equal(viewer.path, "/executions");
});
