// What an execution wrote, as it is written.

import { fill, h } from "../../dom.js";
import { clock, number, plural } from "../../format.js";
import { follow } from "../../live.js";
import { button } from "../../ui/button.js";
import { save } from "../../ui/download.js";
import { icon } from "../../ui/icons.js";
import { empty } from "../../ui/state.js";

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
const PART = 1000;

/** Text without the signs that colour terminals. */
function plainText(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "\ufffd");
}

/** The panel. `checkpoint` narrows it to one from the beginning. */
export function logsPanel(ctx, data, { checkpoint }) {
  const lines = [];
  const names = new Set();
  let level = "TRACE";
  let only = checkpoint ?? "";
  let words = "";
  let following = true;
  let pending = [];
  let scheduled = false;
  let hidden = 0;
  let most = PART;

  const rows = h("div", { class: "log-lines", role: "log", "aria-live": "off", "aria-label": "Log lines", tabIndex: 0 });
  const state = h("span", { class: "muted small", role: "status" });
  const which = h("select", { class: "input select", "aria-label": "Checkpoint", on: { change: () => ((only = which.value), redraw()) } });
  const least = h("select", { class: "input select", "aria-label": "Level", on: { change: () => ((level = least.value), redraw()) } }, [["TRACE", "All levels"], ["DEBUG", "Debug and above"], ["INFO", "Info and above"], ["WARN", "Warnings and errors"], ["ERROR", "Errors"]].map(([value, label]) => h("option", { value }, label)));
  const search = h("input", { type: "search", class: "input", placeholder: "Find in the log", "aria-label": "Find in the log", on: { input: () => ((words = search.value.toLowerCase()), redraw()) } });
  const followButton = button({ label: "Follow", icon: "follow", small: true, pressed: true, onclick: () => setFollowing(!following) });
  const node = h(
    "div",
    { class: "panel logs" },
    h("div", { class: "logs-tools" }, h("div", { class: "search" }, icon("search"), search), which, least, state, h("span", { class: "push row" }, followButton, button({ label: "Download", icon: "download", small: true, kind: "quiet", onclick: download }))),
    rows,
  );

  function fits(entry) {
    if (only === "\u0000flow" ? entry.checkpoint_name : only && entry.checkpoint_name !== only) return false;
    if (LEVELS.indexOf(entry.level) < LEVELS.indexOf(level)) return false;
    return words === "" || entry.message.toLowerCase().includes(words);
  }

  function row(entry) {
    return h("div", { class: `log-line log-${LEVELS.includes(entry.level) ? entry.level.toLowerCase() : "info"}` }, h("span", { class: "log-time" }, clock(entry.timestamp)), h("span", { class: "log-level" }, entry.level), h("span", { class: "log-source", title: `${entry.source}, ${entry.module}` }, entry.checkpoint_name ?? "flow"), h("span", { class: "log-message" }, plainText(entry.message)));
  }

  function redraw() {
    const shown = lines.filter(fits);
    hidden = Math.max(0, shown.length - most);
    pending = [];
    fill(rows, hidden > 0 && moreRow(), shown.slice(-most).map(row));
    after(shown.length);
  }

  function moreRow() {
    return h("div", { class: "log-more muted" }, `${plural(hidden, "earlier line")} not shown. `, h("button", { type: "button", class: "link-button", on: { click: earlier } }, `Show ${number(Math.min(PART, hidden))} more`));
  }

  /** The part before; what is in sight stays where it is. */
  function earlier() {
    const below = rows.scrollHeight - rows.scrollTop;
    setFollowing(false);
    most += PART;
    redraw();
    rows.scrollTop = rows.scrollHeight - below;
    rows.focus({ preventScroll: true });
  }

  function after(count) {
    if (lines.length === 0) fill(rows, h("div", { class: "log-empty" }, empty({ icon: "logs", title: "Nothing was written", text: "What checkpoints log, and print, appears here." })));
    else if (count === 0) fill(rows, h("div", { class: "log-empty" }, empty({ icon: "search", title: "No such line" })));
    if (following) rows.scrollTop = rows.scrollHeight;
    fill(state, count === undefined || count === lines.length ? plural(lines.length, "line") : `${number(count)} of ${plural(lines.length, "line")}`);
  }

  function take(value) {
    const entry = value.entry ?? value;
    lines.push(entry);
    if (entry.checkpoint_name && !names.has(entry.checkpoint_name)) {
      names.add(entry.checkpoint_name);
      options();
    }
    if (fits(entry)) pending.push(entry);
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      rows.querySelector(":scope > .log-empty")?.remove();
      rows.append(...pending.slice(-most).map(row));
      hidden += Math.max(0, pending.length - most);
      pending = [];
      let gone = rows.querySelectorAll(":scope > .log-line").length - most;
      for (; gone > 0; gone -= 1) {
        rows.querySelector(":scope > .log-line").remove();
        hidden += 1;
      }
      const told = rows.querySelector(":scope > .log-more");
      if (hidden > 0) told ? told.replaceWith(moreRow()) : rows.prepend(moreRow());
      after(only || words || level !== "TRACE" ? lines.filter(fits).length : lines.length);
    });
  }

  function options() {
    fill(which, h("option", { value: "" }, "All checkpoints"), h("option", { value: "\u0000flow" }, "The flow itself"), [...new Set([...names, ...(only && only !== "\u0000flow" ? [only] : [])])].sort().map((name) => h("option", { value: name }, name)));
    which.value = only;
  }

  function setFollowing(on) {
    following = on;
    followButton.setAttribute("aria-pressed", String(on));
    rows.setAttribute("aria-live", "off");
    if (on) rows.scrollTop = rows.scrollHeight;
  }

  function download() {
    const text = lines.map((entry) => `${entry.timestamp} ${entry.level.padEnd(5)} ${entry.checkpoint_name ?? "-"} ${entry.message}`).join("\n");
    save(`${data.execution.flow_name}-${data.execution.exec_id.slice(-8)}.log`, `${text}\n`, "text/plain");
  }

  rows.addEventListener("scroll", () => {
    const atEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < 24;
    if (!atEnd && following && rows.matches(":hover, :focus-within")) setFollowing(false);
    else if (atEnd && !following) setFollowing(true);
  }, { passive: true });

  options();
  after();
  const stream = follow(`/executions/${data.execution.exec_id}/logs/stream`, {
    events: { log: take },
    state: (word) => word === "lost" && fill(state, "Connection lost, trying again"),
  });
  return {
    node,
    narrowTo(name) {
      only = name;
      options();
      redraw();
    },
    dispose: () => stream.close(),
  };
}
