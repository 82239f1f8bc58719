// A form made from a JSON Schema, with JSON as the other way to say the same. Whatever the form cannot show is edited as JSON, so nothing that a
// schema allows is out of reach and nothing is lost on the way between the two.

import { fill, h, uid } from "../dom.js";
import { equal } from "../schema/equal.js";
import { readable, split } from "../schema/pointer.js";
import { initial, shape } from "../schema/shape.js";
import { validate as problemsOf } from "../schema/validate.js";
import { icon } from "./icons.js";
import { control } from "./schema/control.js";
import { jsonText } from "./schema/json_text.js";
import { optionControl } from "./schema/simple.js";
import { segments } from "./tabs.js";

/** What is wrong with a value: `[{ path, message }]`, a path being a list of segments. */
export function validate(schema, value) {
  return problemsOf(schema ?? {}, value);
}

/**
 * A form for a value of `schema`.
 * `read() → { ok, value, errors }` looks without showing anything; `check()` does the same, shows what is wrong and goes to it. `showErrors` takes errors of
 * somebody else, as the host's answer has them. `write(value)` fills the form; `onchange` hears of every change. `name` is what the value is called.
 */
export function schemaForm({ schema: given, value, name = "Value", onchange } = {}) {
  const schema = given ?? {};
  const found = shape(schema);
  let strict = false;
  let mode = "form";
  const changed = () => {
    if (strict) show(read().errors);
    onchange?.();
  };
  const root = outermost(found, schema, { root: schema, label: found.title ?? name, name: null, required: true, depth: 0, changed, bare: false });
  const editor = jsonText({ rows: 8, changed, label: `${name} as JSON` });
  const general = h("ul", { class: "schema-problems field-error", id: uid("problems"), role: "alert", hidden: true });
  editor.target.setAttribute("aria-describedby", general.id);
  const place = h("div", { class: "schema-place" });
  const switcher =
    found.kind === "json"
      ? null
      : segments({
          label: "How to fill this in",
          items: [
            { id: "form", label: "Form" },
            { id: "json", label: "JSON" },
          ],
          selected: "form",
          onselect: turn,
        });
  const node = h("div", { class: "schema-form" }, switcher && h("div", { class: "schema-switch" }, switcher), place, general);

  function turn(to) {
    if (to === mode) return;
    if (to === "json") editor.write(root.read());
    else {
      const { value: typed, problem } = editor.read();
      if (problem) return refuse(problem.message, () => editor.show(problem));
      root.write(typed);
      if (typed !== undefined && !equal(root.read(), typed))
        return refuse("The form cannot show this value without losing a part of it, so it stays JSON.", () => editor.target.focus());
    }
    become(to);
    strict ? show(read().errors) : show([]);
  }

  function refuse(message, go) {
    select("json");
    general.hidden = false;
    fill(general, h("li", {}, message));
    go();
  }

  function become(to) {
    mode = to;
    fill(place, to === "json" ? editor.target : root.node);
    select(to);
  }

  function select(which) {
    for (const input of switcher?.querySelectorAll("input") ?? []) input.checked = input.value === which;
  }

  function write(value) {
    root.write(value);
    if (found.kind === "json" || (value !== undefined && !equal(root.read(), value) && !valueFits(value))) {
      editor.write(value);
      become("json");
    } else {
      become("form");
    }
  }

  /** Whether what the form makes of a value only has what the value lacks, such as boxes that are not ticked. */
  function valueFits(value) {
    return isPart(value, root.read());
  }

  function read() {
    if (mode === "json") {
      const { value, problem } = editor.read();
      if (problem) return { ok: false, value: undefined, errors: [{ path: [], message: problem.message, problem }] };
      if (value === undefined) return { ok: false, value, errors: [{ path: [], message: "A value is needed here" }] };
      const errors = validate(schema, value);
      return { ok: errors.length === 0, value, errors };
    }
    const value = root.read();
    const broken = unreadable(root);
    const errors =
      value === undefined && broken.length === 0
        ? [{ path: [], message: found.kind === "boolean" || found.kind === "enum" ? "Choose one" : "A value is needed here" }]
        : validate(schema, value);
    const all = [...broken, ...errors.filter((error) => !broken.some((one) => one.control === locate(error.path).control))];
    return { ok: all.length === 0, value, errors: all };
  }

  /** The control that a path leads to, as far as there are any, and what is left of the path. */
  function locate(path) {
    let here = root;
    for (let index = 0; index < path.length; index += 1) {
      const next = here.child?.(String(path[index]));
      if (!next) return { control: here, rest: path.slice(index) };
      here = next;
    }
    return { control: here, rest: [] };
  }

  function show(errors) {
    fill(general);
    const here = errors.map((error) => ({ ...error, path: segmentsOf(error.path) }));
    each(root, (part) => part.error(null));
    let first = null;
    if (mode === "json") {
      editor.target.toggleAttribute("aria-invalid", here.length > 0);
      fill(
        general,
        here.map(({ path, message }) =>
          h("li", {}, icon("warning"), h("span", {}, path.length > 0 ? [h("code", {}, readable(path)), " "] : null, message)),
        ),
      );
      first = here[0]?.problem ? { focus: () => editor.show(here[0].problem) } : here.length > 0 ? { focus: () => editor.target.focus() } : null;
    } else {
      const told = new Set();
      for (const error of here) {
        const { control: part, rest } = error.control ? { control: error.control, rest: [] } : locate(error.path);
        first ??= part;
        if (told.has(part)) continue;
        told.add(part);
        part.error(rest.length > 0 ? `${readable(rest)}: ${lower(error.message)}` : error.message);
      }
    }
    general.hidden = general.childElementCount === 0;
    return first;
  }

  write(value === undefined ? initial(schema) : value);
  return {
    node,
    read,
    write,
    focus: () => (mode === "json" ? editor.target.focus() : root.focus()),
    showErrors(errors) {
      show(errors)?.focus();
    },
    check() {
      const result = read();
      strict = true;
      show(result.errors)?.focus();
      return result;
    },
  };
}

/** A yes or no that stands alone is approved or declined. */
function outermost(found, schema, context) {
  if (found.kind !== "boolean" || found.nullable) return control(schema, context);
  const options = [
    { value: true, label: "Approve", description: null },
    { value: false, label: "Decline", description: null },
  ];
  return optionControl({ ...found, options }, context);
}

/** Texts that are no JSON, wherever in the form they are. */
function unreadable(root) {
  const found = [];
  each(root, (part) => {
    const message = part.parts ? null : part.problem?.();
    if (message) found.push({ path: [], message, control: part });
  });
  return found;
}

function each(part, visit) {
  visit(part);
  for (const inner of part.parts?.() ?? []) each(inner, visit);
}

function isPart(small, large) {
  if (equal(small, large)) return true;
  if (small === null || large === null || typeof small !== "object" || typeof large !== "object") return false;
  if (Array.isArray(small) || Array.isArray(large)) {
    return Array.isArray(small) && Array.isArray(large) && small.length === large.length && small.every((item, index) => isPart(item, large[index]));
  }
  return Object.keys(small).every((key) => Object.hasOwn(large, key) && isPart(small[key], large[key]));
}

function segmentsOf(path) {
  if (Array.isArray(path)) return path.map(String);
  if (typeof path !== "string" || path === "" || path === "$") return [];
  return path.startsWith("/")
    ? split(path)
    : path
        .replace(/^\$\.?/, "")
        .split(/[.[\]]+/)
        .filter(Boolean);
}

function lower(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
