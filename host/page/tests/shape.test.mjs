import assert from "node:assert/strict";
import { test } from "node:test";

import { asksForApproval, initial, shape, variantOf } from "../js/schema/shape.js";
import { valid } from "../js/schema/validate.js";

const kind = (schema) => shape(schema).kind + (shape(schema).nullable ? "?" : "");

test("each schema has its control", () => {
  const expected = [
    [{ type: "boolean" }, "boolean"],
    [{ type: ["boolean", "null"] }, "boolean?"],
    [{ type: "string", format: "date" }, "string"],
    [{ type: "integer", format: "uint32", minimum: 0 }, "number"],
    [{ enum: ["a", "b"] }, "enum"],
    [{ enum: ["a", null] }, "enum?"],
    [{ type: ["string", "null"], enum: ["a", "b"] }, "enum"],
    [
      {
        oneOf: [
          { const: "a", description: "An a" },
          { const: "b", title: "B" },
        ],
      },
      "enum",
    ],
    [{ oneOf: [{ enum: ["a", "b"], type: "string" }, { const: "c" }] }, "enum"],
    [{ anyOf: [{ $ref: "#/$defs/x" }, { type: "null" }], $defs: { x: { type: "number" } } }, "number?"],
    [{ oneOf: [{ type: "object", properties: { a: {} } }, { type: "string" }] }, "choice"],
    [{ type: ["string", "number"] }, "choice"],
    [{ type: "object", properties: { a: {} } }, "object"],
    [{ properties: { a: {} } }, "object"],
    [{ type: "object", additionalProperties: { type: "string" } }, "object"],
    [{ type: "object" }, "json"],
    [{ type: "array", items: { type: "string" } }, "array"],
    [{ prefixItems: [{}, {}] }, "array"],
    [{ const: 4 }, "constant"],
    [{ type: "null" }, "null"],
    [{}, "json"],
    [true, "json"],
    [false, "json"],
    [{ $ref: "#/nowhere" }, "json"],
    [{ $ref: "#" }, "json"],
    [{ $ref: "https://elsewhere.example" }, "json"],
    [{ enum: [] }, "json"],
    [{ allOf: [{ $ref: "#/$defs/x" }], description: "d", $defs: { x: { type: "string" } } }, "string"],
    ["nonsense", "json"],
    [null, "json"],
  ];
  for (const [schema, wanted] of expected) assert.equal(kind(schema), wanted, JSON.stringify(schema));
});

test("an approval is a plain boolean", () => {
  assert.equal(asksForApproval({ type: "boolean", description: "Sure?" }), true);
  assert.equal(asksForApproval({ $ref: "#/$defs/b", $defs: { b: { type: "boolean" } } }), true);
  assert.equal(asksForApproval({ type: ["boolean", "null"] }), false);
  assert.equal(asksForApproval({ type: "object", properties: { ok: { type: "boolean" } } }), false);
  assert.equal(asksForApproval({ const: true }), false);
});

test("parts of allOf and beside $ref add up", () => {
  const schema = {
    allOf: [{ $ref: "#/$defs/base" }, { properties: { b: { type: "number" } }, required: ["b"] }],
    $defs: { base: { type: "object", description: "base", properties: { a: { type: "string" } }, required: ["a"] } },
  };
  const found = shape(schema);
  assert.deepEqual(
    found.properties.map(({ key, required }) => [key, required]),
    [
      ["a", true],
      ["b", true],
    ],
  );
  assert.equal(shape({ $ref: "#/$defs/base", description: "mine", $defs: schema.$defs }).description, "mine");
});

test("variants are named by what tells them apart", () => {
  const labels = (schema) => shape(schema).variants.map((variant) => variant.label);
  const tagged = (type) => ({ type: "object", properties: { type: { const: type }, a: {} }, required: ["type"] });
  assert.deepEqual(labels({ oneOf: [tagged("circle"), tagged("square")] }), ["circle", "square"]);
  assert.deepEqual(labels({ oneOf: [{ type: "object", properties: { Ship: {} } }, { const: "Wait" }, { type: "string", title: "Named" }] }), [
    "Ship",
    "Form 2",
    "Named",
  ]);
  assert.deepEqual(labels({ anyOf: [{ type: "string" }, { type: "string", minLength: 3 }] }), ["text", "text 2"]);
  const { variants } = shape({ oneOf: [tagged("circle"), tagged("square")] });
  assert.equal(variantOf({ type: "square" }, variants, valid), 1);
  assert.equal(variantOf(undefined, variants, valid), 0);
});

test("a form begins with what the schema says, and never without end", () => {
  const schema = {
    type: "object",
    properties: {
      a: { type: "string", default: "x" },
      b: { type: "number" },
      c: { const: "fixed" },
      d: { type: "object", properties: { e: { type: "boolean", default: false } } },
      next: { $ref: "#" },
    },
    required: ["c", "d", "next"],
  };
  const value = initial(schema);
  assert.equal(value.a, "x");
  assert.equal(value.c, "fixed");
  assert.deepEqual(value.d, { e: false });
  assert.equal("b" in value, false);
  assert.equal("d" in initial({ ...schema, required: ["c"] }), false, "what may be left out is left out");
  assert.equal(initial({ type: "string" }), undefined);
  assert.equal(initial({ type: "null" }), null);
});

test("a property may be called anything", () => {
  const schema = JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"string","default":"d"},"toString":{"type":"string"}},"required":["__proto__"]}',
  );
  assert.deepEqual(
    shape(schema).properties.map(({ key }) => key),
    ["__proto__", "toString"],
  );
  assert.equal(JSON.stringify(initial(schema)), '{"__proto__":"d"}');
});
