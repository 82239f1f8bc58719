import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser } from "../js/live.js";

/** The events of a stream that comes in these parts. */
function events(...parts) {
  const found = [];
  const parser = new EventParser((event) => found.push(event));
  parts.forEach((part) => parser.push(part));
  return found;
}

test("an event has a name, data and an ID", () => {
  assert.deepEqual(events("id: 7\nevent: log\ndata: {\"a\":1}\n\n"), [{ name: "log", data: '{"a":1}', id: "7" }]);
});

test("it does not matter where the stream is cut", () => {
  const text = "id: 1\nevent: log\ndata: one\ndata: two\n\n: still there\n\nid: 2\r\nevent: end\r\ndata: {}\r\n\r\n";
  const whole = events(text);
  assert.deepEqual(whole.map(({ name, data, id }) => [name, data, id]), [["log", "one\ntwo", "1"], ["end", "{}", "2"]]);
  for (let at = 1; at < text.length; at += 1) assert.deepEqual(events(text.slice(0, at), text.slice(at)), whole, `cut at ${at}`);
  assert.deepEqual(events(...text), whole);
});

test("comments, and fields that nobody knows, are nothing", () => {
  assert.deepEqual(events(": hello\n\nfoo: bar\n\n"), []);
});

test("an event that has not ended is not told", () => {
  assert.deepEqual(events("event: log\ndata: half\n"), []);
});

test("only one space after the colon goes", () => {
  assert.equal(events("data:  two spaces\n\n")[0].data, " two spaces");
  assert.equal(events("data:none\n\n")[0].data, "none");
});

test("the server says how long to wait", () => {
  assert.deepEqual(events("retry: 3000\n\n"), [{ name: "retry", retry: 3000 }]);
  assert.deepEqual(events("retry: soon\n\n"), []);
});
