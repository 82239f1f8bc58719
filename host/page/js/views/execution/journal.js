// What is known of an execution, and what a look at its changes tells.

/** What is known after a look: all that it gave where it told everything, and otherwise that in the place of what was known of the same calls. */
export function merged(known, { cursor, is_whole: isWhole, execution, journal }) {
  if (isWhole) return { cursor, execution, journal };
  // A retry forgets calls: those that there are now, or that came in their place, are among the changes.
  const { calls } = execution.resources;
  const changed = new Set(journal.map((call) => call.index));
  const stays = (index) => index < calls && !changed.has(index);
  const byCall = (of, some, more) => [...some.filter((one) => stays(of(one))), ...more].sort((a, b) => of(a) - of(b));
  const all = known.journal.slice(0, calls);
  for (const call of journal) all[call.index] = call;
  const checkpoints = byCall((one) => one.call_index, known.execution.checkpoints, execution.checkpoints);
  const waits = byCall(indexOf, known.execution.waits, execution.waits);
  const artifacts = checkpoints.flatMap((one) => one.artifacts);
  // A call that was served shows what another execution saved as long as that is there, and no record tells when it goes: then everything is asked for.
  if (artifacts.length > execution.artifact_count) return { ...known, cursor: null };
  return { cursor, journal: all, execution: { ...execution, input: known.execution.input, checkpoints, waits, artifacts } };
}

/** The index of the call that asked a question: the ID of a call is that of its execution with its index. */
function indexOf(wait) {
  return Number(wait.wait_id.split(":").at(-1));
}
