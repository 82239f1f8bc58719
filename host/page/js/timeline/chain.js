// What led to the failure of an execution: the call that failed first, the attempt that was its last, the child that it was, and so on down.

const DEEPEST = 16;

/**
 * The links from a failed execution to where it began, each `{ what, execution, failure }` with what it is known by:
 *
 * - `call`: `index`, and its `name` where that is known,
 * - `attempt`: its `number`, the last of all,
 * - `execution`: a child, with the `name` of its flow.
 *
 * `load(id)` gives an execution, or null where there is none to be seen: there the chain ends.
 */
export async function chainOf(execution, journal, load) {
  const links = [];
  let here = execution;
  let calls = journal;
  for (let depth = 0; depth < DEEPEST && typeof here.failure?.call_index === "number"; depth += 1) {
    const call = callOf(here, calls);
    links.push({ what: "call", execution: here.exec_id, index: call.index, name: call.name, failure: call.failure });
    if (call.attempts.length > 1) links.push({ what: "attempt", execution: here.exec_id, number: call.attempts.length, failure: call.attempts.at(-1).failure ?? call.failure });
    const child = call.child && (await load(call.child));
    if (!child) break;
    links.push({ what: "execution", execution: child.exec_id, name: child.flow_name, failure: child.failure });
    here = child;
    // Of a child its own record is enough: its journal may be long.
    calls = [];
  }
  return links;
}

/** The call that an execution's failure names. */
function callOf({ failure, checkpoints }, journal) {
  const index = failure.call_index;
  const call = journal.find((one) => one.index === index);
  const checkpoint = checkpoints.find((one) => one.call_index === index);
  return {
    index,
    name: call?.invocation_id ?? checkpoint?.invocation_id ?? null,
    failure: call?.failure ?? checkpoint?.failure ?? failure,
    attempts: checkpoint?.attempts ?? [],
    // Details of a checkpoint's failure are what its author says; those of any other call's are the host's.
    child: call ? call.child_exec_id : checkpoint ? null : idOf(failure.details?.execution),
  };
}

function idOf(value) {
  return typeof value === "string" ? value : null;
}
