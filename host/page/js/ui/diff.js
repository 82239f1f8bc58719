// What differs between two values, line by line or place by place.

import { differences } from "../compare/json_diff.js";
import { rows } from "../compare/text_diff.js";
import { fill, h } from "../dom.js";
import { plural } from "../format.js";
import { equal } from "../schema/equal.js";
import { readable } from "../schema/pointer.js";
import { print } from "../schema/json_text.js";
import { segments } from "./tabs.js";
import { valueView } from "./value.js";

const LONGEST = 400_000;
const SIGNS = { removed: "−", added: "+", same: " " };
const WORDS = { removed: "removed", added: "added", same: "" };

/** Two values compared; `undefined` where there is none. `names` are what the two are called. */
export function diffView(before, after, { names = ["before", "after"] } = {}) {
  if (before === undefined || after === undefined) {
    const [value, name] = before === undefined ? [after, names[1]] : [before, names[0]];
    if (value === undefined) return h("p", { class: "muted" }, "Neither has a value.");
    return h("div", { class: "stack-tight" }, h("p", { class: "muted small" }, `Only ${name} has it.`), valueView(value));
  }
  if (equal(before, after)) return h("div", { class: "stack-tight" }, h("p", { class: "muted small" }, "The same in both."), valueView(after));
  const texts = [textOf(before), textOf(after)];
  const asText = () => (texts[0].length + texts[1].length > LONGEST ? sideBySide(before, after, names) : textDiff(...texts, names));
  if (typeof before === "string" && typeof after === "string") return asText();
  if (before === null || after === null || typeof before !== "object" || typeof after !== "object") return asText();
  const places = differences(before, after);
  const body = h("div", {}, placesView(places, names));
  const choice = segments({
    label: "Show the difference as",
    items: [
      { id: "places", label: "Places" },
      { id: "text", label: "Text" },
    ],
    selected: "places",
    onselect: (id) => fill(body, id === "places" ? placesView(places, names) : asText()),
  });
  return h("div", { class: "stack-tight" }, choice, body);
}

function textOf(value) {
  return typeof value === "string" ? value : print(value);
}

function textDiff(before, after, names) {
  const table = h("div", { class: "diff", role: "table", "aria-label": `${names[0]} and ${names[1]} compared` });
  for (const row of rows(before, after)) table.append(row.kind === "folded" ? folded(row) : line(row));
  return h("div", { class: "diff-scroll", tabIndex: 0, role: "group", "aria-label": "Difference" }, table);
}

function line({ kind, text, parts }) {
  return h(
    "div",
    { class: `diff-line diff-${kind}`, role: "row" },
    h(
      "span",
      { class: "diff-sign", role: "cell" },
      h("span", { "aria-hidden": "true" }, SIGNS[kind]),
      h("span", { class: "visually-hidden" }, WORDS[kind]),
    ),
    h(
      "span",
      { class: "diff-text", role: "cell" },
      parts ? parts.map((part) => (part.kind === "same" ? part.text : h("mark", {}, part.text))) : text,
    ),
  );
}

function folded(row) {
  const place = h("div", { class: "diff-folded", role: "row" });
  const open = h(
    "button",
    { type: "button", class: "link-button", on: { click: () => place.replaceWith(...row.texts.map((text) => line({ kind: "same", text }))) } },
    `${plural(row.count, "line")} that are the same`,
  );
  place.append(h("span", { role: "cell" }, open));
  return place;
}

function placesView(places, names) {
  return h(
    "dl",
    { class: "diff-places" },
    places.map(({ path, kind, before, after }) =>
      h(
        "div",
        { class: "diff-place" },
        h(
          "dt",
          {},
          h("code", {}, readable(path) || "the whole"),
          kind === "changed" ? null : h("span", { class: "muted small" }, ` only in ${kind === "added" ? names[1] : names[0]}`),
        ),
        h(
          "dd",
          {},
          kind === "changed" && typeof before === "string" && typeof after === "string"
            ? textDiff(before, after, names)
            : [kind === "added" ? null : side("removed", before), kind === "removed" ? null : side("added", after)],
        ),
      ),
    ),
  );
}

function side(kind, value) {
  return h(
    "div",
    { class: `diff-line diff-${kind}` },
    h("span", { class: "diff-sign" }, h("span", { "aria-hidden": "true" }, SIGNS[kind]), h("span", { class: "visually-hidden" }, WORDS[kind])),
    h("span", { class: "diff-text" }, textOf(value)),
  );
}

function sideBySide(before, after, names) {
  return h(
    "div",
    { class: "grid-2" },
    [before, after].map((value, index) => h("div", { class: "stack-tight" }, h("p", { class: "muted small" }, names[index]), valueView(value))),
  );
}
