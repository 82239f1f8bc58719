import assert from "node:assert/strict";
import { test } from "node:test";

import { align, delta, percent, verdicts } from "../js/compare/align.js";
import { differences } from "../js/compare/json_diff.js";
import { diff, rows, words } from "../js/compare/text_diff.js";

const calls = (...ids) => ids.map((id) => ({ invocation_id: id, name: id.replace(/_\d+$/, "") }));
const shown = (lists) => align(lists).map((row) => `${row.id} ${row.cells.map((cell) => (cell ? "x" : "-")).join("")}`);

test("calls stand side by side, in an order that all agree with", () => {
  assert.deepEqual(shown([calls("a", "b", "c"), calls("a", "x", "c")]), ["a xx", "x -x", "b x-", "c xx"]);
  assert.deepEqual(shown([calls("a", "c"), calls("a", "b", "c"), calls("z", "a", "c", "d")]), ["z --x", "a xxx", "b -x-", "c xxx", "d --x"]);
  assert.deepEqual(shown([[], calls("a")]), ["a -x"]);
  assert.deepEqual(shown([calls("a", "b"), calls("b", "a", "c")]).sort(), ["a xx", "b xx", "c -x"]);
  assert.deepEqual(shown([calls("a", "a_2"), calls("a")]), ["a xx", "a_2 x-"]);
});

test("each is judged against the first", () => {
  const row = { cells: [{ v: 1 }, { v: 1 }, { v: 2 }, null] };
  assert.deepEqual(
    verdicts(row, (a, b) => a.v === b.v),
    ["match", "changed", "missing"],
  );
  assert.deepEqual(
    verdicts({ cells: [null, { v: 1 }, null] }, () => true),
    ["only here", "absent"],
  );
});

test("deltas are unknown where a number is", () => {
  assert.equal(delta(3, 5), -2);
  assert.equal(delta(null, 5), null);
  assert.equal(percent(150, 100), 50);
  assert.equal(percent(1, 0), null);
});

const rebuilt = (parts, ...kinds) => parts.filter(({ kind }) => kinds.includes(kind)).flatMap(({ items }) => items);

test("a difference of lists rebuilds both, and is the shortest", () => {
  let seed = 7;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  for (let round = 0; round < 400; round += 1) {
    const make = () => Array.from({ length: random(14) }, () => "abc"[random(3)]);
    const [before, after] = [make(), make()];
    const parts = diff(before, after);
    assert.deepEqual(rebuilt(parts, "same", "removed"), before);
    assert.deepEqual(rebuilt(parts, "same", "added"), after);
    assert.equal(rebuilt(parts, "same").length, longestCommon(before, after), `${before} ${after}`);
  }
});

function longestCommon(a, b) {
  const row = Array(b.length + 1).fill(0);
  for (const item of a) {
    let corner = 0;
    b.forEach((other, index) => {
      const above = row[index + 1];
      row[index + 1] = item === other ? corner + 1 : Math.max(above, row[index]);
      corner = above;
    });
  }
  return row[b.length];
}

test("lists that have nothing in common do not take long", () => {
  const begun = Date.now();
  const before = Array.from({ length: 20_000 }, (_, index) => `a${index}`);
  const parts = diff(
    before,
    before.map((line) => `b${line}`),
  );
  assert.deepEqual(
    parts.map(({ kind }) => kind),
    ["removed", "added"],
  );
  assert.ok(Date.now() - begun < 5000);
});

test("a changed line shows its words, and what is far from a change is folded", () => {
  const before = Array.from({ length: 20 }, (_, index) => `line ${index}`);
  const after = [...before];
  after[10] = "line ten";
  const made = rows(before.join("\n"), after.join("\n"));
  assert.deepEqual(
    made.map((row) => row.kind),
    ["folded", "same", "same", "same", "removed", "added", "same", "same", "same", "folded"],
  );
  assert.equal(made[0].count, 7);
  assert.deepEqual(made[5].parts, [
    { kind: "same", text: "line " },
    { kind: "added", text: "ten" },
  ]);
  assert.deepEqual(words("a b", "a c"), [
    { kind: "same", text: "a " },
    { kind: "removed", text: "b" },
    { kind: "added", text: "c" },
  ]);
});

test("values differ place by place", () => {
  const before = { a: 1, b: { c: [1, 2, 3], d: "x" }, gone: null };
  const after = { b: { d: "y", c: [1, 9, 2, 3] }, a: 1, new: true };
  assert.deepEqual(differences(before, after), [
    { path: ["b", "c", "1"], kind: "added", after: 9 },
    { path: ["b", "d"], kind: "changed", before: "x", after: "y" },
    { path: ["gone"], kind: "removed", before: null },
    { path: ["new"], kind: "added", after: true },
  ]);
  assert.deepEqual(differences([1], { 0: 1 }), [{ path: [], kind: "changed", before: [1], after: { 0: 1 } }]);
  assert.deepEqual(differences({ a: [] }, { a: [] }), []);
  assert.equal(differences(Array(1000).fill(0), Array(1000).fill(1)).length, 500);
});
