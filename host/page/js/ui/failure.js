// A failure: what happened, whose it was, what led to it, and what is known beside.

import { h } from "../dom.js";
import { badge } from "./badge.js";
import { icon } from "./icons.js";
import { jsonTree } from "./json.js";

const ORIGINS = {
  user_code: "the flow's own code",
  runtime: "the runtime",
  backend: "the host",
  divergence: "code that differs from the record",
  unknown: "an unknown place",
};

/** The failure. `causes` is a node with what led to it, where that is known. */
export function failureView(failure, { causes, heading = "h3", title } = {}) {
  const { trap, written, rest } = partsOf(failure);
  const details = rest && Object.keys(rest).length > 0 ? rest : null;
  return h(
    "section",
    { class: "failure" },
    h(
      "div",
      { class: "failure-head" },
      icon("warning"),
      h(heading, {}, title ?? "Failed"),
      h("code", { class: "failure-kind" }, failure.exception_type),
      failure.retryable && badge("retryable"),
    ),
    h("p", { class: "failure-message" }, failure.message),
    trap && h("p", { class: "muted small" }, "It was stopped by a trap: ", h("code", {}, trap)),
    causes,
    h("p", { class: "muted small" }, `It came from ${ORIGINS[failure.origin] ?? failure.origin}.`),
    written && h("div", { class: "stack-tight" }, h("p", { class: "muted small" }, "It wrote"), h("pre", { class: "pre pre-wrap", tabIndex: 0 }, written)),
    failure.traceback && h("details", {}, h("summary", {}, "Backtrace"), h("pre", { class: "pre", tabIndex: 0, "aria-label": "Backtrace" }, failure.traceback)),
    details && h("details", {}, h("summary", {}, "Details"), jsonTree(details, { open: 2 })),
  );
}

/** The trap that the details name, what the guest wrote, and the details without both. */
function partsOf({ details }) {
  if (details === null || typeof details !== "object" || Array.isArray(details)) {
    return { trap: null, written: null, rest: details === null || details === undefined ? null : { details } };
  }
  const { trap, stderr, backtrace, ...rest } = details;
  return { trap: text(trap), written: text(stderr), rest };
}

/** What is no text is left out, as is an empty one. */
function text(value) {
  return typeof value === "string" && value !== "" ? value : null;
}
