// What is needed of executions to compare them.

import { get } from "../api.js";
import { whole } from "../lists.js";

/** An execution with its calls; each call knows what its checkpoint cost. */
export async function load(id, signal) {
  const path = `/executions/${encodeURIComponent(id)}`;
  const execution = await get(path, {}, { signal });
  const journal = await whole(`/executions/${encodeURIComponent(execution.exec_id)}/journal`, {}, { signal });
  const costs = new Map(execution.checkpoints.map((checkpoint) => [checkpoint.call_id, checkpoint]));
  const calls = journal.map((call) => {
    const checkpoint = costs.get(call.call_id);
    return {
      ...call,
      invocation_id: call.invocation_id ?? call.call_id,
      cost_usd: checkpoint?.cost_usd ?? null,
      total_tokens: checkpoint?.total_tokens ?? null,
    };
  });
  return { execution, calls };
}

/** How the first differs from each of the others, as the host has it: a map by the other's ID. */
export async function diffs(base, others, signal) {
  if (others.length === 0) return new Map();
  const answer = await get(`/executions/${encodeURIComponent(base)}/diff`, { with: others }, { signal });
  return new Map(answer.items.map((item) => [item.replay_exec_id, item]));
}

/** What a call took, in milliseconds; `null` where it was not run here. */
export function took(call) {
  if (call === null || call.provenance !== "ran" || !call.started_at || !call.ended_at) return null;
  return Date.parse(call.ended_at) - Date.parse(call.started_at);
}

/** What an execution took, cost and used. */
export function totals(execution) {
  const usage = execution.llm_usage_summary_v1;
  return {
    milliseconds: execution.ended_at ? Date.parse(execution.ended_at) - Date.parse(execution.started_at) : null,
    cost: usage ? usage.display_cost_usd : null,
    tokens: usage ? usage.incurred_total_tokens : null,
  };
}
