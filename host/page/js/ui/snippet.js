// Something to be copied whole: a command, a request, a key.

import { h } from "../dom.js";
import { copyButton } from "./button.js";

/** A block of code with a button that copies it. `set(text)` puts another text there. */
export function snippet({ label, text }) {
  let current = text;
  const code = h("code", {}, text);
  const node = h(
    "div",
    { class: "snippet" },
    h("pre", { class: "pre pre-wrap", tabIndex: 0, role: "region", "aria-label": label }, code),
    copyButton(() => current, `Copy: ${label}`),
  );
  return {
    node,
    set(next) {
      current = next;
      code.textContent = next;
    },
  };
}
