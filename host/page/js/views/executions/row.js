// One execution as a row: on a wide screen in columns, on a phone in two lines.

import { h } from "../../dom.js";
import { ago, elapsed, money, shortId, title, tokens } from "../../format.js";
import { glyph, tag } from "../../ui/badge.js";

const COLUMNS = ["", "Status", "Flow", "Duration", "Tokens", "Cost", "Started"];

/** The names of the columns. */
export function header() {
  return h(
    "div",
    { class: "execution-row execution-header", role: "row", "aria-rowindex": "1" },
    COLUMNS.map((name, at) => h("div", { role: "columnheader", class: at > 2 && at < 6 && "num" }, name || h("span", { class: "visually-hidden" }, "Chosen"))),
  );
}

/** Why it is as it is, in a line. */
function reason(item) {
  if (item.failure) return h("span", { class: "execution-reason status-failed" }, item.failure.message);
  if (item.pending_wait) return h("span", { class: "execution-reason status-waiting" }, item.pending_wait.question ?? `waits for ${item.pending_wait.name}`);
  if (item.status === "waiting" && item.wakes_at) return h("span", { class: "execution-reason status-waiting" }, "goes on ", ago(item.wakes_at));
  if (item.original_exec_id) return h("span", { class: "execution-reason" }, "replay of ", shortId(item.original_exec_id));
  if (item.parent_exec_id) return h("span", { class: "execution-reason" }, "child of ", shortId(item.parent_exec_id));
  return null;
}

/** A row. */
export function row(item, { index, active, selected, onselect, onclick }) {
  if (!item) return h("div", { role: "row", class: "execution-row" });
  const href = `/executions/${item.exec_id}`;
  const box = h("input", { type: "checkbox", checked: selected, tabIndex: -1, "aria-label": `Choose ${item.flow_name} ${shortId(item.exec_id)}` });
  const node = h(
    "div",
    { class: ["execution-row", active && "execution-active"], role: "row", id: `execution-row-${index}`, "aria-selected": String(selected) },
    h("div", { role: "gridcell", class: "cell-choose" }, h("label", { class: "choose" }, box)),
    h("div", { role: "gridcell", class: `cell-status status status-${item.status}` }, glyph(item.status), h("span", { class: "status-word" }, title(item.status))),
    h(
      "div",
      { role: "gridcell", class: "cell-flow" },
      h("div", { class: "flow-line" }, h("a", { href, class: "execution-link", tabIndex: -1 }, item.flow_name), item.tags.slice(0, 4).map(tag)),
      h("div", { class: "flow-line flow-sub" }, h("span", { class: "identifier", title: item.exec_id }, shortId(item.exec_id)), reason(item)),
    ),
    h("div", { role: "gridcell", class: "cell-duration num" }, elapsed(item.started_at, item.ended_at)),
    h("div", { role: "gridcell", class: "cell-tokens num" }, tokens(item.total_tokens)),
    h("div", { role: "gridcell", class: "cell-cost num" }, money(item.cost_usd)),
    h("div", { role: "gridcell", class: "cell-started" }, ago(item.started_at)),
  );
  box.addEventListener("change", () => {
    onselect(item.exec_id, box.checked);
    node.setAttribute("aria-selected", String(box.checked));
  });
  node.addEventListener("click", (event) => {
    if (event.target.closest("a, label, input")) return;
    onclick();
    // The whole row leads there, unless somebody marks its text.
    if (!String(getSelection())) node.querySelector("a").click();
  });
  return node;
}
