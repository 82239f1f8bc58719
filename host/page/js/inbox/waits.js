// The open questions: what the host has, less what was just answered here.

import { whole } from "../lists.js";
import * as live from "../live.js";

/** All open questions, oldest first. `{ refresh(), items(), settle(id), restore(id), close() }`; `changed` hears when there are others. */
export function openWaits({ signal, changed, failed }) {
  let waits = [];
  let running = null;
  let again = false;
  const settled = new Set();

  async function load() {
    waits = await whole("/waits", {}, { signal });
    for (const id of settled) if (!waits.some((wait) => wait.wait_id === id)) settled.delete(id);
    waits.sort((a, b) => (a.entered_waiting_at < b.entered_waiting_at ? -1 : 1));
  }

  /** Asks again; while an answer is on its way, once more after it. */
  async function refresh() {
    if (running) {
      again = true;
      return running;
    }
    running = (async () => {
      do {
        again = false;
        await load();
      } while (again);
    })();
    try {
      await running;
      changed();
    } catch (error) {
      if (error.name !== "AbortError") failed(error);
    } finally {
      running = null;
    }
    return undefined;
  }

  const offs = [live.on("waits", refresh), live.on("reopened", refresh)];
  return {
    refresh,
    items: () => waits.filter((wait) => !settled.has(wait.wait_id)),
    /** Takes a question out at once, before the host has said so. */
    settle: (id) => settled.add(id),
    /** Puts it back: the host did not take the answer. */
    restore: (id) => settled.delete(id),
    close: () => offs.forEach((off) => off()),
  };
}

/** Questions by flow, those with the oldest question first. */
export function byFlow(waits) {
  const groups = new Map();
  for (const wait of waits) {
    if (!groups.has(wait.flow_name)) groups.set(wait.flow_name, []);
    groups.get(wait.flow_name).push(wait);
  }
  return [...groups].map(([flow, items]) => ({ flow, items }));
}
