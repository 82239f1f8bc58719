// Controls of objects: a field for each property, and rows for properties that have no schema of their own.

import { fill, h, uid } from "../../dom.js";
import { put } from "../../schema/equal.js";
import { button, iconButton } from "../button.js";
import { control } from "./control.js";
import { frame, hintOf, labelOf } from "./frame.js";
import { shape } from "../../schema/shape.js";

/** Fields of an object. The outermost has no frame of its own. */
export function objectControl(found, context) {
  const parts = new Map(
    found.properties.map((property) => {
      const part = shape(property.schema, context.root);
      const label = labelOf(part, property.key);
      const made = control(property.schema, {
        ...context,
        label,
        name: label === property.key ? null : property.key,
        required: property.required,
        depth: context.depth + 1,
        bare: false,
      });
      // Nobody can fill in a constant: it is there, and not shown.
      if (part.kind === "constant" && property.required) made.node.hidden = true;
      return [property.key, made];
    }),
  );
  const extra = found.extra === null ? null : extras(found, context, parts);
  const body = h(
    "div",
    { class: "schema-fields" },
    [...parts.values()].map((part) => part.node),
    extra?.node,
  );
  if (parts.size === 0 && extra === null) body.append(h("p", { class: "muted" }, "There is nothing to fill in."));
  const outer = context.depth === 0 || context.bare;
  const framed = outer ? plain(found, context, body) : frame({ ...context, hint: hintOf(found), target: body, control: body, group: true });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => (parts.size > 0 ? parts.values().next().value.focus() : extra?.focus()),
    child: (segment) => parts.get(segment) ?? extra?.child(segment),
    parts: () => [...parts.values(), ...(extra?.controls() ?? [])],
    read() {
      const value = {};
      for (const [key, part] of parts) {
        const read = part.read();
        if (read !== undefined) put(value, key, read);
      }
      extra?.read(value);
      return value;
    },
    write(value) {
      const given = value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
      for (const [key, part] of parts) part.write(Object.hasOwn(given, key) ? given[key] : undefined);
      extra?.write(Object.entries(given).filter(([key]) => !parts.has(key)));
    },
  };
}

function plain(found, context, body) {
  const problem = h("p", { class: "field-error", id: uid("error"), role: "alert", hidden: true });
  const hint = found.description && context.depth > 0 ? h("p", { class: "field-hint" }, found.description) : null;
  return {
    node: h("div", { class: "schema-object" }, hint, problem, body),
    error(message) {
      problem.hidden = !message;
      fill(problem, message);
    },
  };
}

/** Rows of a name and a value each. */
function extras(found, context, parts) {
  const rows = [];
  const list = h("div", { class: "schema-items" });
  const only = parts.size === 0;
  const add = button({
    label: only ? "Add an entry" : "Add another property",
    icon: "plus",
    small: true,
    kind: "quiet",
    onclick: () => {
      const row = insert("", undefined);
      row.name.focus();
      context.changed();
    },
  });

  function insert(key, value) {
    const name = h("input", {
      class: "input mono",
      type: "text",
      value: key,
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": "Name of the entry",
      on: { input: context.changed },
    });
    const part = control(found.extra, { ...context, label: "Value", name: null, required: true, depth: context.depth + 1, bare: true });
    part.write(value);
    const row = { name, part, node: null };
    const remove = iconButton({
      label: "Remove this entry",
      icon: "trash",
      onclick: () => {
        rows.splice(rows.indexOf(row), 1);
        row.node.remove();
        add.focus();
        context.changed();
      },
    });
    row.node = h("div", { class: "schema-entry" }, name, part.node, remove);
    rows.push(row);
    list.append(row.node);
    return row;
  }

  return {
    node: h("div", { class: "schema-extra" }, list, add),
    focus: () => add.focus(),
    controls: () => rows.map((row) => row.part),
    child: (segment) => rows.find((row) => row.name.value === segment)?.part,
    read(value) {
      for (const row of rows) {
        if (row.name.value === "" || Object.hasOwn(value, row.name.value)) continue;
        const read = row.part.read();
        if (read !== undefined) put(value, row.name.value, read);
      }
    },
    write(entries) {
      rows.length = 0;
      fill(list);
      for (const [key, value] of entries) insert(key, value);
    },
  };
}
