// The calls of a journal, ready to be drawn: numbers instead of texts, each in its lane.

/** A call with what the execution knows of it beside its record. */
export function prepare(journal, checkpoints, now) {
  const byIndex = new Map(checkpoints.map((checkpoint) => [checkpoint.call_index, checkpoint]));
  return journal.map((call) => {
    const checkpoint = byIndex.get(call.index) ?? null;
    const start = Date.parse(call.started_at);
    const end = call.ended_at ? Date.parse(call.ended_at) : null;
    return { ...call, checkpoint, start, end: Math.max(start, end ?? now), open: end === null, look: lookOf(call, checkpoint) };
  });
}

/** How a call is drawn: `model`, `wait`, `sleep`, `flow`, `step`; its state counts before that. */
function lookOf(call, checkpoint) {
  if (call.kind === "wait" || call.kind === "sleep" || call.kind === "flow" || call.kind === "first") return call.kind;
  if (call.kind === "llm_call" || checkpoint?.checkpoint_type === "llm_call" || (checkpoint?.total_tokens ?? 0) > 0) return "model";
  return "step";
}

/** Whether a call computes, rather than waits. */
export function computes(call) {
  return call.look === "step" || call.look === "model" || call.look === "flow";
}

/** Gives each call the first lane that is free when it starts. Calls are in the order in which they were made. */
export function lanes(calls) {
  const free = [];
  const order = [...calls.keys()].sort((a, b) => calls[a].start - calls[b].start || a - b);
  const out = new Uint16Array(calls.length);
  for (const at of order) {
    const { start, end } = calls[at];
    let lane = free.findIndex((until) => until <= start);
    if (lane < 0) lane = Math.min(free.length, 65_000);
    free[lane] = Math.max(end, start + 1);
    out[at] = lane;
  }
  return { lane: out, count: Math.max(1, free.length) };
}

/** What a call is called for people. */
export function nameOf(call) {
  return call.invocation_id || call.name;
}

const KINDS = { checkpoint: "checkpoint", wait: "question", sleep: "sleep", first: "first of several", flow: "child flow", llm_call: "model call" };

export function kindOf(call) {
  return call.look === "model" ? "model call" : (call.checkpoint?.checkpoint_type === "tool_call" && "tool") || KINDS[call.kind] || call.kind;
}
