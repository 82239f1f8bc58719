// A list of which only the rows in sight exist. Rows are of one height; the list scrolls in itself.

import { h } from "../dom.js";

const SPARE = 10;

/**
 * A list of many rows. `row(index)` gives the node of one; it is asked again after `refresh`. `onmore` is called near the end of what is there.
 * `role` is that of the list, `grid` or `list`; `header` is a row that stays; rows get their position, so that screen readers know how many there are.
 */
export function virtualList({ label, rowHeight, row, onmore, role = "list", header = null, onscroll }) {
  const height = typeof rowHeight === "function" ? rowHeight : () => rowHeight;
  const space = h("div", { class: "virtual-space", role: role === "list" ? "presentation" : "rowgroup" });
  const node = h("div", { class: "virtual", role, "aria-label": label, tabIndex: 0 }, header, space);
  let count = 0;
  let shown = new Map();
  let scheduled = false;

  function paint() {
    scheduled = false;
    const each = height();
    const first = Math.max(0, Math.floor(node.scrollTop / each) - SPARE);
    const last = Math.min(count, Math.ceil((node.scrollTop + node.clientHeight) / each) + SPARE);
    const next = new Map();
    let before = null;
    for (let index = first; index < last; index += 1) {
      let element = shown.get(index);
      if (!element) {
        element = row(index);
        element.classList.add("virtual-row");
        element.setAttribute("aria-rowindex", String(index + 2));
        if (role === "list") {
          element.setAttribute("role", element.getAttribute("role") ?? "listitem");
          element.setAttribute("aria-posinset", String(index + 1));
          element.setAttribute("aria-setsize", String(count));
          element.removeAttribute("aria-rowindex");
        }
        element.style.transform = `translateY(${index * each}px)`;
        element.style.height = `${each}px`;
      }
      next.set(index, element);
    }
    for (const [index, element] of shown) if (next.get(index) !== element) element.remove();
    // In the order of their positions, so that what is read is what is seen.
    for (const element of next.values()) {
      if (element.parentNode !== space) before ? before.after(element) : space.prepend(element);
      before = element;
    }
    shown = next;
    if (onmore && last >= count - SPARE) onmore();
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(paint);
  }

  node.addEventListener("scroll", () => {
    schedule();
    onscroll?.(node.scrollTop);
  }, { passive: true });
  const seen = new ResizeObserver(() => {
    space.style.height = `${count * height()}px`;
    refresh();
  });
  seen.observe(node);

  /** Says how many rows there are. */
  function setCount(value) {
    if (value < count) shown.forEach((element, index) => index >= value && (element.remove(), shown.delete(index)));
    count = value;
    if (role === "grid" || role === "table") node.setAttribute("aria-rowcount", String(count + 1));
    space.style.height = `${count * height()}px`;
    schedule();
  }

  /** Makes rows anew: all in sight, or one. */
  function refresh(index) {
    for (const [at, element] of [...shown]) {
      if (index !== undefined && at !== index) continue;
      // The focus stays where it is: on the same control of the row that replaces it.
      const held = element.contains(document.activeElement) ? focusPath(element) : null;
      shown.delete(at);
      if (held === null) element.remove();
      else {
        const fresh = row(at);
        fresh.classList.add("virtual-row");
        for (const name of ["role", "aria-posinset", "aria-setsize", "aria-rowindex"]) if (element.hasAttribute(name)) fresh.setAttribute(name, element.getAttribute(name));
        fresh.style.transform = `translateY(${at * height()}px)`;
        fresh.style.height = `${height()}px`;
        element.replaceWith(fresh);
        shown.set(at, fresh);
        (held < 0 ? fresh : (focusable(fresh)[held] ?? fresh)).focus({ preventScroll: true });
      }
    }
    // At once: a row that is taken out and made a frame later would flicker.
    if (node.isConnected) paint();
    else schedule();
  }

  function scrollTo(index, { center = false } = {}) {
    const each = height();
    const top = index * each;
    const room = node.clientHeight - (header?.offsetHeight ?? 0);
    if (center) node.scrollTop = top - (room - each) / 2;
    else if (top < node.scrollTop) node.scrollTop = top;
    else if (top + each > node.scrollTop + room) node.scrollTop = top + each - room;
    paint();
  }

  return { node, setCount, refresh, scrollTo, rowAt: (index) => shown.get(index) ?? null, dispose: () => seen.disconnect() };
}

function focusable(element) {
  return [...element.querySelectorAll("a[href], button, input")];
}

function focusPath(element) {
  return focusable(element).indexOf(document.activeElement);
}
