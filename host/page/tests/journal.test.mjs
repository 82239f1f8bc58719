// Only what changed of an execution is asked for again, and put in its place.

import assert from "node:assert/strict";
import { test } from "node:test";

import { merged } from "../js/views/execution/journal.js";

const call = (index, status = "completed") => ({ index, status });
const checkpoint = (index, status = "completed") => ({ call_index: index, status, artifacts: [`artifact of ${index}, ${status}`] });
const wait = (index, status = "pending") => ({ wait_id: `01a1:${index}`, status });

function look({ cursor = "1-a", isWhole = false, calls, journal, checkpoints = [], waits = [], input = null, status = "running", count = Infinity }) {
  const artifacts = checkpoints.flatMap((one) => one.artifacts);
  return { cursor, is_whole: isWhole, journal, execution: { status, input, checkpoints, waits, artifacts, artifact_count: count, resources: { calls } } };
}

const first = look({ isWhole: true, calls: 3, input: { a: 1 }, journal: [call(0), call(1, "running"), call(2)], checkpoints: [checkpoint(0), checkpoint(2)], waits: [wait(1)] });
const nothing = { cursor: null, execution: null, journal: [] };

test("the first look is all there is", () => {
  const known = merged(nothing, first);
  assert.deepEqual(known, { cursor: "1-a", execution: first.execution, journal: first.journal });
  assert.deepEqual(merged(known, { ...first, cursor: "9-b" }).cursor, "9-b", "everything anew: the journal is another one");
});

test("what changed takes the place of what was known of the same calls", () => {
  const next = look({ cursor: "2-b", calls: 4, journal: [call(1), call(3, "running")], checkpoints: [checkpoint(3, "running")], waits: [wait(1, "answered")], status: "waiting" });
  const known = merged(merged(nothing, first), next);
  assert.deepEqual(known.journal, [call(0), call(1), call(2), call(3, "running")]);
  assert.deepEqual(known.execution.checkpoints, [checkpoint(0), checkpoint(2), checkpoint(3, "running")]);
  assert.deepEqual(known.execution.waits, [wait(1, "answered")]);
  assert.deepEqual(known.execution.artifacts, ["artifact of 0, completed", "artifact of 2, completed", "artifact of 3, running"]);
  assert.deepEqual([known.cursor, known.execution.status, known.execution.input], ["2-b", "waiting", { a: 1 }], "the input stays");
});

test("a look at nothing new changes nothing", () => {
  const known = merged(nothing, first);
  const again = merged(known, look({ calls: 3, journal: [] }));
  assert.deepEqual([again.journal, again.execution.checkpoints, again.execution.waits], [known.journal, known.execution.checkpoints, known.execution.waits]);
});

test("where there are fewer artifacts than are known, everything is asked for", () => {
  const known = merged(nothing, first);
  const less = merged(known, look({ cursor: "2-b", calls: 3, journal: [], count: 1 }));
  assert.deepEqual(less, { ...known, cursor: null }, "what is known stays until then");
  assert.equal(merged(known, look({ cursor: "2-b", calls: 3, journal: [], count: 2 })).cursor, "2-b");
});

test("calls that a retry forgot are gone, whatever stands in their place", () => {
  const known = merged(nothing, first);
  assert.deepEqual(merged(known, look({ calls: 1, journal: [] })).journal, [call(0)]);
  const other = merged(known, look({ calls: 2, journal: [call(0, "running"), call(1)], checkpoints: [checkpoint(1)] }));
  assert.deepEqual([other.journal, other.execution.checkpoints, other.execution.waits], [[call(0, "running"), call(1)], [checkpoint(1)], []]);
});

test("calls that come in any order stand by their index", () => {
  const known = merged(merged(nothing, look({ isWhole: true, calls: 0, journal: [] })), look({ calls: 2, journal: [call(0), call(1)], checkpoints: [checkpoint(0), checkpoint(1)] }));
  const later = merged(known, look({ calls: 2, journal: [call(0, "failed")], checkpoints: [checkpoint(0, "failed")] }));
  assert.deepEqual(later.execution.checkpoints, [checkpoint(0, "failed"), checkpoint(1)]);
});
