import assert from "node:assert/strict";
import { test } from "node:test";

import { chainOf } from "../js/timeline/chain.js";

const failure = (message, call_index = null, details = null) => ({ message, exception_type: "error", call_index, details });
const execution = (exec_id, failed, checkpoints = []) => ({ exec_id, flow_name: `flow_${exec_id}`, failure: failed, checkpoints });
const checkpoint = (call_index, invocation_id, ...attempts) => ({ call_index, invocation_id, failure: attempts.at(-1), attempts: attempts.map((one) => ({ failure: one })) });
const nobody = () => assert.fail("nothing is to be asked for");
const words = (links) => links.map(({ what, execution: of, name, index, number, failure: why }) => `${what} ${of} ${name ?? number ?? index}: ${why.message}`);

test("what the flow itself says has no chain, and what never failed has none", async () => {
  assert.deepEqual(await chainOf(execution("a", failure("own")), [], nobody), []);
  assert.deepEqual(await chainOf(execution("a", null), [], nobody), []);
});

test("a call, and the last of several attempts", async () => {
  const journal = [{ index: 2, invocation_id: "draft", child_exec_id: null, failure: failure("the last time") }];
  const once = execution("a", failure("told otherwise", 2), [checkpoint(2, "draft", failure("the last time"))]);
  assert.deepEqual(words(await chainOf(once, journal, nobody)), ["call a draft: the last time"]);
  const twice = execution("a", failure("told otherwise", 2), [checkpoint(2, "draft", failure("the first time"), failure("the last time"))]);
  assert.deepEqual(words(await chainOf(twice, journal, nobody)), ["call a draft: the last time", "attempt a 2: the last time"]);
});

test("a child, and what failed in it, down to the bottom", async () => {
  const all = {
    child: execution("child", failure("deep", 0, { execution: "grandchild" })),
    grandchild: execution("grandchild", failure("deep", 7), [checkpoint(7, "step", failure("early"), failure("deep"))]),
  };
  const asked = [];
  const load = async (id) => (asked.push(id), all[id]);
  const journal = [{ index: 1, invocation_id: "research", child_exec_id: "child", failure: failure("deep", 0) }];
  const links = await chainOf(execution("top", failure("deep", 1, { execution: "child" })), journal, load);
  assert.deepEqual(words(links), [
    "call top research: deep",
    "execution child flow_child: deep",
    "call child 0: deep",
    "execution grandchild flow_grandchild: deep",
    "call grandchild step: deep",
    "attempt grandchild 2: deep",
  ]);
  assert.deepEqual(asked, ["child", "grandchild"]);
});

test("a child that is not to be seen ends the chain, and so does one that is above itself", async () => {
  const journal = [{ index: 0, invocation_id: "child", child_exec_id: "gone", failure: failure("x") }];
  const top = execution("top", failure("x", 0));
  assert.deepEqual(words(await chainOf(top, journal, async () => null)), ["call top child: x"]);
  const round = execution("round", failure("x", 0, { execution: "round" }));
  const links = await chainOf(round, [], async () => round);
  assert.equal(links.length, 32);
});

test("what a checkpoint's author says in the details leads nowhere", async () => {
  const said = failure("x", 0, { execution: "elsewhere" });
  assert.deepEqual(words(await chainOf(execution("a", said, [checkpoint(0, "step", said)]), [], nobody)), ["call a step: x"]);
  assert.deepEqual(words(await chainOf(execution("a", failure("x", 0, { execution: 7 })), [], nobody)), ["call a 0: x"]);
});
