// Questions: with the keyboard alone, in forms made from their schemas, and by a link.

import assert from "node:assert/strict";
import { test } from "node:test";

import { announcements } from "./lib/announcements.mjs";
import { browse, given } from "./lib/browser.mjs";

const visitor = await browse();
const operator = await visitor({ role: "operator" });
const { page } = operator;
const announces = await announcements(operator);

test("the inbox is reached by Tab, and lists all questions", async () => {
  await page.reload();
  await operator.sees("Executions", "h1");
  await operator.sees("5", ".places .place-count");
  await operator.tabTo("Skip to content");
  await operator.tabTo("Inbox");
  await operator.press("Enter");
  await operator.sees("5 questions of 5 executions");
  await operator.sees("What is in it?", ".question-text");
});

test("a form of several fields is filled in and sent, and says what is wrong before", async () => {
  await operator.tabTo("Notes");
  await page.keyboard.type("Bug fixes");
  await operator.tabTo("Major version");
  await page.keyboard.type("two");
  await operator.press("Enter");
  await operator.sees("whole number", ".question");
  assert.match(await operator.focused(), /Major version/);
  await operator.press("Control+a");
  await page.keyboard.type("2");
  await operator.press("Control+Enter");
  await operator.sees("4 questions of 4 executions");
  await announces(/4 questions left\.$/);
});

test("a yes or no has a key of its own, and the focus goes on to the next question", async () => {
  await operator.sees("Approve?", ".question-text");
  assert.equal(await operator.focused(), "Approve?");
  await operator.press("a");
  assert.equal(await operator.focused(), "Approve");
  await operator.press("Enter");
  await operator.sees("3 questions of 3 executions");
});

test("one of several words is chosen with the arrow keys", async () => {
  await operator.sees("How urgent?", ".question-text");
  await operator.tabTo("low");
  await operator.press("ArrowDown", "ArrowDown");
  assert.match(await operator.focused(), /high/i);
  await operator.tabTo("Send answer");
  await operator.press("Enter");
  await operator.sees("2 questions of 2 executions");
});

test("a question is aborted, after a second question that Escape leaves", async () => {
  await operator.tabTo("Abort");
  await operator.press("Enter");
  await operator.sees("Abort this question?", "dialog");
  await operator.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  assert.equal(await operator.focused(), "Abort", "the focus is where it was");
  await operator.press("Enter");
  await operator.tabTo("Abort the question");
  await operator.press("Enter");
  await operator.sees("1 question of 1 execution");
});

test("what was answered is what the flows got", async () => {
  const { items } = await operator.api("GET", "/executions");
  const results = {};
  for (const { exec_id: id, flow_name: flow } of items) results[flow] = (await operator.api("GET", `/executions/${id}`)).result;
  assert.equal(results.wait_object, "v2: Bug fixes");
  assert.equal(results.wait_bool, "approved");
  assert.deepEqual(results.wait_choice, { level: "high" });
  assert.equal(results.wait_abort, "aborted: go");
});

test("a link answers its question, once, without a login, and shows nothing else", async () => {
  await operator.click("button", "More about this question");
  await operator.click("menuitem", "Make a link that answers it For mail or chat; it works once, without a login");
  await page.waitForSelector(".secret-text");
  const link = await page.$eval(".secret-text", (node) => node.innerText);
  assert.ok(link.startsWith(`${given.url}/answer/`), link);
  const friend = await visitor({ width: 390, height: 844 });
  await friend.page.goto(link);
  await friend.sees("How many?", "h1");
  assert.equal(await friend.page.$eval(".rail", (rail) => rail.checkVisibility()), false);
  await friend.tabTo("Answer");
  await friend.page.keyboard.type("many");
  await friend.press("Enter");
  await friend.sees("whole number");
  await friend.page.$eval("main input[type=text]", (input) => input.select());
  await friend.page.keyboard.type("7");
  await friend.press("Enter");
  await friend.sees("Thank you");
  await friend.page.reload();
  await friend.sees("This question is closed");
  await operator.press("Escape");
  await operator.sees("Nothing waits for you");
  const { result } = await operator.api("GET", `/executions/${given.linked}`);
  assert.equal(result, 7);
  const stranger = await visitor();
  await stranger.page.goto(`${given.url}/answer/not.a.token`);
  await stranger.sees("This link does not work");
});
