// Buttons. One that starts something shows that it is busy, and says what became of it.

import { h } from "../dom.js";
import { icon as drawn } from "./icons.js";
import { toast } from "./toast.js";

/** A button; while the promise of `onclick` runs it is busy, and its error becomes a toast. */
export function button({ label, icon, kind = "plain", small = false, title, disabled = false, type = "button", pressed, describedby, onclick }) {
  const node = h(
    "button",
    {
      type,
      class: ["button", `button-${kind}`, small && "button-small"],
      title,
      disabled,
      "aria-pressed": pressed === undefined ? null : String(pressed),
      "aria-describedby": describedby,
    },
    icon && drawn(icon),
    h("span", { class: "button-label" }, label),
  );
  if (onclick) node.addEventListener("click", (event) => work(node, () => onclick(event, node)));
  return node;
}

/** Runs work for a button: busy until it is done. */
export async function work(node, task) {
  if (node.getAttribute("aria-busy") === "true") return;
  try {
    const running = task();
    if (!(running instanceof Promise)) return;
    node.setAttribute("aria-busy", "true");
    await running;
  } catch (error) {
    if (error?.name !== "AbortError") toast(error.message, { tone: "bad", hint: error.hint });
  } finally {
    node.removeAttribute("aria-busy");
  }
}

/** A button that shows only an icon. */
export function iconButton({ label, icon, onclick, disabled = false, pressed }) {
  const node = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, disabled, "aria-pressed": pressed === undefined ? null : String(pressed) },
    drawn(icon),
  );
  if (onclick) node.addEventListener("click", (event) => work(node, () => onclick(event, node)));
  return node;
}

/** A link that looks like a button. */
export function linkButton({ label, icon, href, kind = "plain", small = false }) {
  return h("a", { href, class: ["button", `button-${kind}`, small && "button-small"] }, icon && drawn(icon), h("span", { class: "button-label" }, label));
}

/** Copies a text. Without TLS, away from this machine, browsers have no clipboard but the old one. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = h("textarea", { class: "visually-hidden", value: text });
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("This browser does not let a page copy.");
}

/** Copies a text; a function is asked for it only then. */
export function copyButton(text, label = "Copy") {
  return iconButton({
    label,
    icon: "copy",
    onclick: async (_, node) => {
      await copy(typeof text === "function" ? text() : String(text));
      node.replaceChildren(drawn("check"));
      toast("Copied");
      setTimeout(() => node.replaceChildren(drawn("copy")), 1500);
    },
  });
}
