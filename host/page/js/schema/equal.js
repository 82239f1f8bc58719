// Equality of JSON values.

/** The type of a JSON value, as JSON Schema names types; whole numbers are `integer`. */
export function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** Whether two JSON values are the same; the order of properties does not matter. */
export function equal(a, b) {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

/** An object without a prototype's surprises: a property called `__proto__` is a property like any other. */
export function record(entries = []) {
  const made = {};
  for (const [key, value] of entries) put(made, key, value);
  return made;
}

/** Sets a property, whatever its name is. */
export function put(object, key, value) {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}
