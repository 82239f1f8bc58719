// A component's digest: its beginning, and all of it to copy.

import { h } from "../dom.js";
import { copyButton } from "../ui/button.js";

const SHOWN = 12;

export function digest(text) {
  if (!text) return h("span", { class: "muted" }, "–");
  const bare = String(text).replace(/^sha256:/, "");
  return h("span", { class: "digest" }, h("code", { title: bare }, bare.slice(0, SHOWN)), copyButton(bare, "Copy the digest"));
}
