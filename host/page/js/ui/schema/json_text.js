// A place to type JSON: what is wrong with it is said with its line and column, and can be gone to.

import { h, uid } from "../../dom.js";
import { parse, print } from "../../schema/json_text.js";
import { equal } from "../../schema/equal.js";
import { frame, hintOf } from "./frame.js";

/** A text area for JSON: `{ node, target, read() → { value, problem }, write(value) }`; `problem` is a `JsonTextError`. Empty text has no value. */
export function jsonText({ rows = 8, changed = () => {}, label = null } = {}) {
  const target = h("textarea", {
    id: uid("json"),
    class: "input textarea mono json-text",
    rows,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-label": label,
    on: { input: changed, keydown: indent },
  });
  return {
    target,
    read() {
      if (target.value.trim() === "") return { value: undefined, problem: null };
      try {
        return { value: parse(target.value), problem: null };
      } catch (problem) {
        return { value: undefined, problem };
      }
    },
    write(value) {
      target.value = print(value);
      target.rows = Math.min(24, Math.max(rows, target.value.split("\n").length + 1));
    },
    /** Puts the cursor where something is wrong. */
    show(problem) {
      target.focus();
      target.setSelectionRange(problem.position, Math.min(problem.position + 1, target.value.length));
    },
  };
}

/** Enter keeps the indentation of the line. Tab is left alone: it must lead out of the field. */
function indent(event) {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
  const { target } = event;
  const line = target.value.slice(0, target.selectionStart).split("\n").at(-1);
  const deeper = /[[{]\s*$/.test(line) ? "  " : "";
  const spaces = /^\s*/.exec(line)[0] + deeper;
  if (spaces === "") return;
  event.preventDefault();
  target.setRangeText(`\n${spaces}`, target.selectionStart, target.selectionEnd, "end");
  target.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A control of a form for a value of which nothing is known, or too much. */
export function jsonControl(found, context) {
  const editor = jsonText({ rows: 4, changed: context.changed });
  let problem = null;
  const hint = hintOf(found) ?? "Any JSON value; text goes in double quotes.";
  const framed = frame({ ...context, hint, target: editor.target, control: editor.target });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => (problem ? editor.show(problem) : editor.target.focus()),
    read() {
      const read = editor.read();
      problem = read.problem;
      return read.value;
    },
    /** What is wrong with the text itself. */
    problem: () => editor.read().problem?.message ?? null,
    write(value) {
      if (value === undefined) editor.target.value = "";
      else if (!equal(editor.read().value, value)) editor.write(value);
    },
  };
}
