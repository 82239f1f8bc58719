// All executions: what runs, what waits, what went wrong, what it cost.

import { get, send } from "../api.js";
import { fill, h } from "../dom.js";
import { number, plural } from "../format.js";
import * as live from "../live.js";
import { button } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { empty, failed, skeleton } from "../ui/state.js";
import { announce, toast } from "../ui/toast.js";
import { virtualList } from "../ui/virtual.js";
import { filters, narrowed } from "./executions/filters.js";
import { feed } from "./executions/feed.js";
import { header, row } from "./executions/row.js";

const NARROW = matchMedia("(max-width: 44rem)");

/** The list as it was left, so that going back finds it there. */
let left = null;

export async function view(ctx) {
  const selected = new Set();
  let active = -1;
  let query = ctx.query;

  const pages = feed({ onchange: changed });
  const bar = filters(ctx, { onsearch: (text) => ctx.setQuery({ q: text }) });
  const list = virtualList({
    label: "Executions",
    role: "grid",
    rowHeight: () => (NARROW.matches ? 68 : 52),
    header: header(),
    row: (index) => row(pages.items[index], { index, active: index === active, selected: selected.has(pages.items[index]?.exec_id), onselect, onclick: () => activate(index) }),
    onmore: () => pages.more(),
  });
  list.node.classList.add("executions-grid");
  const body = h("div", { class: "executions-body" });
  const fresh = h("button", { type: "button", class: "fresh", hidden: true, on: { click: showFresh } });
  const count = h("p", { class: "lede num-inline", role: "status" });
  const selection = h("div", { class: "selection", hidden: true });
  const node = h(
    "div",
    { class: "page page-fill executions-page" },
    h("header", { class: "page-head" }, h("div", { class: "page-title" }, h("h1", {}, "Executions"), count), bar.fields, bar.chips),
    h("div", { class: "executions-frame" }, fresh, body, selection),
  );

  function onselect(id, on) {
    if (on) selected.add(id);
    else selected.delete(id);
    showSelection();
  }

  function showSelection() {
    selection.hidden = selected.size === 0;
    const ids = [...selected];
    const of = (status) => ids.filter((id) => status.includes(pages.items.find((item) => item.exec_id === id)?.status));
    const ended = of(["completed", "failed", "cancelled"]);
    const open = of(["running", "waiting"]);
    fill(
      selection,
      h("span", { class: "selection-count" }, plural(selected.size, "execution"), " chosen"),
      button({ label: "Compare", icon: "compare", kind: "primary", disabled: ids.length < 2, title: ids.length < 2 ? "Choose two or more" : null, onclick: () => ctx.navigate(compareAddress(ids)) }),
      ctx.can("operator") && open.length > 0 && button({ label: `Cancel ${open.length}`, icon: "cancel", onclick: () => cancelAll(open) }),
      ctx.can("admin") && ended.length > 0 && button({ label: `Delete ${ended.length}`, icon: "trash", onclick: () => deleteAll(ended) }),
      button({ label: "Clear", kind: "quiet", onclick: clear }),
    );
  }

  function compareAddress(ids) {
    // The oldest first: the others are compared with it.
    const ordered = pages.items.filter((item) => ids.includes(item.exec_id)).map((item) => item.exec_id).reverse();
    return `/compare?${new URLSearchParams(ordered.map((id) => ["execution", id]))}`;
  }

  function clear() {
    selected.clear();
    showSelection();
    list.refresh();
    list.node.focus();
  }

  async function cancelAll(ids) {
    if (!(await confirm({ title: `Cancel ${plural(ids.length, "execution")}?`, text: "What they did stays on record; they do not go on.", confirm: "Cancel them", danger: true }))) return;
    const answers = await Promise.allSettled(ids.map((id) => send("POST", `/executions/${id}/cancel`)));
    tell(answers, "cancelled");
  }

  async function deleteAll(ids) {
    const sure = await confirm({ title: `Delete ${plural(ids.length, "execution")}?`, text: "Their journals, logs and artifacts go with them. This cannot be undone.", confirm: "Delete for good", danger: true });
    if (!sure) return;
    await send("POST", "/deletions", { executions: ids });
    toast(`${plural(ids.length, "execution")} deleted`, { tone: "good" });
    clear();
    await load();
  }

  function tell(answers, word) {
    const refused = answers.filter((answer) => answer.status === "rejected");
    if (refused.length > 0) toast(`${refused.length} of ${answers.length}: ${refused[0].reason.message}`, { tone: "bad", hint: refused[0].reason.hint });
    else toast(`${plural(answers.length, "execution")} ${word}`, { tone: "good" });
    clear();
    pages.freshen();
  }

  function activate(index, { scroll = false } = {}) {
    const before = active;
    active = Math.max(0, Math.min(index, pages.items.length - 1));
    if (scroll) list.scrollTo(active);
    list.refresh(before);
    list.refresh(active);
    list.node.setAttribute("aria-activedescendant", `execution-row-${active}`);
  }

  function changed(what) {
    list.setCount(pages.items.length);
    if (what === "rows" || what === "all") list.refresh();
    fresh.hidden = pages.waiting === 0;
    fill(fresh, `${plural(pages.waiting, "newer execution")} ↑`);
    fill(count, summary());
    const nothing = pages.done && pages.items.length === 0;
    if (nothing && body.firstChild !== none.node) fill(body, none.show());
    else if (!nothing && body.firstChild !== list.node) fill(body, list.node);
  }

  const none = {
    node: null,
    show() {
      this.node = narrowed(query)
        ? empty({ icon: "filter", title: "Nothing fits these filters", text: "Executions are there, but none that has all of this.", action: button({ label: "Clear the filters", onclick: () => ctx.setQuery({ status: null, flow: null, tag: null, since: null, q: null }) }) })
        : empty({ icon: "executions", title: "No executions yet", text: "Start a published flow here, or run one in a terminal: kitaru-host run examples/hello --arg name=you", action: h("a", { class: "button button-primary", href: "/flows" }, "Look at flows") });
      return this.node;
    },
  };

  function summary() {
    if (pages.searching) return `Searching … ${number(pages.items.length)} found in ${number(pages.seen)}`;
    if (query.get("q")) return `${plural(pages.items.length, "execution")} found in ${number(pages.seen)}`;
    if (pages.total === null) return "";
    return narrowed(query) ? `${number(pages.total)} of these` : `${number(pages.total)} in all`;
  }

  function showFresh() {
    pages.takeFresh();
    list.node.scrollTop = 0;
    activate(0);
  }

  async function load() {
    active = -1;
    try {
      await pages.open(query, { atTop: () => list.node.scrollTop < 40 });
      announce(summary());
    } catch (error) {
      if (error.name !== "AbortError") fill(body, failed(error, { retry: load }));
    }
  }

  function onkey(event) {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input, textarea, select, [role=menu]");
    if (typing) {
      if (event.key === "Escape" && typing === bar.search) {
        bar.search.value ? bar.clearSearch() : list.node.focus();
      }
      return;
    }
    const inList = list.node.contains(event.target) || event.target === document.body || event.target.id === "main";
    const moves = { j: 1, k: -1, ArrowDown: inList && 1, ArrowUp: inList && -1, PageDown: inList && 10, PageUp: inList && -10 };
    if (moves[event.key]) {
      event.preventDefault();
      list.node.focus({ preventScroll: true });
      activate(active + moves[event.key], { scroll: true });
    } else if (event.key === "/") {
      event.preventDefault();
      bar.search.focus();
      bar.search.select();
    } else if (inList && event.key === "Home") activate(0, { scroll: true });
    else if (inList && event.key === "End") activate(pages.items.length - 1, { scroll: true });
    else if (event.key === "Enter" && inList && pages.items[active]) ctx.navigate(`/executions/${pages.items[active].exec_id}`);
    else if ((event.key === "x" || (event.key === " " && inList)) && pages.items[active]) {
      event.preventDefault();
      const id = pages.items[active].exec_id;
      onselect(id, !selected.has(id));
      list.refresh(active);
      announce(selected.has(id) ? "chosen" : "not chosen");
    } else if (event.key === "Escape" && selected.size > 0) clear();
  }

  const offs = [
    live.on("execution", (event) => pages.event(event)),
    live.on("reopened", () => pages.freshen()),
  ];
  document.addEventListener("keydown", onkey);
  fill(body, skeleton(12));
  const key = ctx.query.toString();
  if (ctx.back && left?.key === key) {
    pages.restore(left.pages, ctx.query, { atTop: () => list.node.scrollTop < 40 });
    requestAnimationFrame(() => {
      list.node.scrollTop = left?.top ?? 0;
      if (left?.active >= 0) activate(left.active);
      left = null;
      pages.freshen();
    });
  } else load();
  get("/status", {}, { signal: ctx.signal }).then((status) => bar.counts(status.store?.executions), () => null);

  return {
    title: "Executions",
    node,
    update(next) {
      query = next.query;
      bar.update(query);
      load();
    },
    dispose() {
      left = { key: query.toString(), pages: pages.save(), top: list.node.scrollTop, active };
      offs.forEach((off) => off());
      document.removeEventListener("keydown", onkey);
      pages.close();
      list.dispose();
    },
  };
}
