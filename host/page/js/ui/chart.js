// Small charts: bars over days, and parts of a whole. What they show is said in words too.

import { h, s, uid } from "../dom.js";

const WIDTH = 640;
const HEIGHT = 120;

/**
 * Bars side by side. `points` are `{ label, value, title }`; `format` says a value. The table under it is for those who do not see it, and for whoever wants the
 * exact numbers.
 */
export function bars({ label, points, format }) {
  const most = Math.max(...points.map((point) => point.value), 0) || 1;
  const step = WIDTH / Math.max(points.length, 1);
  const gap = Math.min(4, step * 0.25);
  const id = uid("chart");
  const drawn = s(
    "svg",
    { class: "chart-bars", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-labelledby": id },
    s("title", { id }, `${label}: ${points.length} bars, the highest ${format(most)}`),
    points.map((point, index) => {
      const height = point.value > 0 ? Math.max((point.value / most) * (HEIGHT - 4), 2) : 0;
      return s(
        "g",
        {},
        s("rect", { class: "chart-hit", x: index * step, y: 0, width: step, height: HEIGHT }),
        s("rect", { class: "chart-bar", x: index * step + gap / 2, y: HEIGHT - height, width: step - gap, height, rx: 2 }),
        s("title", {}, point.title ?? `${point.label}: ${format(point.value)}`),
      );
    }),
  );
  return h(
    "figure",
    { class: "chart" },
    h("div", { class: "chart-top" }, h("figcaption", {}, label), h("span", { class: "muted small num" }, `up to ${format(most)}`)),
    drawn,
    h("div", { class: "chart-ends muted small", "aria-hidden": "true" }, h("span", {}, points[0]?.label), h("span", {}, points.at(-1)?.label)),
    h(
      "table",
      { class: "visually-hidden" },
      h("caption", {}, label),
      h(
        "tbody",
        {},
        points.map((point) => h("tr", {}, h("th", { scope: "row" }, point.label), h("td", {}, format(point.value)))),
      ),
    ),
  );
}

/** Parts of a whole in one bar: `parts` are `{ label, value, tone }`. Parts of nothing are left out. */
export function share({ label, parts }) {
  const all = parts.reduce((sum, part) => sum + part.value, 0);
  const shown = parts.filter((part) => part.value > 0);
  const words = shown.map((part) => `${part.value} ${part.label}`).join(", ");
  return h(
    "div",
    { class: "share", role: "img", "aria-label": `${label}: ${words || "none"}`, title: words },
    shown.map((part) => h("span", { class: `share-part share-${part.tone}`, style: { flex: String(part.value / all) } })),
  );
}

/** One bar of how much of something is used. */
export function meter({ label, value, most, format }) {
  const part = most > 0 ? Math.min(value / most, 1) : 0;
  return h(
    "div",
    { class: "meter" },
    h("div", { class: "meter-top" }, h("span", {}, label), h("span", { class: "num" }, format(value))),
    h("div", { class: "meter-track", "aria-hidden": "true" }, h("div", { class: "meter-fill", style: { width: `${(part * 100).toFixed(2)}%` } })),
  );
}

/** A number that matters, with its name. */
export function figure(label, value, detail) {
  return h(
    "div",
    { class: "figure" },
    h("dt", { class: "figure-label" }, label),
    h("dd", { class: "figure-value" }, value, detail ? h("span", { class: "figure-detail" }, detail) : null),
  );
}

/** Several of them. */
export function figures(...shown) {
  return h("dl", { class: "figures" }, shown);
}
