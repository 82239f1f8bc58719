import assert from "node:assert/strict";
import { test } from "node:test";

import { lanes, prepare } from "../js/timeline/calls.js";
import { isMostlyIdle, marks, scale, spans } from "../js/timeline/scale.js";

const HOUR = 3_600_000;
const near = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);
const call = (start, end, more = {}) => ({ start, end, ...more });

test("a line without folds is even", () => {
  const line = scale(spans(0, 1000, [[0, 1000]], { fold: false }));
  near(line.at(250), 0.25);
  near(line.time(0.75), 750);
});

test("what is long and computes nothing is folded, what is short is not", () => {
  const busy = [
    [0, 1000],
    [1500, 2500],
    [HOUR, HOUR + 2000],
  ];
  const found = spans(0, HOUR + 2000, busy, { fold: true });
  assert.deepEqual(found.map(({ folded }) => folded), [false, true, false]);
  assert.deepEqual([found[1].from, found[1].to], [2500, HOUR]);
  assert.ok(isMostlyIdle(0, HOUR + 2000, busy));
  assert.ok(!isMostlyIdle(0, 2500, busy.slice(0, 2)));
});

test("spans have no gaps, and calls that overlap count once", () => {
  const found = spans(0, 10 * HOUR, [[0, HOUR], [HOUR / 2, 2 * HOUR], [8 * HOUR, 9 * HOUR]], { fold: true });
  assert.equal(found[0].from, 0);
  assert.equal(found.at(-1).to, 10 * HOUR);
  for (let at = 1; at < found.length; at += 1) assert.equal(found[at].from, found[at - 1].to);
});

test("places grow with time, and lead back to it", () => {
  const line = scale(spans(0, HOUR, [[0, 1000], [HOUR - 1000, HOUR]], { fold: true }));
  let last = -1;
  for (let time = 0; time <= HOUR; time += HOUR / 200) {
    const place = line.at(time);
    assert.ok(place >= last && place <= 1);
    assert.ok(Math.abs(line.time(place) - time) < 1, `${time}`);
    last = place;
  }
  near(line.at(0), 0);
  near(line.at(HOUR), 1);
});

test("an execution that has only begun, and one that did nothing but wait, have a line", () => {
  near(scale(spans(5, 5, [], { fold: true })).at(5), 0);
  const waited = scale(spans(0, HOUR, [], { fold: true }));
  assert.ok(Number.isFinite(waited.at(HOUR / 2)));
});

test("marks stand in whole steps, within the window, and no closer than asked", () => {
  const line = scale(spans(0, 10_000, [[0, 10_000]], { fold: false }));
  const found = marks(line, [0.2, 0.7], 6);
  assert.ok(found.length > 1 && found.length <= 7);
  for (const { place, offset } of found) {
    assert.ok(place >= 0 && place <= 1);
    assert.equal(offset % 1000, 0);
  }
});

test("calls that run side by side get lanes of their own, and lanes are used again", () => {
  const { lane, count } = lanes([call(0, 10), call(1, 5), call(2, 4), call(6, 9), call(10, 12)]);
  assert.equal(count, 3);
  assert.deepEqual([...lane], [0, 1, 2, 1, 0]);
});

test("ten thousand calls at once are laid out in time", () => {
  const many = Array.from({ length: 10_000 }, (_, at) => call(at, at + 40));
  const began = performance.now();
  assert.equal(lanes(many).count, 40);
  assert.ok(performance.now() - began < 2000);
});

test("a call that has not ended lasts until now, and is known as what it is", () => {
  const record = (more) => ({ index: 0, kind: "checkpoint", started_at: "2026-01-01T00:00:00Z", ended_at: null, ...more });
  const now = Date.parse("2026-01-01T00:01:00Z");
  const [open] = prepare([record({})], [], now);
  assert.deepEqual([open.end - open.start, open.open, open.look], [60_000, true, "step"]);
  const looks = (more, checkpoints = []) => prepare([record(more)], checkpoints, now)[0].look;
  assert.equal(looks({ kind: "wait" }), "wait");
  assert.equal(looks({ kind: "flow" }), "flow");
  assert.equal(looks({ kind: "llm_call" }), "model");
  assert.equal(looks({}, [{ call_index: 0, total_tokens: 12 }]), "model");
});
