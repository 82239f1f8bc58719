// A long execution that goes on: each look at it asks for what is new, and costs the page as little after thousands of calls as after a few.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";

import { browse, given } from "./lib/browser.mjs";

const CHANGES = 15;
/** The most that a look may bring: the call that ended, the one that runs, and what else came while it was asked. */
const MOST = { calls: 4, bytes: 24_000 };
/** Seconds of processor time for all of the changes, at least three times what they took where the test was written. */
const WORK = 4;

const visitor = await browse();
const author = await visitor({ role: "author", width: 1440 });
const { page } = author;
const performance = await page.createCDPSession();
await performance.send("Performance.enable", { timeDomain: "threadTicks" });

let path;
const looks = [];
const others = [];
page.on("response", (response) => {
  const { pathname } = new URL(response.url());
  if (!path || !pathname.startsWith(`/api/v1${path}`) || pathname.endsWith("/stream")) return;
  if (!pathname.endsWith("/changes")) others.push(pathname);
  else looks.push(response.buffer().then((body) => ({ bytes: body.length, told: JSON.parse(body) })));
});

async function worked() {
  const { metrics } = await performance.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

const calls = (count) => author.sees(`${count.toLocaleString("en")} calls`);

test("it is shown with all that it has done", async () => {
  const input = { path: given.guest_traces, steps: given.behind + 2 * CHANGES, milliseconds: given.held };
  const { exec_id: id } = await author.api("POST", "/flows/count_slow/executions", { input });
  for (;;) {
    const { items } = await author.api("GET", `/executions/${id}/journal?after=${given.behind - 1}&limit=1`);
    if (items.length > 0) break;
    await new Promise((later) => setTimeout(later, 100));
  }
  path = `/executions/${id}`;
  await author.go(path);
  await calls(given.behind + 1);
  const [{ told }] = await Promise.all(looks);
  assert.deepEqual([told.is_whole, told.journal.length], [true, given.behind + 1]);
});

test("what is fetched and worked after that does not grow with it", async (context) => {
  const first = looks.length;
  const before = await worked();
  for (let step = 1; step <= CHANGES; step += 1) {
    await writeFile(`${given.traces}.${given.behind + step}`, "");
    await calls(given.behind + 1 + step);
  }
  const cost = (await worked()) - before;
  const later = await Promise.all(looks.slice(first));
  const sizes = later.map(({ bytes, told }) => `${told.journal.length} calls in ${bytes} bytes`);
  context.diagnostic(`${later.length} looks at ${CHANGES} changes, ${cost.toFixed(3)} s of processor time: ${[...new Set(sizes)].join(", ")}`);
  assert.ok(later.length >= CHANGES / 2, `${later.length} looks`);
  for (const { bytes, told } of later) {
    assert.equal(told.is_whole, false);
    assert.ok(told.journal.length <= MOST.calls && told.execution.checkpoints.length <= MOST.calls, sizes.join(", "));
    assert.ok(bytes <= MOST.bytes, sizes.join(", "));
  }
  assert.deepEqual(others, [], "nothing else of it is asked for");
  assert.ok(cost > 0 && cost <= WORK, `${cost.toFixed(3)} s of processor time, and ${WORK} s are the most`);
});

test("its end is seen, and what it cut off", async () => {
  await author.api("POST", `${path}/cancel`, {});
  await page.waitForFunction(() => /cancelled/i.test(document.querySelector(".execution-head .pill").innerText), { polling: 50 });
  const last = (await Promise.all(looks)).at(-1).told;
  assert.deepEqual([last.is_whole, last.journal.at(-1).index, last.journal.at(-1).status], [false, given.behind + CHANGES, "cancelled"]);
  await author.fill("Find a call", "cancelled");
  await author.sees(`1 of ${(given.behind + CHANGES + 1).toLocaleString("en")} calls`);
});
