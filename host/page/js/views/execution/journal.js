// The durable calls of an execution, looked at again and again while they come.

/**
 * The index of the first call of which a later look may tell something else. What has ended well stays as it is. A retry runs again what failed, and
 * forgets calls that came after it and none before.
 */
export function firstUnsettled(calls) {
  const index = calls.findIndex((call) => call.status !== "completed");
  return index < 0 ? calls.length : index;
}

/** The calls as they are now: those that are known and settled, and what a look at the rest gave. */
export function merged(calls, settled, rest) {
  return [...calls.slice(0, settled), ...rest];
}
