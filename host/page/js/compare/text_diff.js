// The difference of two texts, by lines, and of two lines, by words.

const EFFORT = 2000;

/**
 * The shortest way from one list to another (Myers): `[{ kind: 'same' | 'removed' | 'added', items }]`, neighbours of one kind together. Lists that
 * differ too much are said to differ altogether, so that no pair takes long.
 */
export function diff(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const parts = [];
  push(parts, "same", before.slice(0, start));
  const middle = shortest(before.slice(start, before.length - end), after.slice(start, after.length - end));
  for (const [kind, item] of middle) push(parts, kind, [item]);
  push(parts, "same", before.slice(before.length - end));
  return parts;
}

function push(parts, kind, items) {
  if (items.length === 0) return;
  const last = parts.at(-1);
  if (last?.kind === kind) last.items.push(...items);
  else parts.push({ kind, items: [...items] });
}

function shortest(before, after) {
  const whole = () => [...before.map((item) => ["removed", item]), ...after.map((item) => ["added", item])];
  if (before.length === 0 || after.length === 0) return whole();
  const most = Math.min(before.length + after.length, EFFORT);
  const furthest = new Map([[1, 0]]);
  const trail = [];
  for (let edits = 0; edits <= most; edits += 1) {
    // Only the diagonals that this step can read are kept, so that the memory grows with the square of the edits and not of the lists.
    trail.push(new Map([...furthest].filter(([diagonal]) => Math.abs(diagonal) <= edits + 1)));
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = diagonal === -edits || (diagonal !== edits && furthest.get(diagonal - 1) < furthest.get(diagonal + 1));
      let x = down ? furthest.get(diagonal + 1) : furthest.get(diagonal - 1) + 1;
      let y = x - diagonal;
      while (x < before.length && y < after.length && before[x] === after[y]) {
        x += 1;
        y += 1;
      }
      furthest.set(diagonal, x);
      if (x >= before.length && y >= after.length) return walkBack(trail, before, after);
    }
    if (edits * edits > EFFORT * 100) break;
  }
  return whole();
}

function walkBack(trail, before, after) {
  const steps = [];
  let x = before.length;
  let y = after.length;
  for (let edits = trail.length - 1; edits >= 0; edits -= 1) {
    const furthest = trail[edits];
    const diagonal = x - y;
    const down = diagonal === -edits || (diagonal !== edits && furthest.get(diagonal - 1) < furthest.get(diagonal + 1));
    const fromDiagonal = down ? diagonal + 1 : diagonal - 1;
    const fromX = furthest.get(fromDiagonal);
    const fromY = fromX - fromDiagonal;
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      steps.push(["same", before[x - 1]]);
      x -= 1;
      y -= 1;
    }
    if (edits === 0) break;
    if (down) steps.push(["added", after[y - 1]]);
    else steps.push(["removed", before[x - 1]]);
    x = fromX;
    y = fromY;
  }
  return steps.reverse();
}

/** The difference of two texts by lines. */
export function lines(before, after) {
  return diff(before.split("\n"), after.split("\n"));
}

/** The difference of two texts by words and the spaces between them. */
export function words(before, after) {
  const split = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
  return diff(split(before), split(after)).map(({ kind, items }) => ({ kind, text: items.join("") }));
}

/**
 * Rows for showing two texts: unchanged lines further than `context` from a change are folded into `{ kind: 'folded', count }`; a line that took another's
 * place has `parts`, its words compared.
 */
export function rows(before, after, context = 3) {
  const parts = lines(before, after);
  const made = [];
  parts.forEach((part, index) => {
    if (part.kind === "same") fold(made, part.items, index > 0, index < parts.length - 1, context);
    else if (part.kind === "removed" && parts[index + 1]?.kind === "added") pair(made, part.items, parts[index + 1].items);
    else if (part.kind === "added" && parts[index - 1]?.kind === "removed") return;
    else for (const text of part.items) made.push({ kind: part.kind, text });
  });
  return made;
}

function fold(made, items, hasBefore, hasAfter, context) {
  const head = hasBefore ? context : 0;
  const tail = hasAfter ? context : 0;
  const same = (text) => ({ kind: "same", text });
  if (items.length <= head + tail + 1) return made.push(...items.map(same));
  made.push(...items.slice(0, head).map(same));
  made.push({ kind: "folded", count: items.length - head - tail, texts: items.slice(head, items.length - tail) });
  if (tail > 0) made.push(...items.slice(-tail).map(same));
}

function pair(made, removed, added) {
  const compared = removed.map((text, index) => {
    if (index >= added.length || text.length > 2000 || added[index].length > 2000) return null;
    const parts = words(text, added[index]);
    const same = parts.filter((part) => part.kind === "same").reduce((sum, part) => sum + part.text.trim().length, 0);
    return same * 3 > Math.max(text.trim().length, added[index].trim().length) ? parts : null;
  });
  removed.forEach((text, index) => made.push({ kind: "removed", text, parts: compared[index]?.filter((part) => part.kind !== "added") }));
  added.forEach((text, index) => made.push({ kind: "added", text, parts: compared[index]?.filter((part) => part.kind !== "removed") }));
}
