// Only what can have changed of a journal is asked for again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { firstUnsettled, merged } from "../js/views/execution/journal.js";

const calls = (...statuses) => statuses.map((status, index) => ({ index, status }));

test("what has ended well is settled, and nothing from the first other call on", () => {
  for (const [statuses, first] of [
    [[], 0],
    [["completed"], 1],
    [["running"], 0],
    [["completed", "completed", "running", "completed"], 2],
    [["completed", "failed", "completed"], 1],
    [["completed", "cancelled"], 1],
  ]) {
    assert.equal(firstUnsettled(calls(...statuses)), first, statuses.join());
  }
});

test("a look at the rest takes the place of what was known of it", () => {
  const before = calls("completed", "running", "running");
  const rest = [{ index: 1, status: "completed" }];
  assert.deepEqual(merged(before, 1, rest), calls("completed", "completed"), "a retry may have forgotten calls");
  assert.deepEqual(merged([], 0, before), before);
  assert.deepEqual(merged(before, 3, []), before);
});
