// When a panel is worth another look: what it shows is long, and most of what happens to an execution is none of it.

/** Changes with whatever may change the model calls: also with those that leave no usage, which a rule refused or which were cut short. */
export function ofModelCalls({ status, llm_usage_summary_v1: usage = null, checkpoints }) {
  const asked = (sums) => sums.filter((sum) => sum.kind === "llm");
  return JSON.stringify([status, usage, checkpoints.map(({ call_id: id, status, attempts, capabilities: { used, denied } }) => [id, status, attempts.length, asked(used), asked(denied)])]);
}

/** Changes with whatever was touched or denied, whichever call it was. */
export function ofAccesses({ checkpoints }) {
  return JSON.stringify(checkpoints.map(({ call_id: id, capabilities: { used, denied } }) => [id, used, denied]));
}
