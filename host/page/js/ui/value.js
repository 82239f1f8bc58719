// A value in the form in which it is read best, with a choice where there are several.

import { safeAddress, fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { copyButton } from "./button.js";
import { empty } from "./state.js";
import { jsonTree } from "./json.js";
import { markdown } from "./markdown.js";
import { table } from "./table.js";
import { segments } from "./tabs.js";

const MOST_ROWS = 500;
const MOST_COLUMNS = 40;
const IMAGE = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/i;

/** Whether a list reads well as a table: objects that share their fields. */
export function isTabular(value) {
  if (!Array.isArray(value) || value.length < 2) return false;
  const rows = value.slice(0, 50);
  if (!rows.every((row) => row !== null && typeof row === "object" && !Array.isArray(row))) return false;
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return names.size > 0 && names.size <= MOST_COLUMNS && rows.every((row) => Object.keys(row).length * 2 >= names.size);
}

/** Whether a text looks like Markdown. */
export function isMarkdown(text) {
  return /^#{1,6} |^[-*] |^\d+\. |\*\*[^*\n]+\*\*|^```|^> |\[[^\]\n]+\]\(https?:/m.test(text) && text.length > 12;
}

/** A viewer for a value: tree, table, Markdown, image or text. */
export function valueView(value, { mediaType = null, name = "value", open = 2, source } = {}) {
  const views = viewsOf(value, mediaType, name, open, source);
  const body = h("div", { class: "value-body" });
  const show = (id) => fill(body, views.find((view) => view.id === id).render());
  show(views[0].id);
  const choice = views.length > 1 && segments({ label: "Show as", items: views, selected: views[0].id, onselect: show });
  return h("div", { class: "value" }, choice && h("div", { class: "value-tools" }, choice), body);
}

function viewsOf(value, mediaType, name, open, source) {
  const json = { id: "json", label: "Tree", render: () => jsonTree(value, { open, label: name }) };
  const kind = (mediaType ?? "").split(";")[0].trim().toLowerCase();
  if (IMAGE.test(kind) && (source || typeof value === "string")) {
    return [{ id: "image", label: "Image", render: () => imageView(source ?? `data:${kind};base64,${value}`, name) }];
  }
  if (typeof value === "string" && safeAddress(value, { images: true }) && value.startsWith("data:image/")) {
    return [{ id: "image", label: "Image", render: () => imageView(value, name) }, textOf(value, name)];
  }
  if (typeof value === "string") {
    const csv = /^text\/(csv|tab-separated-values)$/.test(kind) && csvRows(value, kind.endsWith("csv") ? "," : "\t");
    if (csv) return [{ id: "table", label: "Table", render: () => tableView(csv, name) }, textOf(value, name)];
    if (kind === "text/markdown" || isMarkdown(value)) return [{ id: "markdown", label: "Markdown", render: () => markdown(value) }, textOf(value, name)];
    return [textOf(value, name)];
  }
  if (isTabular(value)) return [{ id: "table", label: "Table", render: () => tableView(value, name) }, json];
  return [json];
}

function textOf(value, name) {
  return {
    id: "text",
    label: "Text",
    render: () =>
      value === ""
        ? h("p", { class: "muted" }, "An empty text")
        : h("div", { class: "text-value" }, h("div", { class: "json-tools" }, copyButton(value)), h("pre", { class: "pre pre-wrap", tabIndex: 0, "aria-label": name }, value)),
  };
}

/** A list of objects as a table. */
export function tableView(rows, name) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, MOST_COLUMNS);
  const cell = (value) => {
    if (value === undefined || value === null) return h("span", { class: "muted" }, value === null ? "null" : "");
    return typeof value === "object" ? h("code", {}, JSON.stringify(value).slice(0, 200)) : String(value);
  };
  const columns = names.map((id) => {
    const numeric = rows.slice(0, 50).every((row) => row[id] === null || row[id] === undefined || typeof row[id] === "number");
    return { id, label: id, align: numeric ? "end" : null, cell: (row) => cell(row[id]), sort: (row) => (typeof row[id] === "object" ? JSON.stringify(row[id]) : row[id]) };
  });
  const shown = rows.slice(0, MOST_ROWS);
  return h("div", { class: "stack-tight" }, table({ label: name, columns, rows: shown }), rows.length > shown.length && h("p", { class: "muted small" }, `The first ${shown.length} of ${rows.length} rows`));
}

/** Rows of a text with separated values; null where it has none. */
export function csvRows(text, separator) {
  const lines = [];
  let row = [];
  let part = "";
  let quoted = false;
  for (let at = 0; at < text.length && lines.length <= MOST_ROWS + 1; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') part += sign;
      else if (text[at + 1] === '"') part += text[(at += 1)];
      else quoted = false;
    } else if (sign === '"' && part === "") quoted = true;
    else if (sign === separator) {
      row.push(part);
      part = "";
    } else if (sign === "\n") {
      lines.push([...row, part.replace(/\r$/, "")]);
      row = [];
      part = "";
    } else part += sign;
  }
  if (part !== "" || row.length > 0) lines.push([...row, part]);
  const [head, ...body] = lines;
  if (!head || head.length < 2 || body.length === 0) return null;
  return body.map((cells) => Object.fromEntries(head.map((name, at) => [name || `column ${at + 1}`, cells[at] ?? ""])));
}

/** An image: shown as an image only, so that nothing in it can run. */
export function imageView(address, name) {
  const size = h("p", { class: "muted small" });
  const image = h("img", { class: "image-value", src: address, alt: name });
  image.addEventListener("load", () => fill(size, `${image.naturalWidth} × ${image.naturalHeight} pixels`));
  image.addEventListener("error", () => box.replaceChildren(empty({ icon: "image", title: "This image cannot be shown", text: "Its bytes are not those of the image that its media type names." })));
  const box = h("figure", { class: "image-box" }, image, size);
  return box;
}

/** Bytes that have no form of their own. */
export function bytesView(size, mediaType) {
  return empty({ icon: "file", title: `${bytes(size)} of ${mediaType || "bytes"}`, text: "Download it to look at it." });
}
