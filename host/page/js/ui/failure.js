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

/** The failure, with its chain. `from` is a node that leads to the call that failed first. */
export function failureView(failure, { from, heading = "h3", title } = {}) {
  const { chain, written, rest } = chainOf(failure);
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
      from,
    ),
    h("p", { class: "failure-message" }, failure.message),
    chain.length > 0 && h("ol", { class: "causes", "aria-label": "Caused by" }, chain.map((cause) => h("li", {}, cause))),
    h("p", { class: "muted small" }, `It came from ${ORIGINS[failure.origin] ?? failure.origin}.`),
    written && h("div", { class: "stack-tight" }, h("p", { class: "muted small" }, "It wrote"), h("pre", { class: "pre pre-wrap", tabIndex: 0 }, written)),
    failure.traceback && h("details", {}, h("summary", {}, "Backtrace"), h("pre", { class: "pre", tabIndex: 0, "aria-label": "Backtrace" }, failure.traceback)),
    details && h("details", {}, h("summary", {}, "Details"), jsonTree(details, { open: 2 })),
  );
}

/** The causes that the details name, what the guest wrote, and the details without both. */
function chainOf(failure) {
  const { details } = failure;
  if (details === null || typeof details !== "object" || Array.isArray(details)) {
    return { chain: [], written: null, rest: details === null || details === undefined ? null : { details } };
  }
  const { causes, chain, trap, stderr, backtrace, ...rest } = details;
  const listed = [causes, chain].find(Array.isArray) ?? [];
  const said = [...listed, ...(typeof trap === "string" ? [trap] : [])].map((one) => (typeof one === "string" ? one : (one?.message ?? JSON.stringify(one))));
  return { chain: said, written: typeof stderr === "string" && stderr !== "" ? stderr : null, rest };
}
