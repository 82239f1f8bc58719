import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf, told } from "../js/models/pieces.js";

const piece = (piece, text, more = {}) => ({ call_id: "e:3", attempt: 1, ordinal: 0, piece, pieces: 1, text, ...more });
const after = (...events) => events.reduce(told, null);

test("pieces in order make one text", () => {
  assert.deepEqual(after(piece(0, "The "), piece(1, "moon"), piece(2, " pulls", { pieces: 3 })), { text: "The moon pulls", next: 5, withheld: false });
});

test("what came already is not shown twice, and a beginning begins anew", () => {
  assert.equal(after(piece(0, "a"), piece(1, "b"), piece(1, "b")).text, "ab");
  assert.equal(after(piece(0, "a"), piece(1, "b"), piece(0, "x")).text, "x");
});

test("where pieces are missing, a gap says so", () => {
  assert.equal(after(piece(0, "a"), piece(4, "e"), piece(5, "f")).text, "a … ef");
  assert.equal(after(piece(7, "h")).text, " … h");
});

test("an answer that must not be shown has no text, and one that is on record is over", () => {
  assert.deepEqual(after(piece(0, "secret"), { withheld: true, piece: 1 }), { text: "", next: 2, withheld: true });
  assert.equal(after(piece(0, "a"), { ended: true, piece: 1 }), null);
});

test("another attempt and another question are other answers", () => {
  const keys = [{ call_id: "e:3", attempt: 1, ordinal: 0 }, { call_id: "e:3", attempt: 2, ordinal: 0 }, { call_id: "e:3", attempt: 1, ordinal: 1 }, { call_id: "e:4", attempt: 1, ordinal: 0 }].map(keyOf);
  assert.equal(new Set(keys).size, 4);
});
