// Icons: strokes on a grid of sixteen, in the colour of the text around them.

import { s } from "../dom.js";

const PATHS = {
  executions: "M2.5 4h11M2.5 8h7.5M2.5 12h9.5",
  inbox: "M2.5 9.5v3h11v-3M2.5 9.5l2-6h7l2 6M2.5 9.5H6a2 2 0 0 0 4 0h3.5",
  flows: "M4 5.5v5M4 5.5a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5ZM4 14a1.75 1.75 0 1 0 0-3.5A1.75 1.75 0 0 0 4 14ZM12 5.5A1.75 1.75 0 1 0 12 2a1.75 1.75 0 0 0 0 3.5ZM12 5.5c0 3-8 2-8 5",
  compare: "M5.5 2.5v11M10.5 2.5v11M2.5 5.5h3M2.5 10.5h3M10.5 4.5h3M10.5 8h3M10.5 11.5h3",
  models: "M8 1.8 9.6 6.4 14.2 8 9.6 9.6 8 14.2 6.4 9.6 1.8 8 6.4 6.4Z",
  secrets: "M4 7.5h8v6H4ZM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5M8 10v1.5",
  keys: "M5.5 13.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM7.6 8.4 13 3M10.5 5.5l2 2",
  system: "M2.5 3h11v4h-11ZM2.5 9h11v4h-11ZM5 5h.01M5 11h.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3l3.2 3.2",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5 6.5 12 13 4.5",
  chevron: "M6 3.5 10.5 8 6 12.5",
  down: "M3.5 6 8 10.5 12.5 6",
  up: "M3.5 10 8 5.5 12.5 10",
  more: "M3.75 8a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0ZM8.5 8a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0ZM13.25 8a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0Z",
  cancel: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  resume: "M4.5 3v10l8-5Z",
  retry: "M13 8a5 5 0 1 1-1.5-3.56M13 2v3h-3",
  replay: "M3 8a5 5 0 1 0 1.5-3.56M3 2v3h3M8 5.5V8l2 1.5",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 8.5h6l.5-8.5",
  copy: "M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3",
  download: "M8 2.5v7.5M4.5 7 8 10.5 11.5 7M3 13.5h10",
  upload: "M8 10.5V3M4.5 6 8 2.5 11.5 6M3 13.5h10",
  external: "M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6v-3.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  filter: "M2.5 3.5h11L9.5 8.5v4l-3 1.5v-5.5Z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5Z",
  auto: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 2v12",
  user: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8ZM2.8 14c.5-3 2.5-4 5.2-4s4.7 1 5.2 4",
  logout: "M6.5 3h-3.5v10h3.5M10 5l3 3-3 3M13 8H6.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.5V8l2.5 1.5",
  warning: "M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.6h.01",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.5V11M8 5.2h.01",
  file: "M4 2h5.5L12.5 5v9H4ZM9.5 2v3h3",
  image: "M2.5 3h11v10h-11ZM2.5 11l3.5-3.5 3 3 2-2 2.5 2.5M10.5 6h.01",
  table: "M2.5 3h11v10h-11ZM2.5 6.5h11M6.5 6.5V13",
  logs: "M3 3.5l2.5 2L3 7.5M7.5 7.5H13M3 12h10",
  branch: "M4.5 5v6M4.5 5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM4.5 14a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11.5 7a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11.5 7c0 2.5-7 1.5-7 4",
  shield: "M8 1.8 13 3.5v4c0 3.2-2 5.5-5 6.7-3-1.2-5-3.5-5-6.7v-4Z",
  calls: "M3 3h4v3H3ZM6 8h5v3H6ZM10 13h3.5M2.5 13H6",
  edit: "M3 13l.6-2.8L10.8 3 13 5.2 5.8 12.4Z",
  link: "M7 9.5 9.5 7M6.5 5.5 8 4a2.8 2.8 0 0 1 4 4l-1.5 1.5M9.5 10.5 8 12a2.8 2.8 0 0 1-4-4l1.5-1.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  follow: "M8 2.5v9M4.5 8 8 11.5 11.5 8M3.5 14h9",
};

/** An icon by name. It says nothing to screen readers: the words beside it do. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, s("path", { d: PATHS[name] ?? PATHS.info }));
}
