import assert from "node:assert/strict";
import { test } from "node:test";

import { JsonTextError, parse, print } from "../js/schema/json_text.js";

const wrong = (text) => {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof JsonTextError, String(error));
    return [error.line, error.column, error.reason];
  }
  return assert.fail(`${JSON.stringify(text)} was read`);
};

test("reads what JSON.parse reads", () => {
  const texts = [
    "null",
    " true ",
    "0",
    "-0",
    "-12.5e-3",
    "1E6",
    '""',
    '"a\\u00e9\\n\\"\\\\\\/"',
    '"😀"',
    "[]",
    "[ ]",
    "{ }",
    '[1,[2,{"a":[]}],null]',
    '{"a":{"b":"c"},"":0,"\\u0061b":1}',
    "9007199254740991",
    "123456789012345678901234567890.5e-20",
  ];
  for (const text of texts) assert.deepEqual(parse(text), JSON.parse(text), text);
});

test("refuses what JSON.parse refuses", () => {
  const texts = [
    "",
    " ",
    "{",
    "[",
    "[1",
    "[1,",
    "[1,]",
    '{"a"}',
    '{"a":1,}',
    "{a:1}",
    "'a'",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "1e",
    "nul",
    "NaN",
    "Infinity",
    '"a',
    '"\t"',
    '"\\x"',
    '"\\u12g4"',
    "1 2",
    "[1 2]",
    '{"a":1 "b":2}',
    '"a\nb"',
    "\u00a01",
    "[1}",
    '{"a":1]',
    "tru",
    "1a",
    "--1",
    "//c",
    '{"a":}',
  ];
  for (const text of texts) {
    assert.throws(() => JSON.parse(text), text);
    wrong(text);
  }
});

test("says where and what", () => {
  assert.deepEqual(wrong('{\n  "a": 1,\n  b: 2\n}'), [3, 3, "a property name in double quotes is missing"]);
  assert.deepEqual(wrong('["é😀", tru]'), [1, 8, '"tru" is not a value; text goes in double quotes']);
  assert.deepEqual(wrong("[1, 2,\n]"), [2, 1, "a comma must not be the last thing in a list"]);
  assert.deepEqual(wrong(""), [1, 1, "a value is missing"]);
  assert.deepEqual(wrong('{"a": [1, 2}'), [1, 12, "a comma or ] is missing"]);
  assert.deepEqual(wrong("True"), [1, 1, "True is not JSON; true, false and null are written in small letters"]);
});

test("refuses what would change on its way", () => {
  assert.equal(wrong("[9007199254740993]")[1], 2);
  assert.equal(wrong("1e999")[2], "this number is too large");
  assert.deepEqual(wrong('{"a":1,\n"a":2}'), [2, 1, 'the property "a" is given twice']);
});

test("is not led astray by names of prototypes or by depth", () => {
  const value = parse('{"__proto__":{"polluted":true},"constructor":1}');
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(JSON.stringify(value), '{"__proto__":{"polluted":true},"constructor":1}');
  assert.equal(wrong("[".repeat(100_000))[2], "this is nested too deeply");
});

test("what is printed is read again", () => {
  const value = { a: [1, { b: null }], c: 'd\n"e"', "f/g": true };
  assert.deepEqual(parse(print(value)), value);
  assert.equal(print(undefined), "");
});
