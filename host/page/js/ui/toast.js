// Short messages, and what screen readers are told.

import { h } from "../dom.js";
import { icon } from "./icons.js";

const ICONS = { good: "check", bad: "warning", note: "info" };

/** Says something for a while. What went wrong stays until it is closed. */
export function toast(text, { tone = "note", hint, action } = {}) {
  const close = () => node.remove();
  const node = h(
    "div",
    { class: ["toast", `tone-${tone}`], role: tone === "bad" ? "alert" : "status" },
    icon(ICONS[tone]),
    h("div", { class: "toast-text" }, h("p", {}, text), hint && h("p", { class: "muted" }, `Hint: ${hint}`)),
    action && h("button", { type: "button", class: "button button-quiet button-small", on: { click: () => (close(), action.onclick()) } }, action.label),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: close } }, icon("close")),
  );
  const shelf = document.getElementById("toasts");
  while (shelf.childElementCount > 3) shelf.firstElementChild.remove();
  shelf.append(node);
  if (tone !== "bad") setTimeout(close, 5000);
  return close;
}

/** Tells screen readers something that others see. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
