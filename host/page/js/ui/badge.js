// Small signs: what state something is in, where an output came from, whose ID this is. Never by colour alone.

import { h, s } from "../dom.js";
import { shortId, title } from "../format.js";

const SHAPES = {
  running: [s0("circle", { cx: 8, cy: 8, r: 5.5, class: "glyph-track" }), s0("path", { d: "M8 2.5A5.5 5.5 0 0 1 13.5 8", class: "glyph-turning" })],
  waiting: [s0("path", { d: "M4 2.5h8M4 13.5h8M5 2.5c0 3 6 3.5 6 5.5S5 10.5 5 13.5M11 2.5C11 5.5 5 6 5 8s6 2.5 6 5.5", class: "glyph-line" })],
  completed: [s0("circle", { cx: 8, cy: 8, r: 6, class: "glyph-fill" }), s0("path", { d: "M5.2 8.2 7.2 10.2 10.9 6", class: "glyph-cut" })],
  failed: [s0("path", { d: "M5.2 2h5.600L14 5.2v5.600L10.8 14H5.200L2 10.8V5.200Z", class: "glyph-fill" }), s0("path", { d: "M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4", class: "glyph-cut" })],
  cancelled: [s0("circle", { cx: 8, cy: 8, r: 5.5, class: "glyph-line" }), s0("path", { d: "M4.2 11.8 11.8 4.2", class: "glyph-line" })],
  interrupted: [s0("circle", { cx: 8, cy: 8, r: 5.5, class: "glyph-line glyph-dashed" })],
};
SHAPES.pending = SHAPES.waiting;
SHAPES.answered = SHAPES.completed;
SHAPES.aborted = SHAPES.cancelled;
SHAPES.expired = SHAPES.cancelled;

function s0(tag, props) {
  return () => s(tag, props);
}

/** The shape of a status, without the word. */
export function glyph(word) {
  const shape = SHAPES[word] ?? SHAPES.interrupted;
  return s("svg", { class: `glyph status-${known(word)}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, shape.map((part) => part()));
}

function known(word) {
  return Object.hasOwn(SHAPES, word) ? word : "interrupted";
}

/** A status: shape and word. */
export function status(word) {
  return h("span", { class: `status status-${known(word)}` }, glyph(word), h("span", { class: "status-word" }, title(word)));
}

const PROVENANCE = {
  ran: "It ran in this execution",
  served: "Served from the record of the execution that is replayed",
  cached: "Served from the cache: the same call ran before",
  overridden: "Its output was given with the replay",
};

/** Where an output came from: solid ran here, hollow came from a record. */
export function provenance(word) {
  const shown = Object.hasOwn(PROVENANCE, word) ? word : "ran";
  return h("span", { class: `provenance provenance-${shown}`, title: PROVENANCE[shown] }, h("span", { class: "provenance-mark", "aria-hidden": "true" }), word);
}

/** A word in a box; tones: good, bad, wait, accent, none. */
export function badge(text, tone = "none") {
  return h("span", { class: `badge tone-${tone}` }, text);
}

/** A label. */
export function tag(text) {
  return h("span", { class: "tag", title: text }, text);
}

/** An ID, short; the whole of it in the title. */
export function identifier(id, href) {
  if (!id) return h("span", { class: "muted" }, "–");
  return h(href ? "a" : "span", { class: "identifier", title: id, href }, shortId(id));
}
