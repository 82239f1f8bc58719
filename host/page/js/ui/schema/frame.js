// What is around a control of a form: its label, what is said about it, and what is wrong with it, tied together for screen readers.

import { fill, h, uid } from "../../dom.js";
import { title } from "../../format.js";
import { icon } from "../icons.js";

/** What people read as the name of a property. */
export function labelOf(found, key) {
  return found.title ?? (/^\d+$/.test(String(key)) ? `Item ${Number(key) + 1}` : title(key));
}

/**
 * A control with its label. `target` is the element that gets the focus; a group of several (`group`) is a fieldset with a legend instead.
 * `remark` is a node beside the label; of a `bare` one the label is only heard.
 */
export function frame({ label, name, hint, target, control, required, group = false, bare = false, remark = null }) {
  const hintId = uid("hint");
  const errorId = uid("error");
  const problem = h("p", { class: "field-error", id: errorId, hidden: true });
  const said = hint ? h("p", { class: "field-hint", id: hintId }, hint) : null;
  const optional = required || bare ? null : h("span", { class: "schema-optional" }, "optional");
  const texts = [
    h("span", { class: bare ? "visually-hidden" : null }, label),
    name ? h("code", { class: "schema-key", "aria-hidden": "true" }, name) : null,
    optional,
    remark,
  ];
  const node = group
    ? h("fieldset", { class: "field schema-group" }, h("legend", { class: "schema-label" }, texts), said, control, problem)
    : h("div", { class: "field" }, h("label", { class: "schema-label", htmlFor: (target.id ||= uid("field")) }, texts), said, control, problem);
  const described = group ? node : target;
  described.setAttribute("aria-describedby", [said && hintId, errorId].filter(Boolean).join(" "));
  if (required && target.matches("input, select, textarea")) target.setAttribute("aria-required", "true");
  return {
    node,
    error(message) {
      problem.hidden = !message;
      fill(problem, message ? [icon("warning"), h("span", {}, message)] : null);
      if (message) target.setAttribute("aria-invalid", "true");
      else target.removeAttribute("aria-invalid");
    },
  };
}

/** What is said about a value beside its description: its default, and its limits. */
export function hintOf(found) {
  const { schema } = found;
  const limits = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) limits.push(`${schema.minimum} to ${schema.maximum}`);
  else if (schema.minimum !== undefined) limits.push(schema.minimum === 0 ? null : `at least ${schema.minimum}`);
  else if (schema.maximum !== undefined) limits.push(`at most ${schema.maximum}`);
  if (schema.maxLength !== undefined) limits.push(`at most ${schema.maxLength} characters`);
  if (found.kind !== "object" && found.kind !== "array" && found.default !== undefined && found.default !== null && found.default !== "") {
    limits.push(`default ${typeof found.default === "string" ? found.default : JSON.stringify(found.default)}`);
  }
  if (found.deprecated) limits.push("no longer used");
  const more = limits.filter(Boolean).join(" · ");
  if (!found.description) return more === "" ? null : sentence(more);
  return more === "" ? found.description : [found.description, " ", h("span", { class: "muted" }, `(${more})`)];
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
