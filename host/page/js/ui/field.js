// Fields of forms: label, hint and error belong to the control, for those who see and those who hear.

import { fill, h, uid } from "../dom.js";

/** A control with its label. `error(text)` shows what is wrong, `error(null)` that nothing is. */
export function field({ label, hint, control, optional = false }) {
  control.id ||= uid("field");
  const hinted = hint && h("p", { class: "field-hint", id: uid("hint") }, hint);
  const wrong = h("p", { class: "field-error", id: uid("error"), hidden: true });
  const node = h("div", { class: "field" }, h("label", { htmlFor: control.id }, label, optional && h("span", { class: "muted" }, " optional")), hinted, control, wrong);
  const describe = (failing) => {
    const ids = [hinted && hinted.id, failing && wrong.id].filter(Boolean).join(" ");
    if (ids) control.setAttribute("aria-describedby", ids);
    else control.removeAttribute("aria-describedby");
  };
  describe(false);
  return {
    node,
    control,
    error(text) {
      wrong.hidden = !text;
      fill(wrong, text);
      if (text) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
      describe(Boolean(text));
    },
  };
}

export function input(props) {
  return h("input", { type: "text", autocomplete: "off", ...props, class: ["input", props?.class] });
}

export function textarea(props) {
  return h("textarea", { rows: 4, spellcheck: "false", ...props, class: ["input", "textarea", props?.class] });
}

/** A choice of one; options are words or `{value, label}`. */
export function select({ options, value, ...props }) {
  const entries = options.map((option) => (typeof option === "object" ? option : { value: option, label: option }));
  return h("select", { ...props, class: ["input", "select", props.class], value }, entries.map((option) => h("option", { value: option.value, selected: option.value === value }, option.label)));
}

export function checkbox({ label, checked = false, hint, ...props }) {
  const control = h("input", { type: "checkbox", checked, ...props });
  return { node: h("label", { class: "check" }, control, h("span", {}, label, hint && h("span", { class: "field-hint" }, hint))), control };
}

/** A text of JSON, checked while it is typed. */
export function jsonEditor({ value, rows = 6, label, check }) {
  const control = textarea({ rows, class: "mono", "aria-label": label, value: value === undefined ? "" : JSON.stringify(value, null, 2) });
  const wrong = h("p", { class: "field-error", id: uid("error"), hidden: true, "aria-live": "polite" });
  function read() {
    try {
      const parsed = JSON.parse(control.value);
      const problem = check?.(parsed) ?? null;
      return problem ? { ok: false, error: problem } : { ok: true, value: parsed };
    } catch (error) {
      return { ok: false, error: control.value.trim() === "" ? "A JSON value is needed here." : `This is not JSON: ${error.message.replace(/^JSON\.parse: |^Unexpected/, (found) => (found === "Unexpected" ? "unexpected" : ""))}` };
    }
  }
  function show() {
    const { ok, error } = read();
    wrong.hidden = ok;
    fill(wrong, ok ? null : error);
    if (ok) control.removeAttribute("aria-invalid");
    else control.setAttribute("aria-invalid", "true");
    return ok;
  }
  control.setAttribute("aria-describedby", wrong.id);
  control.addEventListener("input", show);
  control.addEventListener("keydown", (event) => {
    // Tab leaves the field, as everywhere; two spaces are one key away.
    if (event.key === "Enter" && !event.metaKey && !event.ctrlKey) {
      const line = control.value.slice(0, control.selectionStart).split("\n").pop();
      const indent = line.match(/^\s*/)[0] + (/[[{]\s*$/.test(line) ? "  " : "");
      if (indent) {
        event.preventDefault();
        control.setRangeText(`\n${indent}`, control.selectionStart, control.selectionEnd, "end");
        control.dispatchEvent(new Event("input"));
      }
    }
  });
  return { node: h("div", { class: "json-editor" }, control, wrong), control, read, show };
}
