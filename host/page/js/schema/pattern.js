// Patterns of schemas. A flow's author writes them, so a pattern must not be able to hang the page: one that can take exponential time is left
// to the server, whose engine takes linear time for any.

const LONGEST_PATTERN = 500;
const LONGEST_TEXT = 10_000;
const known = new Map();

/** Whether the text fits the pattern, anywhere in it. True where this is left to the server. */
export function matches(pattern, text) {
  if (text.length > LONGEST_TEXT) return true;
  if (!known.has(pattern)) {
    if (known.size > 200) known.clear();
    known.set(pattern, compiled(pattern));
  }
  const expression = known.get(pattern);
  return expression === null || expression.test(text);
}

function compiled(pattern) {
  if (!isTame(pattern)) return null;
  try {
    return new RegExp(pattern, "u");
  } catch {
    return null;
  }
}

/**
 * Whether a pattern can only take time that grows slowly with the text: no repetition or choice inside something repeated, no reference
 * back, no looking around, and few repetitions without end.
 */
export function isTame(pattern) {
  if (pattern.length > LONGEST_PATTERN) return false;
  const bare = pattern.replace(/\\[^1-9k]/gs, "a").replace(/\[(?:\\.|[^\]\\])*\]/gs, "a");
  if (/\\|\(\?[=!<]/.test(bare)) return false;
  const groups = [];
  let endless = 0;
  for (let index = 0; index < bare.length; index += 1) {
    const repeats = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(bare.slice(index + 1));
    const endlessly = repeats !== null && repeats[0] !== "?" && !/^\{\d{1,2}(,\d{1,2})?\}$/.test(repeats[0]);
    if (bare[index] === "(") {
      groups.push(false);
      continue;
    }
    if (bare[index] === "|" || repeats !== null) {
      const repeatedGroup = bare[index] === ")" ? groups.length - 1 : groups.length;
      for (let outer = 0; outer < repeatedGroup; outer += 1) groups[outer] = true;
    }
    if (bare[index] === ")") {
      const busy = groups.pop() ?? false;
      if (busy && repeats !== null && repeats[0] !== "?") return false;
    }
    if (endlessly) endless += 1;
  }
  return endless <= 3;
}
