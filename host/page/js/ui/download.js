// Things to keep.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** A name that every file system takes. */
export function fileName(name, ending = "") {
  const safe = String(name).replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 80);
  return (safe || "download") + ending;
}

/** Hands a content to the browser as a file. */
export function save(name, content, mediaType = "application/json") {
  const address = URL.createObjectURL(new Blob([content], { type: mediaType }));
  const anchor = h("a", { href: address, download: fileName(name) });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** A link to an address of the API that is downloaded. */
export function downloadLink({ label, href, name }) {
  return h("a", { class: "button button-quiet button-small", href, download: fileName(name) }, icon("download"), h("span", { class: "button-label" }, label));
}
