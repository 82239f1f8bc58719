// Numbers and times for people. Exact values stay reachable: in titles, and where they are copied.

import { h } from "./dom.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const whole = new Intl.NumberFormat("en");
const dayTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const yearTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export function number(value) {
  return value === null || value === undefined ? "–" : whole.format(value);
}

/** `12`, `1.2k`, `3.4M`. */
export function compact(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return String(value);
  const [size, unit] = value < 999_950 ? [1000, "k"] : value < 999_950_000 ? [1e6, "M"] : [1e9, "G"];
  const scaled = value / size;
  return `${scaled < 100 ? scaled.toFixed(1).replace(/\.0$/, "") : Math.round(scaled)}${unit}`;
}

export const tokens = compact;

/** Dollars: cents where they are many, as many digits as it needs where it is little. */
export function money(dollars) {
  if (dollars === null || dollars === undefined) return "–";
  if (dollars === 0) return "$0";
  const size = Math.abs(dollars);
  const digits = size >= 1 ? 2 : size >= 0.01 ? 3 : Math.min(9, Math.ceil(-Math.log10(size)) + 1);
  return `${dollars < 0 ? "−" : ""}$${size.toFixed(digits)}`;
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  if (count < 1024) return `${count} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let scaled = count / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`;
}

/** Milliseconds as `340 ms`, `4.2 s`, `3 m 12 s`, `2 h 5 m`, `3 d 4 h`. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined || Number.isNaN(milliseconds)) return "–";
  const span = Math.max(0, milliseconds);
  if (span < 1) return span === 0 ? "0 ms" : "<1 ms";
  if (span < SECOND) return `${Math.round(span)} ms`;
  if (span < MINUTE) return `${(span / SECOND).toFixed(span < 10 * SECOND ? 2 : 1)} s`;
  const parts = (big, bigUnit, small, smallUnit) => {
    const count = Math.floor(span / big);
    const rest = Math.floor((span % big) / small);
    return rest ? `${count} ${bigUnit} ${rest} ${smallUnit}` : `${count} ${bigUnit}`;
  };
  if (span < HOUR) return parts(MINUTE, "m", SECOND, "s");
  if (span < DAY) return parts(HOUR, "h", MINUTE, "m");
  return parts(DAY, "d", HOUR, "h");
}

/** Milliseconds from one time to another; to now where it has not ended. */
export function between(start, end) {
  if (!start) return null;
  return (end ? Date.parse(end) : Date.now()) - Date.parse(start);
}

export function fullTime(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text) : full.format(at);
}

export function shortTime(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  return (at.getFullYear() === new Date().getFullYear() ? dayTime : yearTime).format(at);
}

/** A moment as a node; its title says it in full. */
export function time(text) {
  if (!text) return h("span", { class: "muted" }, "–");
  return h("time", { datetime: text, title: fullTime(text) }, shortTime(text));
}

/** The time of day, to the millisecond. */
export function clock(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return h("span", {}, String(text));
  return h("time", { datetime: text, title: fullTime(text) }, clockTime.format(at));
}

function relative(text) {
  const span = Date.now() - Date.parse(text);
  const size = Math.abs(span);
  const say = (count, unit) => (span >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`);
  if (size < 5 * SECOND) return span >= 0 ? "just now" : "in a moment";
  if (size < MINUTE) return say(Math.round(size / SECOND), "s");
  if (size < HOUR) return say(Math.floor(size / MINUTE), "min");
  if (size < DAY) return say(Math.floor(size / HOUR), "h");
  if (size < 30 * DAY) return say(Math.floor(size / DAY), "d");
  return shortTime(text);
}

/** How long ago, as a node that stays right while it is shown. */
export function ago(text) {
  if (!text) return h("span", { class: "muted" }, "–");
  return h("time", { datetime: text, title: fullTime(text), dataset: { relative: "" } }, relative(text));
}

setInterval(() => {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("time[data-relative]")) {
    const said = relative(node.dateTime);
    if (node.textContent !== said) node.textContent = said;
  }
}, 5000);

/** The end of an ID, which tells IDs apart that were made at nearly the same time. */
export function shortId(id) {
  const text = String(id ?? "");
  return text.length > 12 ? text.slice(-8) : text;
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** `content_pipeline` as `Content pipeline`. */
export function title(name) {
  const text = String(name ?? "").replace(/[_-]+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How long something takes or took, as a node that counts while it lasts. */
export function elapsed(start, end) {
  if (!start) return h("span", { class: "muted" }, "–");
  const node = h("span", { class: "num", title: end ? null : "so far" }, duration(between(start, end)));
  if (!end) node.dataset.since = start;
  return node;
}

setInterval(() => {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("[data-since]")) node.textContent = duration(between(node.dataset.since, null));
}, 1000);
