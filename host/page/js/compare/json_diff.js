// The difference of two JSON values, place by place.

import { equal } from "../schema/equal.js";

const MOST = 500;

/**
 * What differs: `[{ path, kind: 'added' | 'removed' | 'changed', before, after }]`, at most five hundred, in the order of the first value. Lists are compared
 * by position after what they begin and end with alike.
 */
export function differences(before, after) {
  const found = [];
  walk(found, before, after, []);
  return found;
}

function walk(found, before, after, path) {
  if (found.length >= MOST || equal(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) return lists(found, before, after, path);
  if (isObject(before) && isObject(after)) {
    for (const key of Object.keys(before)) {
      const place = [...path, key];
      if (Object.hasOwn(after, key)) walk(found, before[key], after[key], place);
      else found.push({ path: place, kind: "removed", before: before[key] });
    }
    for (const key of Object.keys(after)) {
      if (!Object.hasOwn(before, key)) found.push({ path: [...path, key], kind: "added", after: after[key] });
    }
    return;
  }
  found.push({ path, kind: "changed", before, after });
}

function lists(found, before, after, path) {
  let tail = 0;
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && equal(before[head], after[head])) head += 1;
  while (tail < shorter - head && equal(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
  const ends = [before.length - tail, after.length - tail];
  for (let index = head; index < Math.max(...ends); index += 1) {
    const place = [...path, String(index)];
    if (index >= ends[1]) found.push({ path: place, kind: "removed", before: before[index] });
    else if (index >= ends[0]) found.push({ path: place, kind: "added", after: after[index] });
    else walk(found, before[index], after[index], place);
  }
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
