// One execution and its journal, kept up to date while somebody looks at it. Each look asks for what changed since the one before.

import { get } from "../../api.js";
import { follow } from "../../live.js";
import { merged } from "./journal.js";

const LEAST_PAUSE = 400;

/** The data of an execution. Listeners hear `change`, `chunk` and `gone`. */
export function executionData(id, { signal }) {
  const listeners = new Map();
  let stream = null;
  let timer = null;
  let cost = 0;
  let running = false;
  let again = false;

  const self = {
    cursor: null,
    execution: null,
    journal: [],
    on(event, listener) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(listener);
    },
    async open() {
      await look();
      watch();
      return self;
    },
    /** Takes what a verb answered, and looks at the rest. */
    take(execution) {
      self.execution = execution;
      tell("change");
      self.refresh();
      watch();
    },
    refresh,
    close() {
      stream?.close();
      clearTimeout(timer);
    },
  };

  function tell(event, value) {
    for (const listener of listeners.get(event) ?? []) listener(value);
  }

  async function ask() {
    Object.assign(self, merged(self, await get(`/executions/${encodeURIComponent(id)}/changes`, { since: self.cursor }, { signal })));
  }

  async function look() {
    await ask();
    // What changed does not tell all.
    if (self.cursor === null) await ask();
    tell("change");
  }

  /** Looks again, soon: the longer a look takes, the longer the pause. */
  function refresh() {
    if (running) {
      again = true;
      return;
    }
    timer ??= setTimeout(async () => {
      timer = null;
      running = true;
      const began = performance.now();
      try {
        await look();
      } catch (error) {
        if (error.status === 404) tell("gone");
      } finally {
        cost = performance.now() - began;
        running = false;
        if (again) {
          again = false;
          refresh();
        }
      }
    }, Math.max(LEAST_PAUSE, cost * 4));
  }

  function isOver() {
    return ["completed", "failed", "cancelled"].includes(self.execution.status);
  }

  function watch() {
    if (stream || isOver()) return;
    stream = follow(`/executions/${self.execution.exec_id}/stream`, {
      events: { execution: refresh, chunk: (chunk) => tell("chunk", chunk) },
      state: (word) => word === "open" && refresh(),
      ended: () => {
        stream = null;
        refresh();
      },
    });
  }

  return self;
}
