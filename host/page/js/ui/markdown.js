// Markdown as nodes. What it does not know stays text, and markup in it is text too: no part of it can become an element that is not made here.

import { h, safeAddress } from "../dom.js";

const DEEPEST = 12;

/** A document. */
export function markdown(text) {
  return h("div", { class: "markdown" }, blocks(String(text).replace(/\r\n?/g, "\n").split("\n"), 0));
}

function blocks(lines, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (line.trim() === "") {
      at += 1;
      continue;
    }
    const fence = line.match(/^ {0,3}(`{3,}|~{3,})\s*([\w+-]*)/);
    if (fence) {
      const code = [];
      at += 1;
      while (at < lines.length && !lines[at].trim().startsWith(fence[1])) code.push(lines[at++]);
      at += 1;
      out.push(h("pre", { class: "pre", dataset: { language: fence[2] || "text" } }, h("code", {}, code.join("\n"))));
      continue;
    }
    const heading = line.match(/^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/);
    if (heading) {
      // One level down twice: the page has its own first and second.
      out.push(h(`h${Math.min(6, heading[1].length + 2)}`, { class: `markdown-h${heading[1].length}` }, inline(heading[2])));
      at += 1;
      continue;
    }
    if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push(h("hr"));
      at += 1;
      continue;
    }
    if (/^ {0,3}>/.test(line) && depth < DEEPEST) {
      const quoted = [];
      while (at < lines.length && /^ {0,3}>/.test(lines[at])) quoted.push(lines[at++].replace(/^ {0,3}> ?/, ""));
      out.push(h("blockquote", {}, blocks(quoted, depth + 1)));
      continue;
    }
    if (ITEM.test(line) && depth < DEEPEST) {
      const [list, next] = listAt(lines, at, depth);
      out.push(list);
      at = next;
      continue;
    }
    if (line.includes("|") && /^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$/.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) {
      const rows = [line];
      at += 2;
      while (at < lines.length && lines[at].includes("|")) rows.push(lines[at++]);
      out.push(tableOf(rows));
      continue;
    }
    const paragraph = [];
    while (at < lines.length && lines[at].trim() !== "" && (paragraph.length === 0 || !/^ {0,3}(#{1,6}\s|>|`{3,}|~{3,})/.test(lines[at])) && !(paragraph.length > 0 && ITEM.test(lines[at]))) paragraph.push(lines[at++]);
    out.push(h("p", {}, paragraph.map((part, index) => [index > 0 && (/ {2}$|\\$/.test(paragraph[index - 1]) ? h("br") : "\n"), inline(part.replace(/\s+$|\\$/, ""))])));
  }
  return out;
}

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

function listAt(lines, start, depth) {
  const [, indent, sign] = lines[start].match(ITEM);
  const ordered = /\d/.test(sign);
  const items = [];
  let at = start;
  while (at < lines.length) {
    const item = lines[at].match(ITEM);
    if (!item || item[1].length !== indent.length || /\d/.test(item[2]) !== ordered) break;
    const inside = indent.length + item[2].length + 1;
    const own = [item[3]];
    at += 1;
    while (at < lines.length && (lines[at].trim() === "" ? /^\s{2,}\S/.test(lines[at + 1] ?? "") : leading(lines[at]) > indent.length)) own.push(lines[at++].slice(Math.min(inside, leading(lines[at - 1]))));
    const task = own[0].match(/^\[([ xX])\]\s+(.*)$/);
    if (task) own[0] = task[2];
    const content = own.length === 1 ? inline(own[0]) : blocks(own, depth + 1);
    items.push(h("li", { class: task && "task" }, task && h("input", { type: "checkbox", disabled: true, checked: task[1] !== " ", "aria-label": task[1] === " " ? "open" : "done" }), content));
  }
  return [h(ordered ? "ol" : "ul", ordered ? { start: Number.parseInt(sign, 10) } : {}, items), at];
}

function leading(line) {
  return line.length - line.trimStart().length;
}

function tableOf(rows) {
  const cells = (row) => row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => inline(cell.trim().replaceAll("\\|", "|")));
  const [head, ...body] = rows.map(cells);
  return h("div", { class: "table-scroll", tabIndex: 0 }, h("table", { class: "table" }, h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, cell)))), h("tbody", {}, body.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

// Each alternative begins with a character that no other begins with, and none can match in more than one way: long texts stay quick.
const INLINE = /(\\[\\`*_{}[\]()#+.!|>~-])|(`+)([^`]+)\2|!\[([^\]]*)\]\(([^()\s]*)\)|\[([^[\]]*)\]\(([^()\s]*)\)|<(https?:\/\/[^<>\s]+)>|(https?:\/\/[^\s<>()[\]]+)|\*\*([^*]+)\*\*|__([^_]+)__|~~([^~]+)~~|\*([^*\s][^*]*)\*|(?<![\p{L}\p{N}])_([^_\s][^_]*)_(?![\p{L}\p{N}])/gu;

function inline(text, depth = 0) {
  const out = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    out.push(text.slice(last, found.index));
    last = found.index + found[0].length;
    out.push(piece(found, depth));
  }
  out.push(text.slice(last));
  return out;
}

function piece([whole, escaped, , code, alt, image, label, href, automatic, bare, strong, strong2, struck, emphasis, emphasis2], depth) {
  const within = (part) => (depth < 4 ? inline(part, depth + 1) : part);
  if (escaped) return escaped.slice(1);
  if (code !== undefined) return h("code", {}, code);
  // Nothing is fetched because a guest wrote it: an image elsewhere is a link.
  if (image !== undefined) return anchor(image, alt || image);
  if (href !== undefined) return anchor(href, within(label));
  if (automatic || bare) return anchor(automatic ?? bare, automatic ?? bare);
  if (strong ?? strong2) return h("strong", {}, within(strong ?? strong2));
  if (struck) return h("s", {}, within(struck));
  if (emphasis ?? emphasis2) return h("em", {}, within(emphasis ?? emphasis2));
  return whole;
}

function anchor(href, label) {
  const outside = /^(https?|mailto):/i.test(href) && safeAddress(href);
  if (!outside) return h("span", {}, label, href && h("span", { class: "muted" }, ` (${href})`));
  return h("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, label);
}
