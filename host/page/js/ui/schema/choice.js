// Controls of values that may have one of several forms, and of groups that may be left out.

import { fill, h, uid } from "../../dom.js";
import { initial, variantOf } from "../../schema/shape.js";
import { valid } from "../../schema/validate.js";
import { control } from "./control.js";
import { frame, hintOf } from "./frame.js";

/** One of several forms: which, and then its fields. What was typed into one is kept while another is looked at. */
export function choiceControl(found, context) {
  const made = new Map();
  let chosen = 0;
  const target = h(
    "select",
    { id: uid("field"), class: "input select", on: { change: () => (show(Number(target.value)), context.changed()) } },
    found.variants.map((variant, index) => h("option", { value: String(index) }, variant.label)),
  );
  const place = h("div", { class: "schema-variant" });
  const body = h("div", { class: "schema-choice" }, target, place);
  const label = context.depth === 0 ? "Form" : context.label;
  const framed = frame({ ...context, label, hint: hintOf(found), target, control: body });

  function variant(index) {
    if (!made.has(index)) {
      const { schema, label: name } = found.variants[index];
      const part = control(schema, { ...context, label: name, name: null, required: true, depth: context.depth + 1, bare: true });
      part.write(initial(schema, context.root));
      made.set(index, part);
    }
    return made.get(index);
  }

  function show(index) {
    chosen = index;
    target.value = String(index);
    fill(place, variant(index).node);
  }
  show(0);

  return {
    node: framed.node,
    error: framed.error,
    focus: () => target.focus(),
    child: (segment) => variant(chosen).child?.(segment),
    parts: () => [variant(chosen)],
    problem: () => variant(chosen).problem?.() ?? null,
    read: () => variant(chosen).read(),
    write(value) {
      show(value === undefined ? 0 : variantOf(value, found.variants, (schema, one) => valid(schema, one, context.root)));
      if (value !== undefined) variant(chosen).write(value);
    },
  };
}

/** A group that may be left out: a box to tick before its fields are there. They are made only then, so a schema may contain itself. */
export function optionalControl(found, context, make) {
  const absent = context.required ? null : undefined;
  let inner = null;
  const id = uid("field");
  const target = h("input", { type: "checkbox", id, on: { change: toggle } });
  const place = h("div", { class: "schema-inner" });
  const remark = h("span", { class: "schema-optional" }, context.required ? "may be nothing" : "optional");
  const hint = hintOf(found);
  const hintId = uid("hint");
  const errorId = uid("error");
  const problem = h("p", { class: "field-error", id: errorId, hidden: true });
  target.setAttribute("aria-describedby", hint ? `${hintId} ${errorId}` : errorId);
  const text = h("span", { class: "schema-label" }, context.label, context.name ? h("code", { class: "schema-key" }, context.name) : null, remark);
  const node = h(
    "div",
    { class: "field" },
    h("label", { class: "schema-check", htmlFor: id }, target, text),
    hint ? h("p", { class: "field-hint", id: hintId }, hint) : null,
    problem,
    place,
  );

  function toggle() {
    if (target.checked) open().write(initial(found.schema, context.root));
    else fill(place);
    context.changed();
  }

  function open() {
    target.checked = true;
    inner ??= make({ ...context, required: true, bare: true });
    fill(place, inner.node);
    return inner;
  }

  return {
    node,
    error(message) {
      problem.hidden = !message;
      problem.textContent = message ?? "";
    },
    focus: () => target.focus(),
    child: (segment) => (target.checked ? inner?.child?.(segment) : undefined),
    parts: () => (target.checked ? [inner] : []),
    problem: () => (target.checked ? (inner.problem?.() ?? null) : null),
    read: () => (target.checked ? inner.read() : absent),
    write(value) {
      if (value === undefined || value === null) {
        target.checked = false;
        fill(place);
      } else {
        open().write(value);
      }
    },
  };
}
