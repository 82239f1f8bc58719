// A JSON value as a tree. Branches are made when they are opened, and long ones in parts.

import { fill, h } from "../dom.js";
import { plural } from "../format.js";
import { copyButton } from "./button.js";

const PART = 100;
const LONG_TEXT = 400;

/** The tree of a value; `open` levels are open at first. */
export function jsonTree(value, { open = 1, label = "Value" } = {}) {
  return h("div", { class: "json", role: "group", "aria-label": label }, h("div", { class: "json-tools" }, copyButton(() => JSON.stringify(value, null, 2), "Copy as JSON")), branch(null, value, open));
}

function branch(key, value, open) {
  const named = key !== null && h("span", { class: typeof key === "number" ? "json-index" : "json-key" }, typeof key === "number" ? String(key) : key);
  if (value === null || typeof value !== "object") return h("div", { class: "json-leaf" }, named, leaf(value));
  const entries = Array.isArray(value) ? value.map((item, at) => [at, item]) : Object.entries(value);
  const [left, right] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return h("div", { class: "json-leaf" }, named, h("span", { class: "json-mark" }, left + right));
  const inner = h("div", { class: "json-inner" });
  let made = 0;
  const more = () => {
    const part = entries.slice(made, made + PART).map(([name, item]) => branch(name, item, open - 1));
    made += part.length;
    inner.querySelector(":scope > .json-more")?.remove();
    inner.append(...part);
    const rest = entries.length - made;
    if (rest > 0) inner.append(h("button", { type: "button", class: "json-more link-button", on: { click: more } }, `${plural(rest, "more item")}`));
  };
  const node = h(
    "details",
    { class: "json-branch" },
    h("summary", {}, named, h("span", { class: "json-mark" }, left), h("span", { class: "json-brief" }, brief(value, entries)), h("span", { class: "json-mark json-close" }, right)),
    inner,
  );
  node.addEventListener("toggle", () => node.open && made === 0 && more());
  if (open > 0) {
    more();
    node.open = true;
  }
  return node;
}

/** What a closed branch holds, in a few words. */
function brief(value, entries) {
  if (Array.isArray(value)) return plural(entries.length, "item");
  const names = entries.slice(0, 4).map(([name]) => name).join(", ");
  return entries.length > 4 ? `${names}, …` : names;
}

function leaf(value) {
  if (typeof value !== "string") return h("span", { class: `json-${value === null ? "null" : typeof value}` }, String(value));
  if (value.length <= LONG_TEXT) return h("span", { class: "json-string" }, value);
  const shown = h("span", { class: "json-string" }, `${value.slice(0, LONG_TEXT)}…`);
  const all = h("button", { type: "button", class: "link-button", on: { click: () => (fill(shown, value), all.remove()) } }, `all ${plural(value.length, "character")}`);
  return h("span", {}, shown, " ", all);
}
