// Starting a flow from its form, and watching it: what happens is seen without a reload.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";

import { announcements } from "./lib/announcements.mjs";
import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const author = await visitor({ role: "author", width: 1440 });
const statusOf = () => author.page.$eval(".execution-head .pill", (pill) => pill.innerText.trim().toLowerCase());

/** Waits until a condition in the page holds. */
const until = (check, ...rest) => author.page.waitForFunction(check, { polling: 50 }, ...rest);

const announces = await announcements(author);

test("a flow is found, its arguments are checked, and it starts", async () => {
  await author.click("link", "Flows");
  await author.sees("3 published flows");
  await author.fill("Search flows", "slow");
  await author.seesNoMore("log_wait", "main");
  await author.click("link", "count_slow");
  await author.click("button", "Start");
  await author.sees("From elsewhere");

  await author.click("button", "Start");
  const form = ".start-form";
  await author.sees("Start", `${form} button`);
  await author.page.click(`${form} button[type=submit]`);
  await author.page.waitForSelector(`${form} [aria-invalid="true"]`);
  assert.equal(await author.page.evaluate(() => document.activeElement.getAttribute("aria-invalid")), "true", "the first that is wrong has the focus");
  await author.fill("Path", given.guest_traces);
  await author.fill("Steps", "three");
  await author.fill("Milliseconds", String(given.held));
  await author.page.click(`${form} button[type=submit]`);
  await author.sees("whole number", form);
  await author.fill("Steps", "3");
  await author.sees('"steps":3', ".start-commands");
  await author.fill("Labels", "watched");
  // From here on nothing is loaded anew.
  await author.page.evaluate(() => (globalThis.sameDocument = true));
  await author.press("Control+Enter");
  await author.arrives(/^\/executions\/[0-9a-f-]{36}/);
});

test("its calls appear as they are made, and its end", async () => {
  await author.sees("count_slow", "h1");
  await until(() => document.querySelectorAll(".virtual-row").length === 1);
  assert.equal(await statusOf(), "running");
  await writeFile(`${given.traces}.1`, "");
  await until(() => document.querySelectorAll(".virtual-row").length === 2);
  await writeFile(`${given.traces}.2`, "");
  await until(() => document.querySelectorAll(".virtual-row").length === 3);
  await writeFile(`${given.traces}.3`, "");
  await until(() => /completed/i.test(document.querySelector(".execution-head .pill").innerText));
  await author.click("tab", "Input and result");
  await author.sees("6", "[role=tabpanel]:not([hidden])");
  assert.equal(await author.page.evaluate(() => globalThis.sameDocument), true);
});

test("the list shows what others do while one looks at it", async () => {
  await author.click("link", "Executions");
  await author.sees("count_slow", ".execution-row");
  await author.sees("watched", ".execution-row");
  const started = await author.api("POST", "/flows/log_wait/executions", { input: {} });
  await author.sees("log_wait", ".execution-row");
  await until((id) => [...document.querySelectorAll(".execution-row")].some((row) => row.innerHTML.includes(id) && /waiting/i.test(row.innerText)), started.exec_id);
  await author.sees("1", ".places .place-count");
  await author.api("POST", `/executions/${started.exec_id}/cancel`, {});
  await until((id) => [...document.querySelectorAll(".execution-row")].some((row) => row.innerHTML.includes(id) && /cancelled/i.test(row.innerText)), started.exec_id);
  assert.equal(await author.page.evaluate(() => globalThis.sameDocument), true);
});

test("lines of the log appear as they are written", async () => {
  const { exec_id: id } = await author.api("POST", "/flows/log_wait/executions", { input: {} });
  await author.go(`/executions/${id}?tab=logs`);
  await author.sees("before", ".log-message");
  assert.doesNotMatch(await author.text(".log-lines"), /after/);
  await author.sees("Waits for you");
  await author.click("button", "Approve");
  await author.sees("after", ".log-message");
  await until(() => /completed/i.test(document.querySelector(".execution-head .pill").innerText));
  await author.fill("Find in the log", "aft");
  await author.seesNoMore("before", ".log-message");
  await author.sees("1 of 3 lines", ".logs-tools");
});

test("the list is narrowed by status, flow and words, and the address says how", async () => {
  await author.go("/executions");
  await author.sees("count_slow", ".execution-row");
  await author.page.click(".chips .chip:nth-child(6)");
  await author.arrives(/status=cancelled/);
  await author.seesNoMore("count_slow", ".execution-row");
  await author.sees("log_wait", ".execution-row");
  await author.page.goBack();
  await author.sees("count_slow", ".execution-row");
  await author.choose("Flow", "count_slow");
  await author.arrives(/flow=count_slow/);
  await author.seesNoMore("log_wait", ".execution-row");
  await author.go("/executions?q=watched");
  await author.sees("1 execution found in 3");
  await author.go("/executions?q=nothing-like-this");
  await author.sees("Nothing fits these filters");
  await author.click("button", "Clear the filters");
  await author.sees("count_slow", ".execution-row");
});

test("a running execution is cancelled", async () => {
  await writeFile(`${given.traces}.1`, "");
  const input = { path: given.guest_traces, steps: 9, milliseconds: given.held };
  const { exec_id: id } = await author.api("POST", "/flows/count_slow/executions", { input });
  await author.go(`/executions/${id}`);
  await author.click("button", "More actions");
  await author.click("menuitem", "Cancel End it where it is");
  await author.sees("Cancel count_slow?", "dialog");
  assert.equal(await author.focused(), "Keep it as it is", "Enter does what is harmless");
  await author.click("button", "Cancel it");
  await until(() => /cancelled/i.test(document.querySelector(".execution-head .pill").innerText));
  await announces(/^The execution is cancelled now$/);
});
