// Controls of lists: rows that can be added, moved and removed; boxes to tick; and lists of fixed length.

import { fill, h, uid } from "../../dom.js";
import { equal } from "../../schema/equal.js";
import { initial, shape } from "../../schema/shape.js";
import { button, iconButton } from "../button.js";
import { announce } from "../toast.js";
import { control } from "./control.js";
import { frame, hintOf, labelOf } from "./frame.js";

/** A list of any length. An empty one that is not required is not given. */
export function arrayControl(found, context) {
  const rows = [];
  const list = h("ol", { class: "schema-items" });
  const least = found.schema.minItems ?? 0;
  const most = found.schema.maxItems ?? Infinity;
  const add = button({ label: "Add an item", icon: "plus", small: true, kind: "quiet", onclick: () => grow(initial(found.items, context.root)) });
  const body = h("div", { class: "schema-list" }, list, add);
  const framed = frame({ ...context, hint: hintOf(found), target: body, control: body, group: true });

  function insert(value) {
    const part = control(found.items, { ...context, label: "Item", name: null, required: true, depth: context.depth + 1, bare: true });
    part.write(value);
    const row = { part };
    row.up = iconButton({ label: "Move up", icon: "up", onclick: () => move(row, -1) });
    row.down = iconButton({ label: "Move down", icon: "down", onclick: () => move(row, 1) });
    row.remove = iconButton({ label: "Remove", icon: "trash", onclick: () => drop(row) });
    row.node = h(
      "li",
      { class: "schema-item" },
      h("div", { class: "schema-item-body" }, part.node),
      h("div", { class: "schema-item-actions" }, row.up, row.down, row.remove),
    );
    rows.push(row);
    list.append(row.node);
    return row;
  }

  function number() {
    rows.forEach((row, index) => {
      row.node.setAttribute("aria-label", `Item ${index + 1} of ${rows.length}`);
      row.up.disabled = index === 0;
      row.down.disabled = index === rows.length - 1;
      for (const [which, label] of [
        ["up", "Move up"],
        ["down", "Move down"],
        ["remove", "Remove"],
      ])
        row[which].setAttribute("aria-label", `${label}: item ${index + 1}`);
    });
    add.disabled = rows.length >= most;
  }

  function grow(value) {
    const row = insert(value);
    number();
    row.part.focus();
    context.changed();
  }

  function move(row, by) {
    const index = rows.indexOf(row);
    rows.splice(index, 1);
    rows.splice(index + by, 0, row);
    list.append(...rows.map((one) => one.node));
    number();
    (by < 0 ? row.up : row.down).disabled ? (by < 0 ? row.down : row.up).focus() : (by < 0 ? row.up : row.down).focus();
    announce(`Moved to place ${index + by + 1} of ${rows.length}`);
    context.changed();
  }

  function drop(row) {
    const index = rows.indexOf(row);
    rows.splice(index, 1);
    row.node.remove();
    number();
    (rows[Math.min(index, rows.length - 1)]?.remove ?? add).focus();
    announce(`Removed; ${rows.length} left`);
    context.changed();
  }

  return {
    node: framed.node,
    error: framed.error,
    focus: () => (rows[0] ? rows[0].part.focus() : add.focus()),
    child: (segment) => rows[Number(segment)]?.part,
    parts: () => rows.map((row) => row.part),
    read() {
      if (rows.length === 0 && !context.required) return undefined;
      if (rows.length === 0 && found.nullable) return null;
      return rows.map((row) => row.part.read() ?? null);
    },
    write(value) {
      rows.length = 0;
      fill(list);
      const items = Array.isArray(value)
        ? value
        : Array.from({ length: context.required ? Math.min(least, 20) : 0 }, () => initial(found.items, context.root));
      for (const item of items) insert(item);
      number();
    },
  };
}

/** A list of fixed places. */
export function tupleControl(found, context) {
  const parts = found.prefix.map((schema, index) => {
    const part = shape(schema, context.root);
    return control(schema, { ...context, label: labelOf(part, index), name: null, required: true, depth: context.depth + 1, bare: false });
  });
  const body = h(
    "div",
    { class: "schema-fields" },
    parts.map((part) => part.node),
  );
  const framed = frame({ ...context, hint: hintOf(found), target: body, control: body, group: true });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => parts[0].focus(),
    child: (segment) => parts[Number(segment)],
    parts: () => parts,
    read() {
      const values = parts.map((part) => part.read());
      if (!context.required && values.every((value) => value === undefined || value === "" || value === null)) return undefined;
      return values.map((value) => value ?? null);
    },
    write: (value) => parts.forEach((part, index) => part.write(Array.isArray(value) ? value[index] : undefined)),
  };
}

/** Any of several values, each at most once: boxes to tick. */
export function choicesControl(found, items, context) {
  const boxes = items.options.map((option) => {
    const id = uid("field");
    const box = h("input", { type: "checkbox", id, on: { change: context.changed } });
    return {
      box,
      option,
      node: h(
        "label",
        { class: "option", htmlFor: id },
        box,
        h(
          "span",
          { class: "option-text" },
          h("span", {}, option.label),
          option.description ? h("span", { class: "field-hint" }, option.description) : null,
        ),
      ),
    };
  });
  const control = h(
    "div",
    { class: ["options", items.options.every((option) => !option.description) && "options-row"] },
    boxes.map((entry) => entry.node),
  );
  const framed = frame({ ...context, hint: hintOf(found), target: boxes[0].box, control, group: true });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => boxes[0].box.focus(),
    read() {
      const chosen = boxes.filter((entry) => entry.box.checked).map((entry) => entry.option.value);
      return chosen.length === 0 && !context.required ? undefined : chosen;
    },
    write(value) {
      for (const { box, option } of boxes) box.checked = Array.isArray(value) && value.some((one) => equal(one, option.value));
    },
  };
}
