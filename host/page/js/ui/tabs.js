// Tabs, by the pattern that screen readers know; and a choice of few.

import { fill, h, uid } from "../dom.js";
import { compact } from "../format.js";

/** Tabs. `render` of an item is called when it is shown first, and gives a node. */
export function tabs({ label, items, selected, onselect }) {
  const made = new Map();
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label });
  const panels = h("div", { class: "tab-panels" });
  const entries = items.map((item) => {
    const count = h("span", { class: "tab-count" });
    const tab = h(
      "button",
      { type: "button", role: "tab", id: uid("tab"), class: "tab", "aria-selected": "false", tabIndex: -1, on: { click: () => choose(item.id, true) } },
      item.label,
      count,
    );
    const panel = h("div", { role: "tabpanel", id: uid("panel"), "aria-labelledby": tab.id, hidden: true, class: "tab-panel", tabIndex: -1 });
    tab.setAttribute("aria-controls", panel.id);
    list.append(tab);
    panels.append(panel);
    return { item, tab, panel, count };
  });

  function setCount(id, count) {
    const entry = entries.find((one) => one.item.id === id);
    if (entry) fill(entry.count, count === null || count === undefined ? null : compact(count));
  }

  function choose(id, told) {
    const chosen = entries.find((one) => one.item.id === id) ?? entries[0];
    for (const entry of entries) {
      const is = entry === chosen;
      entry.tab.setAttribute("aria-selected", String(is));
      entry.tab.tabIndex = is ? 0 : -1;
      entry.panel.hidden = !is;
    }
    if (!made.has(chosen.item.id)) {
      made.set(chosen.item.id, true);
      fill(chosen.panel, chosen.item.render());
    }
    chosen.item.shown?.();
    requestAnimationFrame(() => reveal(chosen.tab));
    if (told) {
      onselect?.(chosen.item.id);
    }
  }

  /** Brings a tab into sight in its row, without moving the page. */
  function reveal(tab) {
    const row = list.parentNode;
    if (tab.offsetLeft < row.scrollLeft) row.scrollLeft = tab.offsetLeft - 16;
    else if (tab.offsetLeft + tab.offsetWidth > row.scrollLeft + row.clientWidth) row.scrollLeft = tab.offsetLeft + tab.offsetWidth - row.clientWidth + 16;
  }

  list.addEventListener("keydown", (event) => {
    const at = entries.findIndex((entry) => entry.tab === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const entry = entries[(to + entries.length) % entries.length];
    entry.tab.focus();
    choose(entry.item.id, true);
  });

  for (const { item } of entries) setCount(item.id, item.count);
  choose(selected, false);
  return { node: h("div", { class: "tabbed" }, h("div", { class: "tabs-scroll" }, list), panels), select: (id) => choose(id, false), setCount };
}

/** One of a few, side by side. */
export function segments({ label, items, selected, onselect }) {
  const name = uid("segment");
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "visually-hidden" }, label),
    items.map((item) =>
      h(
        "label",
        { class: "segment" },
        h("input", { type: "radio", name, value: item.id, checked: item.id === selected, class: "visually-hidden", on: { change: () => onselect(item.id) } }),
        h("span", {}, item.label),
      ),
    ),
  );
}
