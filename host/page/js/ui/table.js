// Tables of what is there at once. For thousands of rows there is `virtual.js`.

import { fill, h } from "../dom.js";
import { number } from "../format.js";
import { icon } from "./icons.js";

const PART = 100;

/** A table. A column is `{id, label, cell(row), align, class, sort(row)}`; `rowHref` makes the first cell lead somewhere. Long ones show a part, and more when asked. */
export function table({ label, columns, rows, empty = "Nothing here", rowHref, rowClass }) {
  let order = null;
  let most = PART;
  let sorted = rows;
  const rest = h("div", { class: "table-more" });
  const body = h("tbody");
  const heads = columns.map((column) => {
    const head = h("th", { scope: "col", class: [column.align === "end" && "num", column.class] });
    if (!column.sort) return fill(head, column.hideLabel ? h("span", { class: "visually-hidden" }, column.label) : column.label);
    return fill(head, h("button", { type: "button", class: "sort", on: { click: () => sortBy(column) } }, column.label, icon("down")));
  });

  function sortBy(column) {
    order = order?.id === column.id ? { id: column.id, sign: -order.sign } : { id: column.id, sign: 1 };
    columns.forEach((one, at) => {
      if (one.id === order.id) heads[at].setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      else heads[at].removeAttribute("aria-sort");
    });
    const keyed = rows.map((row) => [column.sort(row), row]);
    keyed.sort(([a], [b]) => order.sign * (a === b ? 0 : a === null || a === undefined ? 1 : b === null || b === undefined ? -1 : a < b ? -1 : 1));
    sorted = keyed.map(([, row]) => row);
    show();
  }

  function show() {
    const shown = sorted.slice(0, most);
    rest.hidden = sorted.length <= most;
    fill(rest, h("button", { type: "button", class: "button button-plain button-small", on: { click: more } }, `Show ${number(Math.min(PART, sorted.length - most))} more`), h("span", { class: "muted small" }, `${number(shown.length)} of ${number(sorted.length)}`));
    fill(
      body,
      shown.length === 0 && h("tr", {}, h("td", { class: "muted", colspan: columns.length }, empty)),
      shown.map((row) =>
        h(
          "tr",
          { class: rowClass?.(row) },
          columns.map((column, at) => {
            const content = column.cell(row);
            const inner = at === 0 && rowHref ? h("a", { href: rowHref(row), class: "row-link" }, content) : content;
            return h("td", { class: [column.align === "end" && "num", column.class], dataset: { label: column.label } }, inner);
          }),
        ),
      ),
    );
  }
  /** The next part; the focus goes to its first row, where there is something to go to. */
  function more() {
    const from = most;
    most += PART;
    show();
    (body.rows[from]?.querySelector("a[href], button") ?? rest.querySelector("button"))?.focus();
  }
  show();
  const scrolled = h("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": label }, h("table", { class: "table" }, h("caption", { class: "visually-hidden" }, label), h("thead", {}, h("tr", {}, heads)), body));
  return rows.length > PART ? h("div", {}, scrolled, rest) : scrolled;
}

/** Terms and what they are. Entries without anything to say are left out. */
export function facts(entries, { wide = false } = {}) {
  const shown = entries.filter((entry) => entry && entry[1] !== null && entry[1] !== undefined && entry[1] !== false);
  return h("dl", { class: ["facts", wide && "facts-wide"] }, shown.map(([term, ...details]) => h("div", { class: "fact" }, h("dt", {}, term), h("dd", {}, details))));
}
