// JSON as people type it: what is wrong is said with line and column, and nothing is read that would change on its way
// (a number that a browser cannot hold exactly, a property that is given twice).

import { put } from "./equal.js";

const DEPTH = 200;

/** What is wrong in a text, and where. Lines and columns begin at 1. */
export class JsonTextError extends Error {
  constructor(reason, text, position) {
    const before = text.slice(0, position);
    const line = before.split("\n").length;
    const column = [...before.slice(before.lastIndexOf("\n") + 1)].length + 1;
    super(`Line ${line}, column ${column}: ${reason}`);
    this.name = "JsonTextError";
    this.reason = reason;
    this.line = line;
    this.column = column;
    this.position = position;
  }
}

/** Reads a JSON text. Throws a `JsonTextError`. */
export function parse(text) {
  const reader = new Reader(text);
  reader.space();
  const value = reader.value(0);
  reader.space();
  if (reader.position < text.length) reader.fail("there is something after the end of the value");
  return value;
}

/** Writes a JSON value as people read it. */
export function print(value) {
  return value === undefined ? "" : JSON.stringify(value, null, 2);
}

class Reader {
  constructor(text) {
    this.text = text;
    this.position = 0;
  }

  fail(reason, position = this.position) {
    throw new JsonTextError(reason, this.text, position);
  }

  space() {
    while (" \t\n\r".includes(this.text[this.position] ?? "x")) this.position += 1;
  }

  peek() {
    return this.text[this.position];
  }

  value(depth) {
    if (depth > DEPTH) this.fail("this is nested too deeply");
    const next = this.peek();
    if (next === undefined) this.fail(this.text.trim() === "" ? "a value is missing" : "the text ends in the middle of a value");
    if (next === "{") return this.object(depth);
    if (next === "[") return this.array(depth);
    if (next === '"') return this.string();
    if (next === "-" || (next >= "0" && next <= "9")) return this.number();
    return this.word();
  }

  word() {
    const [word] = this.text.slice(this.position).match(/^[\p{L}\p{N}_$]+/u) ?? [this.peek()];
    const known = { true: true, false: false, null: null };
    if (Object.hasOwn(known, word)) {
      this.position += word.length;
      return known[word];
    }
    if (word === "'") this.fail("text goes in double quotes, not in single ones");
    if (["True", "False", "None"].includes(word)) this.fail(`${word} is not JSON; true, false and null are written in small letters`);
    if (word.length > 1) this.fail(`${JSON.stringify(word)} is not a value; text goes in double quotes`);
    return this.fail(`${JSON.stringify(word)} cannot be here`);
  }

  number() {
    const start = this.position;
    const [written] = this.text.slice(start).match(/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/) ?? [null];
    if (written === null) this.fail("a digit is missing after the sign");
    if (/^-?0\d/.test(written)) this.fail("a number cannot begin with 0");
    this.position += written.length;
    if (/[\p{L}\p{N}_.]/u.test(this.peek() ?? "")) this.fail("this is no number");
    const value = Number(written);
    if (!Number.isFinite(value)) this.fail("this number is too large", start);
    if (/^-?\d+$/.test(written) && !Number.isSafeInteger(value)) {
      this.fail("a browser cannot hold this number exactly; use the command line", start);
    }
    return value;
  }

  string() {
    const start = this.position;
    this.position += 1;
    for (;;) {
      const next = this.peek();
      if (next === undefined || next === "\n") this.fail("the closing quote is missing", start);
      if (next < " ") this.fail("a control character in text is written as an escape");
      this.position += 1;
      if (next === '"') break;
      if (next === "\\") this.escape();
    }
    return JSON.parse(this.text.slice(start, this.position));
  }

  escape() {
    const next = this.peek();
    if (next === "u") {
      if (!/^u[0-9a-fA-F]{4}/.test(this.text.slice(this.position, this.position + 5))) this.fail("\\u needs four hexadecimal digits");
      this.position += 5;
    } else if (next !== undefined && '"\\/bfnrt'.includes(next)) {
      this.position += 1;
    } else {
      this.fail(`\\${next ?? ""} is not an escape; a backslash is written \\\\`);
    }
  }

  array(depth) {
    const found = [];
    const start = this.position;
    this.position += 1;
    this.space();
    if (this.peek() === "]") {
      this.position += 1;
      return found;
    }
    for (;;) {
      this.space();
      if (this.peek() === "]") this.fail("a comma must not be the last thing in a list");
      found.push(this.value(depth + 1));
      if (this.next("]", "list", start)) return found;
    }
  }

  object(depth) {
    const found = {};
    const start = this.position;
    this.position += 1;
    this.space();
    if (this.peek() === "}") {
      this.position += 1;
      return found;
    }
    for (;;) {
      this.space();
      const place = this.position;
      if (this.peek() === "}") this.fail("a comma must not be the last thing in an object");
      if (this.peek() === undefined) this.fail("the closing } is missing", start);
      if (this.peek() !== '"') this.fail("a property name in double quotes is missing");
      const key = this.string();
      if (Object.hasOwn(found, key)) this.fail(`the property ${JSON.stringify(key)} is given twice`, place);
      this.space();
      if (this.peek() !== ":") this.fail(`a colon is missing after ${JSON.stringify(key)}`);
      this.position += 1;
      this.space();
      put(found, key, this.value(depth + 1));
      if (this.next("}", "object", start)) return found;
    }
  }

  /** Steps over a comma, or over the end; says whether it was the end. */
  next(end, what, start) {
    this.space();
    const next = this.peek();
    if (next === undefined) this.fail(`the closing ${end} of the ${what} is missing`, start);
    this.position += 1;
    if (next === end) return true;
    if (next === ",") return false;
    this.position -= 1;
    return this.fail(`a comma or ${end} is missing`);
  }
}
