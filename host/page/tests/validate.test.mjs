import assert from "node:assert/strict";
import { test } from "node:test";

import { isTame, matches } from "../js/schema/pattern.js";
import { readable } from "../js/schema/pointer.js";
import { validate } from "../js/schema/validate.js";

const problems = (schema, value) => validate(schema, value).map(({ path, message }) => `${readable(path)}: ${message}`);
const right = (schema, ...values) => values.forEach((value) => assert.deepEqual(problems(schema, value), [], JSON.stringify(value)));
const wrong = (schema, ...values) => values.forEach((value) => assert.notDeepEqual(problems(schema, value), [], JSON.stringify(value)));

test("types", () => {
  right({ type: "integer" }, 1, -3, 2.0);
  wrong({ type: "integer" }, 1.5, "1", null, true);
  right({ type: ["string", "null"] }, "a", null);
  assert.deepEqual(problems({ type: ["string", "null"] }, 4), [": Must be text or empty (null)"]);
  right({ type: "number" }, 1, 1.5);
  wrong({ type: "object" }, [], null);
  wrong(false, 1);
  right(true, 1);
});

test("text and numbers", () => {
  right({ minLength: 1, maxLength: 2 }, "a", "😀😀");
  assert.deepEqual(problems({ type: "string", minLength: 1 }, ""), [": Must not be empty"]);
  assert.deepEqual(problems({ maxLength: 1 }, "ab"), [": Must have at most 1 character; this has 2"]);
  right({ pattern: "^v\\d+$" }, "v1");
  wrong({ pattern: "^v\\d+$" }, "x1");
  right({ minimum: 1, exclusiveMaximum: 3, multipleOf: 0.1 }, 1, 2.3);
  wrong({ minimum: 1, exclusiveMaximum: 3, multipleOf: 0.1 }, 0, 3, 1.05);
  right({ type: "integer", format: "uint8" }, 0, 255);
  assert.deepEqual(problems({ type: "integer", format: "uint8" }, 256), [": Must be at most 255"]);
  wrong({ type: "integer", format: "int32" }, 2 ** 31);
});

test("formats", () => {
  right({ format: "date" }, "2024-02-29");
  wrong({ format: "date" }, "2023-02-29", "2024-13-01", "today");
  right({ format: "date-time" }, "2026-03-31T09:30:00Z", "2026-03-31T09:30:00.123+02:00");
  wrong({ format: "date-time" }, "2026-03-31", "2026-03-31T09:30:00");
  right({ format: "uri" }, "https://example.com", "mailto:a@b");
  wrong({ format: "uri" }, "example", "/a");
  right({ format: "nothing known" }, "anything");
});

test("objects and lists", () => {
  const schema = {
    type: "object",
    properties: { name: { type: "string" }, steps: { type: "array", items: { $ref: "#/$defs/step" }, minItems: 1, uniqueItems: true } },
    required: ["name"],
    additionalProperties: false,
    $defs: { step: { type: "object", required: ["do"], properties: { do: { type: "string" }, then: { $ref: "#/$defs/step" } } } },
  };
  right(schema, { name: "a", steps: [{ do: "b", then: { do: "c" } }] });
  assert.deepEqual(problems(schema, { steps: [{ do: "b", then: {} }] }), ["name: Is required", "steps[1].then.do: Is required"]);
  assert.deepEqual(problems(schema, { name: "a", nam: 1 }), ["nam: This property is not known"]);
  assert.deepEqual(problems(schema, { name: "a", steps: [{ do: "b" }, { do: "b" }] }), ["steps: No two items may be the same"]);
  right({ prefixItems: [{ type: "string" }, { type: "number" }], items: false }, ["a", 1]);
  wrong({ prefixItems: [{ type: "string" }, { type: "number" }], items: false }, [1, 1], ["a", 1, 2]);
  right({ additionalProperties: { type: "number" } }, { a: 1 });
  wrong({ additionalProperties: { type: "number" } }, { a: "b" });
  wrong({ required: ["toString"] }, {});
});

test("combinations", () => {
  const shape = {
    oneOf: [
      { properties: { kind: { const: "a" }, size: { type: "number" } }, required: ["kind", "size"] },
      { properties: { kind: { const: "b" } }, required: ["kind"] },
    ],
  };
  right(shape, { kind: "a", size: 1 }, { kind: "b" });
  assert.deepEqual(problems(shape, { kind: "c" }), ['kind: Must be one of "a", "b"']);
  assert.deepEqual(problems(shape, { kind: "a" }), ["size: Is required"]);
  assert.deepEqual(problems(shape, {}), ["kind: Is required"]);
  assert.deepEqual(problems({ anyOf: [{ type: "number" }, { type: "boolean" }] }, "a"), [": Does not fit any of the allowed forms"]);
  wrong(shape, { kind: "a" }, { kind: "c" });
  assert.deepEqual(problems({ oneOf: [{ const: "x" }, { const: "y" }] }, "z"), [': Must be one of "x", "y"']);
  wrong({ oneOf: [{ type: "number" }, { minimum: 1 }] }, 2);
  right({ anyOf: [{ type: "number" }, { minimum: 1 }] }, 2);
  wrong({ not: { type: "string" } }, "a");
  const conditional = { if: { properties: { a: { const: 1 } }, required: ["a"] }, then: { required: ["b"] }, else: { required: ["c"] } };
  right(conditional, { a: 1, b: 1 }, { c: 1 });
  wrong(conditional, { a: 1 }, {});
});

test("a schema that never ends, and one that is broken, do no harm", () => {
  right({ $ref: "#" }, 1);
  right({ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, 1);
  right({ $ref: "https://elsewhere.example/schema" }, 1);
  right({ pattern: "(" }, "a");
  assert.ok(problems({ items: { type: "string" } }, Array(1000).fill(1)).length <= 50);
});

test("a pattern cannot hang the page", () => {
  for (const pattern of ["(a+)+$", "(a|a)*$", "(a*)*", "([a-z]+)*x", "(?:a?){30}b".replace("a?", "a*"), "(.*a){20}", "(a)\\1", ".*.*.*.*x"]) {
    assert.equal(isTame(pattern), false, pattern);
    const begun = Date.now();
    matches(pattern, `${"a".repeat(5000)}!`);
    assert.ok(Date.now() - begun < 500, pattern);
  }
  for (const pattern of ["^[a-z][a-z0-9-]{0,62}$", "^v\\d+\\.\\d+\\.\\d+$", "^(yes|no)$", "^[^@]+@[^@]+$", "^(?:[A-Z]{2})?\\d+$", "\\(\\d{3}\\)"]) {
    assert.equal(isTame(pattern), true, pattern);
  }
});
