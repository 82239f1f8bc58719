// A panel is loaded again when what it shows may have changed, and only then.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ofAccesses, ofModelCalls } from "../js/views/execution/worth.js";

const sum = (kind, count = 1, target = "x") => ({ kind, target, count, detail: null });
const checkpoint = (more = {}, used = [], denied = []) => ({ call_id: "e:0", status: "running", attempts: [{ number: 1 }], capabilities: { declared: null, granted: {}, used, denied }, artifacts: [], ...more });
const execution = (checkpoints, more = {}) => ({ status: "running", llm_usage_summary_v1: null, checkpoints, ...more });

function assertAll(key, before, others, isSame) {
  for (const [what, other] of Object.entries(others)) assert.equal(key(other) === key(before), isSame, what);
}

test("model calls are asked for again with or without usage", () => {
  const before = execution([checkpoint({}, [sum("llm")])]);
  const changed = {
    "usage came": execution(before.checkpoints, { llm_usage_summary_v1: { input_tokens: 1 } }),
    "the execution ended": execution(before.checkpoints, { status: "failed" }),
    "a call began": execution([...before.checkpoints, checkpoint({ call_id: "e:1" })]),
    "a call ended without usage": execution([checkpoint({ status: "failed" }, [sum("llm")])]),
    "another attempt": execution([checkpoint({ attempts: [{ number: 1 }, { number: 2 }] }, [sum("llm")])]),
    "asked once more": execution([checkpoint({}, [sum("llm", 2)])]),
    "refused": execution([checkpoint({}, [sum("llm")], [sum("llm")])]),
  };
  assertAll(ofModelCalls, before, changed, false);
  const same = {
    "the same again": structuredClone(before),
    "a file was read": execution([checkpoint({}, [sum("llm"), sum("read", 9)])]),
    "an artifact was kept": execution([checkpoint({ artifacts: ["a"] }, [sum("llm")])]),
  };
  assertAll(ofModelCalls, before, same, true);
});

test("accesses are asked for again also where as many were touched", () => {
  const before = execution([checkpoint({}, [sum("read", 2)]), checkpoint({ call_id: "e:1" }, [], [sum("net")])]);
  const [first, second] = before.checkpoints;
  const changed = {
    "one more": execution([checkpoint({}, [sum("read", 3)]), second]),
    "of another call": execution([checkpoint({}, [sum("read", 1)]), checkpoint({ call_id: "e:1" }, [sum("read", 1)], [sum("net")])]),
    "denied, not used": execution([checkpoint({}, [], [sum("read", 2)]), second]),
    "another target": execution([checkpoint({}, [sum("read", 2, "y")]), second]),
    "of a call in the place of another": execution([first, checkpoint({ call_id: "e:2" }, [], [sum("net")])]),
  };
  assertAll(ofAccesses, before, changed, false);
  assertAll(ofAccesses, before, { "a call ended": execution([{ ...first, status: "completed" }, second], { status: "completed" }) }, true);
});
