// Time on a line. Long spans in which nothing computes can be folded, so that seconds of work stay visible beside days of waiting.

const LEAST_FOLD = 2_000;

/**
 * The spans of a time line: `[{from, to, folded}]`, in order and without gaps. `busy` are the spans in which something computes. What lies between two of
 * them is folded if it is long beside all that is busy.
 */
export function spans(from, to, busy, { fold }) {
  if (!(to > from)) return [{ from, to: from + 1, folded: false }];
  if (!fold) return [{ from, to, folded: false }];
  const merged = [];
  for (const [start, end] of [...busy].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([Math.max(from, start), Math.min(to, end)]);
  }
  const work = merged.reduce((sum, [start, end]) => sum + end - start, 0);
  const least = Math.max(LEAST_FOLD, work / 4);
  const out = [];
  let at = from;
  const add = (until, folded) => {
    if (until <= at) return;
    const last = out.at(-1);
    if (last && !last.folded && !folded) last.to = until;
    else out.push({ from: at, to: until, folded });
    at = until;
  };
  for (const [start, end] of merged) {
    add(start, start - at > least);
    add(end, false);
  }
  add(to, to - at > least);
  return out;
}

/** Whether folding would help: most of the time nothing computes. */
export function isMostlyIdle(from, to, busy) {
  return spans(from, to, busy, { fold: true }).some((span) => span.folded && span.to - span.from > (to - from) / 3);
}

/** A scale over spans: `at(time)` gives a place from 0 to 1, `time(place)` the way back. A folded span takes a small part, however long it is. */
export function scale(parts, { share = 0.05 } = {}) {
  const folded = parts.filter((part) => part.folded).length;
  const each = folded === 0 ? 0 : Math.min(share, 0.5 / folded);
  const open = parts.reduce((sum, part) => sum + (part.folded ? 0 : part.to - part.from), 0) || 1;
  let place = 0;
  const placed = parts.map((part) => {
    const width = part.folded ? each : ((part.to - part.from) / open) * (1 - each * folded);
    const out = { ...part, start: place, end: place + width };
    place += width;
    return out;
  });
  const find = (fits) => {
    let low = 0;
    let high = placed.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (fits(placed[middle])) high = middle;
      else low = middle + 1;
    }
    return placed[low];
  };
  return {
    parts: placed,
    from: placed[0].from,
    to: placed.at(-1).to,
    at(time) {
      const part = find((one) => time <= one.to);
      return part.start + ((Math.min(Math.max(time, part.from), part.to) - part.from) / (part.to - part.from || 1)) * (part.end - part.start);
    },
    time(place) {
      const part = find((one) => place <= one.end);
      return part.from + ((Math.min(Math.max(place, part.start), part.end) - part.start) / (part.end - part.start || 1)) * (part.to - part.from);
    },
  };
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 2592e6];

/** Marks for a window of a scale: `[{place, time}]`, places within the window, in whole steps from the beginning of the scale. */
export function marks(line, [left, right], most) {
  const out = [];
  const shown = line.parts.filter((part) => !part.folded && part.end > left && part.start < right);
  const visible = shown.reduce((sum, part) => sum + (Math.min(part.end, right) - Math.max(part.start, left)), 0) || 1;
  for (const part of shown) {
    const start = Math.max(part.start, left);
    const end = Math.min(part.end, right);
    const [from, to] = [line.time(start), line.time(end)];
    const wanted = Math.max(1, Math.floor((most * (end - start)) / visible));
    const step = STEPS.find((one) => (to - from) / one <= wanted) ?? STEPS.at(-1);
    for (let offset = Math.ceil((from - line.from) / step) * step; line.from + offset <= to; offset += step) {
      const place = (line.at(line.from + offset) - left) / (right - left);
      if (out.length === 0 || place - out.at(-1).place > 0.6 / most) out.push({ place, offset });
    }
  }
  return out;
}
