// What a flow asks and what it says about that, as people read it.

import { h } from "../dom.js";
import { title } from "../format.js";
import { facts } from "../ui/table.js";
import { valueView } from "../ui/value.js";

const LONGEST_HEADING = 200;

/** A question in one line: flows may ask with a whole document. */
export function questionLine(wait) {
  const text = (wait.question ?? "")
    .split("\n")
    .map((line) => line.replace(/^(#{1,6}|[-*>]|\d+\.)\s+/, "").trim())
    .find((line) => line !== "");
  return text || title(wait.name || "May it go on?");
}

/** The question as a heading, and the rest of it where it is more than a heading can be. */
export function questionText(wait, tag = "h2") {
  const question = (wait.question ?? "").trim();
  const long = question.includes("\n") || question.length > LONGEST_HEADING;
  const heading = h(tag, { class: "question-text", tabIndex: -1 }, long ? title(wait.name || "A question") : questionLine(wait));
  return {
    heading,
    body: long
      ? h("div", { class: "question-long", tabIndex: 0, role: "region", "aria-label": "The question" }, valueView(question, { name: "question" }))
      : null,
  };
}

/** Whether there is anything to show. */
export function hasContent(metadata) {
  return metadata !== null && metadata !== undefined && !(typeof metadata === "object" && Object.keys(metadata).length === 0);
}

/** Properties of an object: short ones side by side, the others one below the other, so that a text is read as one. */
export function contextView(metadata) {
  if (typeof metadata !== "object" || Array.isArray(metadata)) return valueView(metadata);
  const entries = Object.entries(metadata);
  const short = entries.filter(([, value]) => isShort(value));
  return [
    short.length > 0 ? facts(short.map(([key, value]) => [title(key), String(value)])) : null,
    entries
      .filter(([, value]) => !isShort(value))
      .map(([key, value]) =>
        h(
          "div",
          { class: "context-entry" },
          h("h3", { class: "context-key" }, title(key)),
          isLine(value) ? h("p", { class: "context-text" }, value) : valueView(value, { name: key }),
        ),
      ),
  ];
}

function isShort(value) {
  return typeof value === "number" || typeof value === "boolean" || (isLine(value) && value.length < 60);
}

function isLine(value) {
  return typeof value === "string" && !value.includes("\n") && value.length < 500;
}
