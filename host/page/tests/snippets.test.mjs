import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { cli, curl, mcp, word } from "../js/flows/snippets.js";

const start = {
  origin: "http://127.0.0.1:8383",
  flow: "a flow's",
  input: { text: 'it\'s $HOME `id` \\ "q"\n<b>', n: 1 },
  version: null,
  tag: "stable",
  tags: ["x y"],
};

/** The words that a shell makes of a command. */
function shell(command, name) {
  const script = `${name}() { for word in "$@"; do printf '%s\\0' "$word"; done; }\n${command}`;
  return execFileSync("sh", ["-c", script], { env: { HOME: "/nowhere", KITARU_SERVER_ACCESS_TOKEN: "key" } })
    .toString()
    .split("\0")
    .slice(0, -1);
}

test("a shell passes on what is meant", () => {
  const hostile = ["", "a", "it's", "$(id)", "`id`", "a\\", "a\nb", "*", "~", "!!", "-x", "é😀"];
  for (const text of hostile) assert.deepEqual(shell(`show ${word(text)}`, "show"), [text]);
  const words = shell(curl(start), "curl");
  assert.deepEqual(words.slice(0, 4), ["--fail-with-body", "-X", "POST", "http://127.0.0.1:8383/api/v1/flows/a%20flow's/executions"]);
  assert.ok(words.includes("Authorization: Bearer key"));
  assert.deepEqual(JSON.parse(words.at(-1)), { input: start.input, tag: "stable", tags: ["x y"] });
  const command = shell(cli(start).replace("kitaru-host", "kitaru_host"), "kitaru_host");
  assert.deepEqual(command.slice(0, 5), ["invoke", "a flow's", "--tag", "stable", "--input"]);
  assert.deepEqual(JSON.parse(command[5]), start.input);
  assert.deepEqual(command.slice(6), ["--label", "x y"]);
});

test("a version counts before a tag, and an assistant gets the same arguments", () => {
  assert.deepEqual(JSON.parse(mcp({ ...start, version: 3 })), {
    name: "kitaru_deployments_invoke",
    arguments: { flow: "a flow's", version: 3, input: start.input, tags: ["x y"] },
  });
  assert.match(cli({ ...start, version: 3 }), /--version 3 --input/);
});
