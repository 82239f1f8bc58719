// The executions that fit a query, newest first: pages as they are needed, and what happens meanwhile.

import { get } from "../../api.js";
import { since } from "./filters.js";

const FIRST = 100;
const PAGE = 500;
const FRESHEN = 1500;

/** A feed. `onchange(what)` hears of each change: `all`, `more` or `rows`. */
export function feed({ onchange }) {
  let abort = new AbortController();
  let parameters = {};
  let words = [];
  let cursor = null;
  let loading = null;
  let known = new Map();
  let held = [];
  let timer = null;
  let last = 0;
  let isAtTop = () => true;

  const self = {
    items: [],
    total: null,
    seen: 0,
    done: false,
    searching: false,
    get waiting() {
      return held.length;
    },

    /** Begins anew with a query. */
    async open(query, { atTop }) {
      begin(query, atTop);
      const first = await get("/executions", { ...parameters, limit: FIRST }, { signal: abort.signal });
      self.items = [];
      known = new Map();
      take(first, "all");
      if (words.length > 0) await search();
    },

    /** Puts back what was kept. */
    restore(kept, query, { atTop }) {
      begin(query, atTop);
      Object.assign(self, { items: kept.items, total: kept.total, seen: kept.seen, done: kept.done, searching: false });
      cursor = kept.cursor;
      known = new Map(self.items.map((item) => [item.exec_id, item]));
      onchange("all");
    },

    save: () => ({ items: self.items, total: self.total, seen: self.seen, done: self.done, cursor }),

    /** The next page. */
    async more() {
      if (loading || self.done || self.searching || cursor === null) return;
      loading = get("/executions", { ...parameters, limit: PAGE, cursor }, { signal: abort.signal });
      try {
        take(await loading, "more");
      } catch {
        // The end of the list asks again when it is looked at again.
      } finally {
        loading = null;
      }
    },

    /** Something changed: an execution that is shown, or one that may belong here. */
    event({ exec_id: id, status }) {
      const item = known.get(id);
      if (item && item.status !== status) {
        item.status = status;
        item.pending_wait = status === "waiting" ? item.pending_wait : null;
        onchange("rows");
      }
      self.freshen();
    },

    /** Looks at the newest page again, soon, and not too often. */
    freshen() {
      timer ??= setTimeout(look, Math.max(200, last + FRESHEN - Date.now()));
    },

    /** Shows what came in while somebody was reading further down. */
    takeFresh() {
      self.items.unshift(...held);
      for (const item of held) known.set(item.exec_id, item);
      held = [];
      onchange("all");
    },

    close() {
      abort.abort();
      clearTimeout(timer);
    },
  };

  function begin(query, atTop) {
    abort.abort();
    abort = new AbortController();
    isAtTop = atTop;
    parameters = { status: query.get("status"), flow: query.get("flow"), tags: query.getAll("tag"), since: since(query.get("since")), q: query.get("q"), original: query.get("original"), parent: query.get("parent") };
    words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    cursor = null;
    loading = null;
    held = [];
    // A search looks through all pages by itself, from the first one on.
    Object.assign(self, { seen: 0, done: false, searching: words.length > 0 });
  }

  function take(page, what) {
    // Of a search the API says how many it has looked through.
    self.seen += words.length > 0 ? (page.total ?? 0) : page.items.length;
    self.total = page.total ?? null;
    cursor = page.next_cursor ?? null;
    self.done = cursor === null;
    for (const item of page.items) {
      if (known.has(item.exec_id)) continue;
      known.set(item.exec_id, item);
      self.items.push(item);
    }
    onchange(what);
  }

  /** The API looks through so many at a time: what follows is looked through as long as somebody wants to see it. */
  async function search() {
    const own = abort.signal;
    try {
      while (cursor !== null && !own.aborted) take(await get("/executions", { ...parameters, limit: 1000, cursor }, { signal: own }), "more");
    } finally {
      if (!own.aborted) {
        self.searching = false;
        onchange("more");
      }
    }
  }

  async function look() {
    timer = null;
    last = Date.now();
    if (document.hidden) return;
    let page;
    try {
      page = await get("/executions", { ...parameters, limit: FIRST }, { signal: abort.signal });
    } catch {
      return;
    }
    let touched = false;
    const fresh = [];
    const heldIds = new Set(held.map((item) => item.exec_id));
    for (const item of page.items) {
      const before = known.get(item.exec_id);
      if (before) {
        if (JSON.stringify(before) === JSON.stringify(item)) continue;
        Object.assign(before, item);
        touched = true;
      } else if (!heldIds.has(item.exec_id) && (self.items.length === 0 || item.started_at >= self.items[0].started_at)) fresh.push(item);
    }
    if (words.length === 0) self.total = page.total ?? self.total;
    held = [...fresh, ...held];
    if (held.length > 0 && isAtTop()) self.takeFresh();
    else onchange(touched ? "rows" : "more");
  }

  return self;
}
