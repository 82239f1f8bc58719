// An answer of a model while it is made: pieces that come, may be repeated, and may be missing.

/** What stands where pieces did not come. */
const GAP = " … ";

/** Which answer a piece belongs to: a call may be attempted again, and a checkpoint may ask several times. */
export function keyOf({ call_id: call, attempt = 1, ordinal = 0 }) {
  return `${call}/${attempt}/${ordinal}`;
}

/** What is known after one more event: `{ text, next, withheld }`, `next` being the number of the piece that comes next; null once the answer is on record. */
export function told(known, { piece = 0, pieces = 1, text = "", withheld = false, ended = false }) {
  if (ended) return null;
  if (withheld) return { text: "", next: piece + 1, withheld: true };
  const next = piece + pieces;
  if (piece === 0) return { text, next, withheld: false };
  if (known === null) return { text: GAP + text, next, withheld: false };
  if (piece < known.next) return known;
  return { text: known.text + (piece > known.next ? GAP : "") + text, next, withheld: false };
}
