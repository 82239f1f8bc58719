// The journal as a time line: all calls at a glance, each in its row, one of them in detail.

import { fill, h } from "../../dom.js";
import { duration, number, plural } from "../../format.js";
import { computes, kindOf, lanes, nameOf, prepare } from "../../timeline/calls.js";
import { overview } from "../../timeline/overview.js";
import { isMostlyIdle, scale, spans } from "../../timeline/scale.js";
import { glyph } from "../../ui/badge.js";
import { button, iconButton } from "../../ui/button.js";
import { dialog } from "../../ui/dialog.js";
import { icon } from "../../ui/icons.js";
import { empty } from "../../ui/state.js";
import { virtualList } from "../../ui/virtual.js";
import { inspector } from "./inspector.js";

const WIDE = matchMedia("(min-width: 80rem)");
const NARROW = matchMedia("(max-width: 44rem)");

/** The panel. `chosen` is the index of the call that the address names. */
export function timelinePanel(ctx, data, { chosen, onchoose, onreplay, onlogs }) {
  let calls = [];
  let shown = [];
  let line = null;
  let view = [0, 1];
  let selected = chosen;
  let words = "";
  let problems = false;
  let fold = null;
  let detail = null;

  const lanesView = overview({
    onwindow(next) {
      view = next;
      zoomed();
      list.refresh();
    },
    onpick: (at) => choose(calls[at].index, { scroll: true }),
  });
  const list = virtualList({ label: "Calls", role: "grid", rowHeight: () => (NARROW.matches ? 44 : 34), header: header(), row: (at) => row(shown[at], at) });
  list.node.classList.add("calls-grid");
  const search = h("input", { type: "search", class: "input", placeholder: "Find a call", "aria-label": "Find a call by name, ID or kind", spellcheck: "false", autocomplete: "off" });
  const count = h("span", { class: "muted small num-inline", role: "status" });
  const foldButton = button({ label: "Fold waiting", icon: "pause", small: true, pressed: false, title: "Make long waiting short, so that work stays visible", onclick: () => setFold(!fold) });
  const failedButton = button({ label: "Failures", icon: "warning", small: true, pressed: false, onclick: () => {
    problems = !problems;
    failedButton.setAttribute("aria-pressed", String(problems));
    narrow();
  } });
  const fit = iconButton({ label: "All of it", icon: "fit", disabled: true, onclick: () => lanesView.setWindow([0, 1]) });
  const side = h("aside", { class: "inspector", "aria-label": "Chosen call", tabIndex: -1 });
  const tools = h(
    "div",
    { class: "timeline-tools" },
    h("div", { class: "search" }, icon("search"), search),
    failedButton,
    foldButton,
    count,
    h("div", { class: "zoom push", role: "group", "aria-label": "Zoom" }, iconButton({ label: "Zoom out", icon: "minus", onclick: () => lanesView.zoom(1.6) }), fit, iconButton({ label: "Zoom in", icon: "plus", onclick: () => lanesView.zoom(0.6) })),
  );
  const nothing = h("div", { class: "timeline-empty" });
  const main = h("div", { class: "timeline-main" }, tools, lanesView.node, legend(), list.node, nothing);
  const node = h("div", { class: "timeline" }, main, side);

  function header() {
    return h("div", { class: "call-row call-header", role: "row", "aria-rowindex": "1" }, ["#", "Call", "From", "Time line", "Took"].map((name, at) => h("div", { role: "columnheader", class: (at === 0 || at === 4) && "num" }, name)));
  }

  function row(call, at) {
    if (!call) return h("div", { role: "row", class: "call-row" });
    const [left, right] = view;
    const from = (line.at(call.start) - left) / (right - left);
    const to = (line.at(call.end) - left) / (right - left);
    const away = to < 0 ? "before" : from > 1 ? "after" : null;
    const bar = away
      ? h("span", { class: `bar-away bar-${away}` })
      : h(
          "span",
          { class: ["bar", `bar-${call.look}`, `bar-${call.status}`, call.provenance !== "ran" && `bar-${call.provenance}`, call.open && "bar-open"], style: { left: `${Math.max(0, from) * 100}%`, width: `max(3px, ${(Math.min(1, to) - Math.max(0, from)) * 100}%)` } },
          attemptMarks(call),
        );
    const node = h(
      "div",
      { class: ["call-row", call.index === selected && "call-chosen"], role: "row", id: `call-row-${at}`, "aria-selected": String(call.index === selected), on: { click: () => choose(call.index) } },
      h("div", { role: "gridcell", class: "num call-index" }, String(call.index)),
      h("div", { role: "gridcell", class: "call-name" }, glyph(call.open && (call.look === "wait" || call.look === "sleep") ? "waiting" : call.status), h("span", { class: "truncate", title: nameOf(call) }, nameOf(call)), call.look !== "step" && h("span", { class: "call-kind" }, kindOf(call)), call.attempts > 1 && h("span", { class: "call-attempts", title: plural(call.attempts, "attempt") }, `×${call.attempts}`)),
      h("div", { role: "gridcell", class: `provenance provenance-${call.provenance}` }, h("span", { class: "provenance-mark", "aria-hidden": "true" }), h("span", { class: "provenance-word" }, call.provenance)),
      h("div", { role: "gridcell", class: "call-track" }, bar),
      h("div", { role: "gridcell", class: "num call-took" }, call.open ? h("span", { dataset: { since: call.started_at } }, duration(Date.now() - call.start)) : duration(call.end - call.start)),
    );
    return node;
  }

  /** Where one attempt ended and the next began. */
  function attemptMarks(call) {
    const attempts = call.checkpoint?.attempts ?? [];
    if (attempts.length < 2) return null;
    const [from, to] = [line.at(call.start), line.at(call.end)];
    return attempts.slice(1, 20).map((attempt) => {
      const place = (line.at(Date.parse(attempt.started_at)) - from) / (to - from || 1);
      return place > 0.01 && place < 0.99 && h("span", { class: "bar-attempt", style: { left: `${place * 100}%` } });
    });
  }

  function prepareAll() {
    const { execution, journal } = data;
    const now = Date.now();
    calls = prepare(journal, execution.checkpoints, now);
    const from = Date.parse(execution.started_at);
    const last = calls.reduce((most, call) => Math.max(most, call.end), from + 1);
    const to = execution.ended_at ? Math.max(last, Date.parse(execution.ended_at)) : Math.max(last, from + 1);
    const busy = calls.filter(computes).map((call) => [call.start, call.end]);
    fold ??= isMostlyIdle(from, to, busy);
    foldButton.setAttribute("aria-pressed", String(fold));
    foldButton.hidden = !isMostlyIdle(from, to, busy) && !fold;
    line = scale(spans(from, to, busy, { fold }));
    lanesView.set({ calls, lanes: lanes(calls), scale: line });
    failedButton.hidden = !calls.some((call) => call.status === "failed");
    narrow();
    lanesView.select(calls.findIndex((call) => call.index === selected));
    if (selected !== null) detail?.update(callOf(selected));
  }

  function narrow() {
    const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (call) => (!problems || call.status === "failed") && parts.every((part) => `${nameOf(call)} ${call.name} ${call.kind} ${kindOf(call)} ${call.status} ${call.provenance} #${call.index}`.toLowerCase().includes(part));
    shown = parts.length > 0 || problems ? calls.filter(fits) : calls;
    list.node.style.height = `calc(${shown.length * (NARROW.matches ? 44 : 34)}px + 1.9375rem)`;
    list.setCount(shown.length);
    list.refresh();
    fill(count, shown.length === calls.length ? plural(calls.length, "call") : `${number(shown.length)} of ${plural(calls.length, "call")}`);
    const isEmpty = shown.length === 0;
    list.node.hidden = isEmpty;
    fill(nothing, isEmpty && (calls.length === 0 ? empty({ icon: "calls", title: "No calls yet", text: "The flow has called nothing durable so far." }) : empty({ icon: "search", title: "No such call" })));
    lanesView.node.hidden = calls.length === 0;
  }

  function zoomed() {
    fit.disabled = view[0] === 0 && view[1] === 1;
  }

  function setFold(on) {
    fold = on;
    lanesView.setWindow([0, 1], { told: false });
    view = [0, 1];
    zoomed();
    prepareAll();
  }

  function callOf(index) {
    return calls.find((call) => call.index === index) ?? null;
  }

  function choose(index, { scroll = false, told = true } = {}) {
    const call = callOf(index);
    if (!call) return;
    selected = index;
    if (told) onchoose(index);
    list.refresh();
    const at = shown.indexOf(call);
    if (at >= 0) {
      if (scroll) list.scrollTo(at);
      list.node.setAttribute("aria-activedescendant", `call-row-${at}`);
    }
    lanesView.select(calls.indexOf(call));
    showDetail(call, told);
  }

  function showDetail(call, asked) {
    detail = inspector(ctx, data, call, { onreplay, onlogs, onclose: close });
    if (WIDE.matches) {
      node.classList.add("timeline-split");
      fill(side, detail.node);
      side.scrollTop = 0;
    } else if (asked) {
      const sheet = dialog({ title: `#${call.index} ${nameOf(call)}`, side: true, body: detail.node });
      detail.sheet = sheet;
    }
  }

  function close() {
    selected = null;
    detail?.sheet?.close();
    detail = null;
    node.classList.remove("timeline-split");
    fill(side);
    list.refresh();
    lanesView.select(-1);
    onchoose(null);
    list.node.focus({ preventScroll: true });
  }

  function move(by) {
    const at = shown.findIndex((call) => call.index === selected);
    const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
    if (!next) return;
    if (WIDE.matches) choose(next.index, { scroll: true });
    else {
      selected = next.index;
      list.scrollTo(shown.indexOf(next));
      list.refresh();
      list.node.setAttribute("aria-activedescendant", `call-row-${shown.indexOf(next)}`);
      onchoose(next.index);
    }
  }

  search.addEventListener("input", () => {
    words = search.value;
    narrow();
  });
  list.node.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity }[event.key];
    if (by) {
      event.preventDefault();
      move(by);
    } else if (event.key === "Enter" && selected !== null) choose(selected);
    else if (event.key === "Escape" && selected !== null) close();
    else if (event.key === "+" || event.key === "=") lanesView.zoom(0.6);
    else if (event.key === "-") lanesView.zoom(1.6);
    else if (event.key === "0") lanesView.setWindow([0, 1]);
    else if (event.key === "ArrowLeft") lanesView.pan(-0.2);
    else if (event.key === "ArrowRight") lanesView.pan(0.2);
  });

  prepareAll();
  if (selected !== null) {
    requestAnimationFrame(() => choose(selected, { scroll: true, told: false }));
  }
  return {
    node,
    refresh: prepareAll,
    choose: (index) => choose(index, { scroll: true, told: false }),
    isChosen: (index) => index === selected,
    key(event) {
      if (event.key === "/") {
        event.preventDefault();
        search.focus();
      } else if (event.key === "j" || event.key === "k") {
        list.node.focus({ preventScroll: true });
        move(event.key === "j" ? 1 : -1);
      }
    },
    dispose() {
      lanesView.dispose();
      list.dispose();
      detail?.sheet?.close();
    },
  };
}

function legend() {
  const entries = [
    ["bar-step", "step"],
    ["bar-model", "model call"],
    ["bar-flow", "child flow"],
    ["bar-wait", "waiting"],
    ["bar-step bar-failed", "failed"],
    ["bar-step bar-served", "from a record"],
  ];
  return h("ul", { class: "call-legend", "aria-label": "Legend" }, entries.map(([style, word]) => h("li", {}, h("span", { class: `bar legend-bar ${style}`, "aria-hidden": "true" }), word)));
}

