// Controls of single values. A control is `{ node, read() → value or undefined, write(value), focus(), error(message) }`; what cannot be what the schema
// wants is read as the text that was typed, so that the check says what is wrong.

import { h, uid } from "../../dom.js";
import { isLong } from "../../schema/formats.js";
import { equal } from "../../schema/equal.js";
import { frame, hintOf } from "./frame.js";

const FEW = 5;
const TYPES = { email: "email", uri: "url", url: "url", date: "date", password: "password" };

/** Text of one line or several, by its format. */
export function textControl(found, context) {
  const { schema } = found;
  const long = isLong(schema);
  const moment = found.format === "date-time";
  const shared = {
    id: uid("field"),
    class: "input",
    spellcheck: long ? "true" : "false",
    autocomplete: "off",
    placeholder: typeof schema.examples?.[0] === "string" ? schema.examples[0] : null,
    on: { input: context.changed },
  };
  const target = long
    ? h("textarea", { ...shared, class: "input textarea", rows: 5 })
    : h("input", { ...shared, type: moment ? "datetime-local" : (TYPES[found.format] ?? "text"), step: moment ? "1" : null });
  const hint = moment ? [hintOf(found), hintOf(found) ? " " : null, h("span", { class: "muted" }, `In your time zone, ${zone()}.`)] : hintOf(found);
  const framed = frame({ ...context, hint, target, control: target });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => target.focus(),
    read() {
      const text = target.value;
      if (text !== "") return moment ? asMoment(text) : text;
      if (!context.required) return undefined;
      return found.nullable ? null : "";
    },
    write(value) {
      if (moment && typeof value === "string") {
        const local = asLocal(value);
        if (local === null) target.type = "text";
        target.value = local ?? value;
      } else {
        target.value = typeof value === "string" ? value : "";
      }
    },
  };
}

function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function asMoment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toISOString().replace(".000Z", "Z");
}

function asLocal(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return null;
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** A number: typed as text, because a number field loses what it cannot read. */
export function numberControl(found, context) {
  const target = h("input", {
    id: uid("field"),
    class: "input input-number",
    type: "text",
    inputmode: found.whole && !(found.schema.minimum < 0) ? "numeric" : "decimal",
    autocomplete: "off",
    on: { input: context.changed },
  });
  const framed = frame({ ...context, hint: hintOf(found), target, control: target });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => target.focus(),
    read() {
      const text = target.value.trim();
      if (text === "") return context.required && found.nullable ? null : undefined;
      const value = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : NaN;
      return Number.isFinite(value) && !isInexact(text, value) ? value : text;
    },
    problem() {
      const text = target.value.trim();
      return isInexact(text, Number(text)) ? "A browser cannot hold this number exactly; use the command line" : null;
    },
    write(value) {
      target.value = typeof value === "number" ? String(value) : "";
    },
  };
}

/** Whether a whole number would not be what was typed. */
function isInexact(text, value) {
  return /^[-+]?\d+$/.test(text) && !Number.isSafeInteger(value);
}

/** Yes or no inside of a form: a box to tick where an answer is needed, else a choice with a way out. */
export function booleanControl(found, context) {
  if (!context.required || found.nullable) {
    const options = [
      { value: true, label: "Yes", description: null },
      { value: false, label: "No", description: null },
    ];
    return optionControl({ ...found, options }, context);
  }
  const id = uid("field");
  const target = h("input", { id, type: "checkbox", on: { change: context.changed } });
  const hint = hintOf(found);
  const hintId = uid("hint");
  const errorId = uid("error");
  const problem = h("p", { class: "field-error", id: errorId, hidden: true });
  target.setAttribute("aria-describedby", hint ? `${hintId} ${errorId}` : errorId);
  const text = h("span", { class: "schema-label" }, context.label, context.name ? h("code", { class: "schema-key", "aria-hidden": "true" }, context.name) : null);
  const node = h(
    "div",
    { class: "field" },
    h("label", { class: "schema-check", htmlFor: id }, target, text),
    hint ? h("p", { class: "field-hint", id: hintId }, hint) : null,
    problem,
  );
  return {
    node,
    error(message) {
      problem.hidden = !message;
      problem.textContent = message ?? "";
    },
    focus: () => target.focus(),
    read: () => target.checked,
    write(value) {
      target.checked = value === true;
    },
  };
}

/** One of several values: buttons side by side where they are few, else a list. */
export function optionControl(found, context) {
  const leave = !context.required ? { label: "Not given", read: undefined } : found.nullable ? { label: "Nothing", read: null } : null;
  return found.options.length <= FEW ? radios(found, context, leave) : list(found, context, leave);
}

function radios(found, context, leave) {
  const name = uid("option");
  const choices = found.options.map((option) => ({ ...option, read: option.value }));
  if (leave) choices.push({ ...leave, value: leave.read, description: null });
  const inputs = choices.map((choice, index) =>
    h("input", {
      type: "radio",
      name,
      value: String(index),
      checked: leave !== null && index === choices.length - 1,
      on: { change: context.changed },
    }),
  );
  const plain = choices.every((choice) => !choice.description);
  const control = h(
    "div",
    { class: ["options", plain && "options-row"] },
    choices.map((choice, index) =>
      h(
        "label",
        { class: "option" },
        inputs[index],
        h(
          "span",
          { class: "option-text" },
          h("span", {}, choice.label),
          choice.description ? h("span", { class: "field-hint" }, choice.description) : null,
        ),
      ),
    ),
  );
  const framed = frame({ ...context, hint: hintOf(found), target: inputs[0], control, group: true });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => (inputs.find((input) => input.checked) ?? inputs[0]).focus(),
    read() {
      const index = inputs.findIndex((input) => input.checked);
      return index < 0 ? undefined : choices[index].read;
    },
    write(value) {
      const index = choices.findIndex((choice) => choice.read !== undefined && equal(choice.read, value));
      inputs.forEach((input, place) => {
        input.checked = index < 0 ? leave !== null && place === choices.length - 1 : place === index;
      });
    },
  };
}

function list(found, context, leave) {
  const options = found.options.map((option, index) => h("option", { value: String(index) }, option.label));
  const first = h("option", { value: "", disabled: leave === null }, leave?.label ?? "Choose…");
  const target = h("select", { id: uid("field"), class: "input select", on: { change: context.changed } }, first, options);
  target.value = "";
  const framed = frame({ ...context, hint: hintOf(found), target, control: target });
  return {
    node: framed.node,
    error: framed.error,
    focus: () => target.focus(),
    read: () => (target.value === "" ? leave?.read : found.options[Number(target.value)].value),
    write(value) {
      const index = found.options.findIndex((option) => equal(option.value, value));
      target.value = index < 0 ? "" : String(index);
    },
  };
}

/** What there is no choice about; one that may be left out can be. */
export function constantControl(found, context) {
  const value = found.kind === "null" ? null : found.value;
  if (!context.required) {
    const control = booleanControl({ ...found, default: undefined, nullable: false }, { ...context, required: true });
    return {
      ...control,
      read: () => (control.read() ? value : undefined),
      write: (given) => control.write(given !== undefined && equal(given, value)),
    };
  }
  const target = h("output", { id: uid("field"), class: "schema-constant mono" }, typeof value === "string" ? value : JSON.stringify(value));
  const framed = frame({ ...context, hint: hintOf({ ...found, default: undefined }), target, control: target });
  return { node: framed.node, error: framed.error, focus: () => {}, read: () => value, write: () => {} };
}
