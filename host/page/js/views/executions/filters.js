// What the list is narrowed to. It stands in the address, so that it can be kept and shared.

import { get } from "../../api.js";
import { fill, h } from "../../dom.js";
import { compact } from "../../format.js";
import { glyph } from "../../ui/badge.js";
import { iconButton } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";

const STATUSES = ["running", "waiting", "failed", "completed", "cancelled"];
const SPANS = [
  ["", "Any time"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
];
const UNITS = { h: 3_600_000, d: 86_400_000 };

/** The moment that a span such as `24h` begins at; null where there is none. */
export function since(span) {
  const found = /^(\d{1,5})([hd])$/.exec(span ?? "");
  return found ? new Date(Date.now() - Number(found[1]) * UNITS[found[2]]).toISOString() : null;
}

/** The words of a field, between commas. */
function words(field) {
  return field.value.split(",").map((part) => part.trim()).filter(Boolean);
}

/** Whether a query leaves anything out. */
export function narrowed(query) {
  return ["status", "flow", "tag", "since", "q", "original", "parent"].some((name) => query.get(name));
}

/** The bar above the list. */
export function filters(ctx, { onsearch }) {
  const chips = new Map();
  const statuses = h("div", { class: "chips", role: "group", "aria-label": "Status" }, chip("", "All"), STATUSES.map((word) => chip(word, word)));
  const search = h("input", { type: "search", class: "input", placeholder: "Search", "aria-label": "Search by flow, ID, label, question or failure", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false" });
  const flow = h("select", { class: "input select filter-flow", "aria-label": "Flow", on: { change: () => ctx.setQuery({ flow: flow.value || null }, { replace: false }) } });
  const span = h("select", { class: "input select filter-since", "aria-label": "Started", on: { change: () => ctx.setQuery({ since: span.value || null }, { replace: false }) } }, SPANS.map(([value, label]) => h("option", { value }, label)));
  const label = h("input", { type: "text", class: "input filter-tag", placeholder: "Label", "aria-label": "Label", autocomplete: "off", spellcheck: "false", on: { change: () => asks("tag", words(label), { replace: false }) } });
  const lineage = h("span", { class: "filter-lineage", hidden: true });
  // What the fields asked for themselves: what stands in them then is left as it was typed. Any other change, such as by going back, is shown in them.
  const asked = { q: "", tag: "" };
  let flows = [];
  let timer = null;

  function asks(name, value, ...how) {
    asked[name] = [value ?? ""].flat().join(", ");
    if (name === "q") onsearch(value);
    else ctx.setQuery({ [name]: value }, ...how);
  }

  function follows(field, name, value) {
    if (value === asked[name]) return;
    asked[name] = value;
    field.value = value;
  }

  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => asks("q", search.value.trim() || null), 250);
  });

  function chip(word, text) {
    const count = h("span", { class: "chip-count" });
    const node = h("button", { type: "button", class: "chip", "aria-pressed": "false", on: { click: () => ctx.setQuery({ status: word || null }, { replace: false }) } }, word && glyph(word), h("span", {}, text.charAt(0).toUpperCase() + text.slice(1)), count);
    chips.set(word, { node, count });
    return node;
  }

  function flowOptions() {
    const chosen = ctxQuery.get("flow") ?? "";
    const names = [...new Set([...flows, ...(chosen ? [chosen] : [])])].sort();
    fill(flow, h("option", { value: "" }, "All flows"), names.map((name) => h("option", { value: name }, name)));
    flow.value = chosen;
  }

  let ctxQuery = ctx.query;
  function update(query) {
    ctxQuery = query;
    for (const [word, { node }] of chips) node.setAttribute("aria-pressed", String((query.get("status") ?? "") === word));
    follows(search, "q", query.get("q") ?? "");
    follows(label, "tag", query.getAll("tag").join(", "));
    span.value = query.get("since") ?? "";
    flowOptions();
    const of = query.get("original") ?? query.get("parent");
    lineage.hidden = !of;
    fill(lineage, of && [query.get("original") ? "Replays of " : "Children of ", h("code", {}, of.slice(-8)), iconButton({ label: "Of any", icon: "close", onclick: () => ctx.setQuery({ original: null, parent: null }) })]);
  }
  update(ctx.query);
  // Flows that were run without being published are found by what ran.
  get("/statistics", { group_by: "flow", metrics: "statuses", max_groups: 500 }, { signal: ctx.signal }).then((answer) => {
    flows = answer.groups.map((group) => group.keys.flow).filter(Boolean);
    flowOptions();
  }, () => null);

  return {
    chips: statuses,
    fields: h("div", { class: "filters" }, lineage, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), flow, label, span),
    search,
    update,
    clearSearch() {
      search.value = "";
      asks("q", null);
    },
    /** How many there are of each status. */
    counts(counts) {
      for (const [word, { count }] of chips) if (counts?.[word]) fill(count, compact(counts[word]));
    },
  };
}
