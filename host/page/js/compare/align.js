// Puts the checkpoint calls of several executions side by side.

/**
 * Rows of calls that are the same call: by invocation ID, in an order that agrees with the order of each execution as far as one does.
 * `lists` has a list of calls for each execution, each with `invocation_id` and `name`. A row is `{ id, name, cells }`, and a cell is `null` where an
 * execution has no such call.
 */
export function align(lists) {
  const rows = [];
  const known = new Map();
  lists.forEach((calls, column) => {
    let after = -1;
    for (const call of calls) {
      let row = known.get(call.invocation_id);
      if (row === undefined) {
        row = { id: call.invocation_id, name: call.name, cells: Array(lists.length).fill(null) };
        known.set(row.id, row);
        rows.splice(after + 1, 0, row);
      }
      // An ID that is given twice in one execution is shown once: the first counts.
      row.cells[column] ??= call;
      after = rows.indexOf(row, Math.max(after, 0)) >= 0 ? rows.indexOf(row, Math.max(after, 0)) : after;
    }
  });
  return rows;
}

/** What became of a row against the first execution, for each other one: `match`, `changed`, `only here`, `missing`, or `absent` from both. */
export function verdicts(row, same) {
  const [first, ...others] = row.cells;
  return others.map((cell) => {
    if (cell === null) return first === null ? "absent" : "missing";
    if (first === null) return "only here";
    return same(first, cell) ? "match" : "changed";
  });
}

/** A number less another; `null` where one is not known. */
export function delta(value, base) {
  return typeof value === "number" && typeof base === "number" ? value - base : null;
}

/** By how many per cent a number differs from another; `null` where that says nothing. */
export function percent(value, base) {
  const difference = delta(value, base);
  return difference === null || base === 0 ? null : (difference / Math.abs(base)) * 100;
}
