// Tables of what is there at once. For thousands of rows there is `virtual.js`.

import { fill, h } from "../dom.js";
import { icon } from "./icons.js";

/** A table. A column is `{id, label, cell(row), align, class, sort(row)}`; `rowHref` makes the first cell lead somewhere. */
export function table({ label, columns, rows, empty = "Nothing here", rowHref, rowClass }) {
  let order = null;
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
    show(keyed.map(([, row]) => row));
  }

  function show(shown) {
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
  show(rows);
  return h("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": label }, h("table", { class: "table" }, h("caption", { class: "visually-hidden" }, label), h("thead", {}, h("tr", {}, heads)), body));
}

/** Terms and what they are. Entries without anything to say are left out. */
export function facts(entries, { wide = false } = {}) {
  const shown = entries.filter((entry) => entry && entry[1] !== null && entry[1] !== undefined && entry[1] !== false);
  return h("dl", { class: ["facts", wide && "facts-wide"] }, shown.map(([term, ...details]) => h("div", { class: "fact" }, h("dt", {}, term), h("dd", {}, details))));
}
