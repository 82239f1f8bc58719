// What stands where something is missing: nothing there, not there yet, or not to be had.

import { Problem } from "../api.js";
import { h } from "../dom.js";
import { button } from "./button.js";
import { icon as drawn } from "./icons.js";

/** Nothing is there, and what to do about it. */
export function empty({ icon = "info", title, text, action }) {
  return h("div", { class: "empty" }, h("div", { class: "empty-mark" }, drawn(icon)), h("p", { class: "empty-title" }, title), text && h("p", { class: "muted" }, text), action);
}

/** An error with its chain, its hint, and a way to try again. */
export function failed(error, { retry, heading = "h2" } = {}) {
  const problem = error instanceof Problem ? error : null;
  return h(
    "div",
    { class: "failed", role: "alert" },
    h("div", { class: "failed-head" }, drawn("warning"), h(heading, {}, problem?.title ?? "Something is wrong with this page")),
    h("p", {}, error.message),
    problem?.causes.length > 0 && h("ol", { class: "causes", "aria-label": "Caused by" }, problem.causes.map((cause) => h("li", {}, cause))),
    problem?.retryAfter && h("p", {}, `Try again in ${problem.retryAfter} seconds.`),
    problem?.hint && h("p", { class: "hint" }, h("strong", {}, "Hint "), problem.hint),
    h("div", { class: "row" }, retry && button({ label: "Try again", icon: "retry", onclick: retry }), problem?.kind && h("span", { class: "muted mono small" }, problem.kind)),
  );
}

/** The shape of what is to come. */
export function skeleton(lines = 6) {
  return h(
    "div",
    { class: "skeleton", role: "status", "aria-label": "Loading" },
    Array.from({ length: lines }, (_, at) => h("div", { class: `skeleton-line skeleton-${at % 4}` })),
  );
}

const ICONS = { bad: "warning", wait: "clock", good: "check", none: "info", accent: "info" };

/** Something to know, in the flow of the page. */
export function notice({ tone = "none", icon, title, text, children }) {
  return h(
    "section",
    { class: `notice tone-${tone}` },
    drawn(icon ?? ICONS[tone] ?? "info"),
    h("div", { class: "notice-body" }, title && h("h2", { class: "notice-title" }, title), text && h("p", {}, text), children),
  );
}
