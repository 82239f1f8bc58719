// Checks a value against a JSON Schema (draft 2020-12), so that people are told at once what the server would refuse. The server has the last
// word: what is not understood here passes.

import { at, split } from "./pointer.js";
import { equal, typeOf } from "./equal.js";
import { formatProblem } from "./formats.js";
import { matches } from "./pattern.js";
import { resolve } from "./shape.js";

const DEPTH = 100;
const PROBLEMS = 50;

/** What is wrong with a value: `[{ path: ['steps', 0, 'name'], message }]`, at most fifty; empty where it is right. */
export function validate(schema, value, root = schema) {
  const problems = [];
  check({ root, problems }, schema, value, [], 0);
  return problems;
}

/** Whether a value is right. */
export function valid(schema, value, root = schema) {
  return validate(schema, value, root).length === 0;
}

function passes(context, schema, value, path, depth) {
  const problems = [];
  check({ root: context.root, problems }, schema, value, path, depth);
  return problems.length === 0;
}

function report(context, path, message) {
  if (context.problems.length < PROBLEMS) context.problems.push({ path, message });
}

function check(context, schema, value, path, depth) {
  if (schema === true || depth > DEPTH) return;
  if (schema === false) return report(context, path, "Nothing may be here");
  if (schema === null || typeof schema !== "object") return;
  if (typeof schema.$ref === "string") follow(context, schema.$ref, value, path, depth);
  const before = context.problems.length;
  general(context, schema, value, path);
  if (context.problems.length > before) return;
  if (typeof value === "string") text(context, schema, value, path);
  if (typeof value === "number") number(context, schema, value, path);
  if (Array.isArray(value)) list(context, schema, value, path, depth);
  else if (value !== null && typeof value === "object") object(context, schema, value, path, depth);
  combined(context, schema, value, path, depth);
}

function follow(context, reference, value, path, depth) {
  if (!reference.startsWith("#")) return;
  let pointer;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    return;
  }
  const target =
    pointer === "" || pointer.startsWith("/")
      ? at(context.root, split(pointer))
      : Object.values(context.root?.$defs ?? {}).find((part) => part?.$anchor === pointer);
  if (target !== undefined) check(context, target, value, path, depth + 1);
}

const NAMES = {
  null: "empty (null)",
  boolean: "yes or no",
  integer: "a whole number",
  number: "a number",
  string: "text",
  array: "a list",
  object: "an object",
};

function general(context, schema, value, path) {
  if (schema.type !== undefined) {
    const types = [schema.type].flat();
    const type = typeOf(value);
    if (!types.includes(type) && !(type === "integer" && types.includes("number"))) {
      return report(context, path, `Must be ${types.map((name) => NAMES[name] ?? name).join(" or ")}`);
    }
  }
  if ("const" in schema && !equal(schema.const, value)) return report(context, path, `Must be ${JSON.stringify(schema.const)}`);
  if (Array.isArray(schema.enum) && !schema.enum.some((option) => equal(option, value))) {
    report(context, path, oneOf(schema.enum));
  }
}

function text(context, schema, value, path) {
  const length = [...value].length;
  if (length < schema.minLength) {
    report(context, path, length === 0 ? "Must not be empty" : `Must have at least ${counted(schema.minLength, "character")}`);
  }
  if (length > schema.maxLength) report(context, path, `Must have at most ${counted(schema.maxLength, "character")}; this has ${length}`);
  if (typeof schema.pattern === "string" && !matches(schema.pattern, value)) report(context, path, `Must match the pattern ${schema.pattern}`);
  const problem = formatProblem(schema.format, value);
  if (problem !== null) report(context, path, problem);
}

function number(context, schema, value, path) {
  const [least, most] = range(schema.format);
  if (value < (schema.minimum ?? least)) report(context, path, `Must be at least ${schema.minimum ?? least}`);
  if (value > (schema.maximum ?? most)) report(context, path, `Must be at most ${schema.maximum ?? most}`);
  if (value <= schema.exclusiveMinimum) report(context, path, `Must be more than ${schema.exclusiveMinimum}`);
  if (value >= schema.exclusiveMaximum) report(context, path, `Must be less than ${schema.exclusiveMaximum}`);
  if (schema.multipleOf > 0) {
    const parts = value / schema.multipleOf;
    if (Math.abs(parts - Math.round(parts)) > 1e-9 * Math.max(1, Math.abs(parts)))
      report(context, path, `Must be a multiple of ${schema.multipleOf}`);
  }
}

/** The limits of a whole number of a format such as `uint8`. */
export function range(format) {
  const [, unsigned, bits] = /^(u?)int(8|16|32|64)?$/.exec(format ?? "") ?? [];
  if (unsigned === undefined || (bits === undefined && unsigned === "")) return [-Infinity, Infinity];
  if (bits === undefined || bits === "64") return [unsigned ? 0 : -Infinity, Infinity];
  return unsigned ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

function list(context, schema, value, path, depth) {
  if (value.length < schema.minItems) report(context, path, `Must have at least ${counted(schema.minItems, "item")}`);
  if (value.length > schema.maxItems) report(context, path, `Must have at most ${counted(schema.maxItems, "item")}`);
  if (schema.uniqueItems === true && value.some((item, index) => value.slice(0, index).some((other) => equal(item, other)))) {
    report(context, path, "No two items may be the same");
  }
  const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : Array.isArray(schema.items) ? schema.items : [];
  const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
  value.forEach((item, index) => {
    const part = index < prefix.length ? prefix[index] : rest;
    if (part !== undefined) check(context, part, item, [...path, index], depth + 1);
  });
  if (schema.contains !== undefined) {
    const count = value.filter((item, index) => passes(context, schema.contains, item, [...path, index], depth + 1)).length;
    if (count < (schema.minContains ?? 1)) report(context, path, "An item that must be there is missing");
    if (count > schema.maxContains) report(context, path, "There are too many items of one kind");
  }
}

function object(context, schema, value, path, depth) {
  const keys = Object.keys(value);
  for (const key of Array.isArray(schema.required) ? schema.required : []) {
    if (!Object.hasOwn(value, key)) report(context, [...path, key], "Is required");
  }
  if (keys.length < schema.minProperties) report(context, path, `Must have at least ${counted(schema.minProperties, "property", "properties")}`);
  if (keys.length > schema.maxProperties) report(context, path, `Must have at most ${counted(schema.maxProperties, "property", "properties")}`);
  for (const [key, others] of Object.entries(schema.dependentRequired ?? {})) {
    if (!Object.hasOwn(value, key)) continue;
    for (const other of others) if (!Object.hasOwn(value, other)) report(context, [...path, other], `Is required together with ${key}`);
  }
  for (const key of keys) {
    const place = [...path, key];
    if (schema.propertyNames !== undefined && !passes(context, schema.propertyNames, key, place, depth + 1)) {
      report(context, place, "This name is not allowed");
    }
    let known = false;
    if (Object.hasOwn(schema.properties ?? {}, key)) {
      known = true;
      check(context, schema.properties[key], value[key], place, depth + 1);
    }
    for (const [pattern, part] of Object.entries(schema.patternProperties ?? {})) {
      if (!matches(pattern, key)) continue;
      known = true;
      check(context, part, value[key], place, depth + 1);
    }
    if (known || schema.additionalProperties === undefined) continue;
    if (schema.additionalProperties === false) report(context, place, "This property is not known");
    else check(context, schema.additionalProperties, value[key], place, depth + 1);
  }
}

function combined(context, schema, value, path, depth) {
  for (const part of schema.allOf ?? []) check(context, part, value, path, depth + 1);
  if (Array.isArray(schema.anyOf) && !schema.anyOf.some((part) => passes(context, part, value, path, depth + 1))) {
    nearest(context, schema.anyOf, value, path, depth);
  }
  if (Array.isArray(schema.oneOf)) {
    const count = schema.oneOf.filter((part) => passes(context, part, value, path, depth + 1)).length;
    if (count === 0) nearest(context, schema.oneOf, value, path, depth);
    if (count > 1) report(context, path, "More than one of the allowed forms fits");
  }
  if (schema.not !== undefined && passes(context, schema.not, value, path, depth + 1)) report(context, path, "This is excluded");
  if (schema.if !== undefined) {
    const branch = passes(context, schema.if, value, path, depth + 1) ? schema.then : schema.else;
    if (branch !== undefined) check(context, branch, value, path, depth + 1);
  }
}

/**
 * Says what is wrong by the part that is meant: the one whose distinguishing constant the value has, else the one whose problems lie deepest, and
 * of those the one with fewest.
 */
function nearest(context, parts, value, path, depth) {
  const found = parts.map((part) => resolve(part, context.root) ?? {});
  const constants = found.map((part) => ("const" in part ? [part.const] : part.enum));
  if (constants.every(Array.isArray)) return report(context, path, oneOf(constants.flat()));
  const key = distinguishing(found, context.root, value);
  let meant = parts;
  if (key !== undefined) {
    const kinds = found.map((part) => resolve(part.properties[key], context.root).const);
    meant = parts.filter((_, index) => equal(kinds[index], value[key]));
    if (meant.length === 0) return report(context, [...path, key], Object.hasOwn(value, key) ? oneOf(kinds) : "Is required");
  }
  let best = null;
  for (const part of meant) {
    const problems = [];
    check({ root: context.root, problems }, part, value, path, depth + 1);
    const deep = Math.min(...problems.map((problem) => problem.path.length));
    if (best === null || deep > best.deep || (deep === best.deep && problems.length < best.problems.length)) best = { problems, deep };
  }
  if (best.deep <= path.length && meant.length > 1) return report(context, path, "Does not fit any of the allowed forms");
  for (const problem of best.problems) report(context, problem.path, problem.message);
}

/** The property that has a constant in each of the parts, and tells them apart. */
function distinguishing(parts, root, value) {
  if (value === null || typeof value !== "object") return undefined;
  const constant = (part, key) => resolve(part.properties?.[key] ?? {}, root)?.const;
  return Object.keys(parts[0].properties ?? {}).find((key) =>
    parts.every((part) => Object.hasOwn(part.properties ?? {}, key) && constant(part, key) !== undefined),
  );
}

function oneOf(options) {
  return options.length > 12 ? "Must be one of the options" : `Must be one of ${options.map((option) => JSON.stringify(option)).join(", ")}`;
}

function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
