// What a form needs to know of a JSON Schema: which control a value gets, and what is said about it. A schema is looked at one level at a
// time, so that one that contains itself is no problem. What is not understood here becomes the kind `json`, which a JSON editor shows.

import { at, split } from "./pointer.js";
import { record, typeOf } from "./equal.js";

const REFERENCES = 32;

/** Follows `$ref`, and puts the parts of `allOf` together. `null` where that leads nowhere. */
export function resolve(schema, root, steps = 0) {
  if (schema === true || schema === undefined) return {};
  if (schema === null || typeof schema !== "object" || Array.isArray(schema)) return null;
  if (steps > REFERENCES) return null;
  if (typeof schema.$ref === "string") {
    const target = named(schema.$ref, root);
    if (target === undefined) return null;
    const { $ref: _, ...beside } = schema;
    const found = resolve(target, root, steps + 1);
    return found && resolve(merge(found, beside), root, steps + 1);
  }
  if (Array.isArray(schema.allOf)) {
    const { allOf, ...beside } = schema;
    let whole = {};
    for (const part of allOf) {
      const found = resolve(part, root, steps + 1);
      if (found === null) return null;
      whole = merge(whole, found);
    }
    return resolve(merge(whole, beside), root, steps + 1);
  }
  return schema;
}

/** What a `$ref` names in the same document. */
function named(reference, root) {
  if (!reference.startsWith("#")) return undefined;
  let pointer;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    return undefined;
  }
  if (pointer === "" || pointer.startsWith("/")) return at(root, split(pointer));
  return Object.values(root?.$defs ?? {}).find((part) => part?.$anchor === pointer);
}

/** Both schemas at once. What both say, `over` says, but for what adds up. */
function merge(under, over) {
  const whole = { ...under, ...over };
  if (under.properties && over.properties) {
    whole.properties = record(Object.entries(under.properties));
    for (const [key, part] of Object.entries(over.properties)) {
      const both = Object.hasOwn(under.properties, key) ? { allOf: [under.properties[key], part] } : part;
      Object.defineProperty(whole.properties, key, { value: both, enumerable: true, writable: true, configurable: true });
    }
  }
  if (under.required && over.required) whole.required = [...new Set([...under.required, ...over.required])];
  return whole;
}

/**
 * What a form shows for a value of `schema`:
 * `{ kind, nullable, schema, title, description, … }`, where `kind` is one of `boolean`, `enum` (`options: [{value, label, description}]`),
 * `string` (`format`), `number` (`whole`), `object` (`properties: [{key, schema, required}]`, `extra`), `array` (`items`, `prefix`), `choice`
 * (`variants: [{schema, label}]`), `constant` (`value`), `null`, `json`.
 */
export function shape(schema, root = schema) {
  const whole = resolve(schema, root);
  if (whole === null) return said("json", {}, false);
  const { schema: bare, nullable } = withoutNull(whole, root);
  return { ...kindOf(bare, root), nullable };
}

function said(kind, schema, nullable, more = {}) {
  const text = (value) => (typeof value === "string" && value.trim() !== "" ? value : null);
  return {
    kind,
    nullable,
    schema,
    title: text(schema.title),
    description: text(schema.description),
    default: schema.default,
    deprecated: schema.deprecated === true,
    ...more,
  };
}

/** Takes `null` out of what is allowed, where something else is allowed too. */
function withoutNull(schema, root) {
  if (Array.isArray(schema.type) && schema.type.includes("null") && schema.type.length > 1) {
    const left = schema.type.filter((type) => type !== "null");
    const bare = { ...schema, type: left.length === 1 ? left[0] : left };
    if (Array.isArray(schema.enum)) bare.enum = schema.enum.filter((value) => value !== null);
    return { schema: bare, nullable: schema.enum === undefined || schema.enum.includes(null) };
  }
  for (const word of ["anyOf", "oneOf"]) {
    if (!Array.isArray(schema[word])) continue;
    const isNull = (part) => {
      const found = resolve(part, root);
      return found !== null && (found.type === "null" || ("const" in found && found.const === null));
    };
    const left = schema[word].filter((part) => !isNull(part));
    if (left.length === schema[word].length || left.length === 0) continue;
    const { [word]: _, ...beside } = schema;
    const only = left.length === 1 ? resolve(left[0], root) : null;
    const bare = only === null ? { ...beside, [word]: left } : merge(only, beside);
    return { schema: bare, nullable: true };
  }
  if (schema.type === undefined && Array.isArray(schema.enum) && schema.enum.includes(null) && schema.enum.length > 1) {
    return { schema: { ...schema, enum: schema.enum.filter((value) => value !== null) }, nullable: true };
  }
  return { schema, nullable: schema.nullable === true && schema.type !== undefined };
}

function kindOf(schema, root) {
  if ("const" in schema) return said("constant", schema, false, { value: schema.const });
  if (Array.isArray(schema.enum)) {
    if (schema.enum.length === 0) return said("json", schema, false);
    return said("enum", schema, false, { options: schema.enum.map((value) => ({ value, label: optionLabel(value), description: null })) });
  }
  const word = ["oneOf", "anyOf"].find((name) => Array.isArray(schema[name]) && schema[name].length > 0);
  if (word !== undefined) return choice(schema, schema[word], word, root);
  if (Array.isArray(schema.type)) {
    const variants = schema.type.map((type) => ({ schema: { ...schema, type, title: undefined, description: undefined }, label: typeLabel(type) }));
    return said("choice", schema, false, { variants });
  }
  switch (schema.type ?? impliedType(schema)) {
    case "boolean":
      return said("boolean", schema, false);
    case "string":
      return said("string", schema, false, { format: typeof schema.format === "string" ? schema.format : null });
    case "integer":
      return said("number", schema, false, { whole: true });
    case "number":
      return said("number", schema, false, { whole: false });
    case "null":
      return said("null", schema, false);
    case "object":
      return objectOf(schema);
    case "array":
      return arrayOf(schema);
    default:
      return said("json", schema, false);
  }
}

function impliedType(schema) {
  if (schema.properties || schema.required) return "object";
  if (schema.items || schema.prefixItems) return "array";
  if ("minLength" in schema || "maxLength" in schema || "pattern" in schema) return "string";
  if ("minimum" in schema || "maximum" in schema || "multipleOf" in schema) return "number";
  return undefined;
}

function objectOf(schema) {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const properties = Object.entries(schema.properties ?? {}).map(([key, part]) => ({ key, schema: part, required: required.has(key) }));
  for (const key of required) {
    if (!Object.hasOwn(schema.properties ?? {}, key)) properties.push({ key, schema: extraOf(schema) ?? {}, required: true });
  }
  const conditional = "if" in schema || "patternProperties" in schema;
  const extra = properties.length > 0 && !("additionalProperties" in schema) ? null : extraOf(schema);
  if (properties.length === 0 && (conditional || (extra !== null && !("additionalProperties" in schema)))) return said("json", schema, false);
  return said("object", schema, false, { properties, extra });
}

/** The schema of properties that have no schema of their own; `null` where there are none. */
function extraOf(schema) {
  const extra = schema.additionalProperties;
  if (extra === false || schema.unevaluatedProperties === false) return null;
  return extra === undefined || extra === true ? {} : extra;
}

function arrayOf(schema) {
  const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : Array.isArray(schema.items) ? schema.items : [];
  const items = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
  const closed = items === false || (prefix.length > 0 && (items === undefined || schema.maxItems === prefix.length));
  return said("array", schema, false, { prefix, items: closed ? null : (items ?? {}) });
}

function choice(schema, parts, word, root) {
  const { [word]: _, ...beside } = schema;
  const found = parts.map((part) => resolve(part, root));
  if (found.includes(null)) return said("json", schema, false);
  const constants = found.map(constantOf);
  if (constants.every((value) => value !== undefined)) {
    const options = found.flatMap((part, index) =>
      constants[index].map((value) => ({
        value,
        label: constants[index].length === 1 && part.title ? part.title : optionLabel(value),
        description: part.description ?? null,
      })),
    );
    return said("enum", schema, false, { options });
  }
  const { title: _title, description: _description, default: _default, ...common } = beside;
  const variants = found.map((part, index) => ({
    schema: Object.keys(common).length === 0 ? part : merge(common, part),
    label: part.title ?? discriminator(part, found, root) ?? typeLabel(part.type ?? impliedType(part)) ?? `Form ${index + 1}`,
  }));
  return said("choice", schema, false, { variants: distinct(variants) });
}

function constantOf(part) {
  if ("const" in part) return [part.const];
  return Array.isArray(part.enum) && part.enum.length > 0 ? part.enum : undefined;
}

/** What tells a variant from the others: the constant of a property that all have, or its only property. */
function discriminator(part, all, root) {
  for (const [key, property] of Object.entries(part.properties ?? {})) {
    const value = resolve(property, root)?.const;
    if (typeof value === "string" && all.every((other) => other.type !== "object" || Object.hasOwn(other.properties ?? {}, key))) return value;
  }
  const keys = Object.keys(part.properties ?? {});
  return keys.length === 1 ? keys[0] : undefined;
}

/** The same with numbers after labels that several have. */
function distinct(variants) {
  const seen = new Map();
  return variants.map((variant) => {
    const count = (seen.get(variant.label) ?? 0) + 1;
    seen.set(variant.label, count);
    return count === 1 ? variant : { ...variant, label: `${variant.label} ${count}` };
  });
}

function typeLabel(type) {
  const labels = {
    string: "text",
    integer: "whole number",
    number: "number",
    boolean: "yes or no",
    object: "fields",
    array: "list",
    null: "nothing",
  };
  return typeof type === "string" ? (labels[type] ?? type) : undefined;
}

function optionLabel(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Whether a question is approved or declined: its schema allows true and false, and nothing else. */
export function asksForApproval(schema, root = schema) {
  const found = shape(schema, root);
  return found.kind === "boolean" && !found.nullable;
}

/** Which variant of a choice a value fits; the first where none does. */
export function variantOf(value, variants, valid) {
  const fitting = variants.findIndex((variant) => valid(variant.schema, value));
  if (fitting >= 0) return fitting;
  const type = typeOf(value);
  const alike = variants.findIndex(({ schema }) => schema.type === type || (type === "integer" && schema.type === "number"));
  return Math.max(alike, 0);
}

/** What a form begins with where nothing was given: what the schema suggests, and what there is no choice about. `undefined`: nothing. */
export function initial(schema, root = schema, depth = 0) {
  const found = shape(schema, root);
  if (found.default !== undefined) return structuredClone(found.default);
  if (found.kind === "constant") return found.value;
  if (found.kind === "null") return null;
  if (depth > 8) return undefined;
  if (found.kind === "object") {
    const entries = [];
    for (const property of found.properties) {
      const value = suggested(property, root, depth);
      if (value !== undefined) entries.push([property.key, value]);
    }
    return entries.length > 0 || depth === 0 ? record(entries) : undefined;
  }
  return undefined;
}

/** What a property begins with. One that may be left out is, unless the schema suggests a value for it itself. */
function suggested(property, root, depth) {
  if (property.required) return initial(property.schema, root, depth + 1);
  return structuredClone(shape(property.schema, root).default ?? undefined);
}
