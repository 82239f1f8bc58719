// Dialogs, questions before something is lost, and menus. The browser's own `dialog` keeps the focus.

import { h, uid } from "../dom.js";
import { button, iconButton } from "./button.js";
import { icon as drawn } from "./icons.js";

/** How near to the edge of the window anything comes. */
const EDGE = 8;

/** A dialog, shown at once. `actions` are nodes, or a function of `close` that gives them. `side` makes it a sheet at the edge. */
export function dialog({ title, body, actions, wide = false, side = false, lede }) {
  const heading = uid("dialog");
  const before = document.activeElement;
  let done;
  const closed = new Promise((resolve) => (done = resolve));
  const close = (value) => {
    node.returnValue = "";
    result = value;
    node.close();
  };
  let result;
  const node = h(
    "dialog",
    { class: ["dialog", wide && "dialog-wide", side && "dialog-side"], "aria-labelledby": heading },
    h(
      "div",
      { class: "dialog-frame" },
      h(
        "div",
        { class: "dialog-head" },
        h("div", {}, h("h2", { id: heading }, title), lede && h("p", { class: "muted" }, lede)),
        iconButton({ label: "Close", icon: "close", onclick: () => close() }),
      ),
      h("div", { class: "dialog-body" }, body),
      actions && h("div", { class: "dialog-actions" }, typeof actions === "function" ? actions(close) : actions),
    ),
  );
  node.addEventListener("close", () => {
    node.remove();
    before?.focus?.();
    done(result);
  });
  // A click beside it closes it, if nothing would be lost.
  node.addEventListener("mousedown", (event) => event.target === node && !node.querySelector("form, textarea") && close());
  document.body.append(node);
  node.showModal();
  return { node, close, closed };
}

/** Asks before something is done. With `typed`, that text has to be typed first. */
export async function confirm({ title, text, confirm: label, danger = false, typed, body }) {
  const field = typed && h("input", { class: "input mono", type: "text", autocomplete: "off", spellcheck: "false", "aria-label": `Type ${typed}` });
  const yes = button({ label, kind: danger ? "danger" : "primary", disabled: Boolean(typed), onclick: () => shown.close(true) });
  const no = button({ label: "Keep it as it is", kind: "quiet", onclick: () => shown.close(false) });
  field?.addEventListener("input", () => (yes.disabled = field.value !== typed));
  const shown = dialog({
    title,
    body: h("div", { class: "stack" }, text && h("p", {}, text), body, field && h("label", { class: "stack-tight" }, h("span", {}, "Type ", h("code", {}, typed), " to go on"), field)),
    actions: () => [no, yes],
  });
  // Enter does what is harmless, unless somebody chose otherwise.
  if (field) field.focus();
  else (danger ? no : yes).focus();
  return (await shown.closed) === true;
}

/** Moves a list that would stand out of the window back into it: its button may be at either edge. */
function keepInSight(list) {
  list.style.translate = "none";
  const { left, right } = list.getBoundingClientRect();
  const room = document.documentElement.clientWidth - EDGE;
  const by = left < EDGE ? EDGE - left : Math.min(0, room - right);
  if (by !== 0) list.style.translate = `${by}px 0`;
}

/** A button with a menu. */
export function menu({ label, icon = "more", items, align = "end", text }) {
  const id = uid("menu");
  const list = h("div", { class: `menu-list menu-${align}`, role: "menu", id, "aria-label": label, hidden: true });
  const opener = text ? button({ label: text, icon }) : iconButton({ label, icon });
  opener.setAttribute("aria-haspopup", "menu");
  opener.setAttribute("aria-expanded", "false");
  opener.setAttribute("aria-controls", id);
  const root = h("div", { class: "menu" }, opener, list);
  const entries = () => [...list.querySelectorAll("[role=menuitem]:not([disabled])")];

  function show(open) {
    list.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (!open) return;
    keepInSight(list);
    entries()[0]?.focus();
  }

  for (const item of items.filter(Boolean)) {
    list.append(
      h(
        item.href ? "a" : "button",
        {
          type: item.href ? null : "button",
          href: item.href,
          role: "menuitem",
          class: ["menu-item", item.danger && "menu-danger"],
          disabled: Boolean(item.disabled),
          tabIndex: -1,
          on: {
            click: () => {
              show(false);
              opener.focus();
              if (item.onclick) Promise.resolve().then(item.onclick).catch((error) => import("./toast.js").then(({ toast }) => toast(error.message, { tone: "bad", hint: error.hint })));
            },
          },
        },
        item.icon && drawn(item.icon),
        h("span", { class: "menu-text" }, h("span", {}, item.label), item.hint && h("span", { class: "menu-hint" }, item.hint)),
      ),
    );
  }
  opener.addEventListener("click", () => show(list.hidden));
  opener.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    show(true);
  });
  list.addEventListener("keydown", (event) => {
    const found = entries();
    const at = found.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: found.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      found[(to + found.length) % found.length]?.focus();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      show(false);
      opener.focus();
    }
  });
  root.addEventListener("focusout", (event) => !root.contains(event.relatedTarget) && show(false));
  return root;
}
