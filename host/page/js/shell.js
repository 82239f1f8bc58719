// What stays while views change: navigation, the connection's state, the theme, who is logged in.

import { send } from "./api.js";
import { fill, h, s } from "./dom.js";
import { whole } from "./lists.js";
import * as live from "./live.js";
import { iconButton } from "./ui/button.js";
import { dialog, menu } from "./ui/dialog.js";
import { icon } from "./ui/icons.js";

const PLACES = [
  { id: "executions", href: "/executions", label: "Executions", icon: "executions", also: ["execution", "compare"] },
  { id: "inbox", href: "/inbox", label: "Inbox", icon: "inbox", also: [] },
  { id: "flows", href: "/flows", label: "Flows", icon: "flows", also: ["flow"] },
  { id: "models", href: "/models", label: "Models", icon: "models", also: [] },
  { id: "secrets", href: "/secrets", label: "Secrets", icon: "secrets", also: [] },
  { id: "keys", href: "/keys", label: "Access", icon: "keys", also: [] },
  { id: "system", href: "/system", label: "System", icon: "system", also: [] },
];
const FIRST = 3;

const THEMES = [
  ["auto", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

const KEYS = [
  [["j", "k"], "down and up in a list"],
  [["Enter"], "open what is chosen"],
  [["/"], "search"],
  [["x"], "mark an execution, to compare it"],
  [["Esc"], "close, or clear"],
  [["+", "−", "0"], "zoom in a time line, and all of it"],
  [["←", "→"], "move along a time line"],
  [["?"], "these keys"],
];

const STATES = {
  connecting: "Connecting",
  open: "Live",
  paused: "Paused",
  lost: "Connection lost, trying again",
  refused: "Live updates refused",
};

/** The frame around the views. */
export function shell({ main, onLogout }) {
  const waitsCount = [badgeCount(), badgeCount()];
  const links = PLACES.map((place) => placeLink(place, place.id === "inbox" ? waitsCount[0] : null));
  const connection = h("span", { class: "connection", role: "status" });
  const account = h("div", { class: "rail-account" });
  const more = h("button", { type: "button", class: "place", on: { click: openMore } }, icon("more"), h("span", { class: "place-label" }, "More"));
  const bottom = PLACES.slice(0, FIRST).map((place) => placeLink(place, place.id === "inbox" ? waitsCount[1] : null));
  const rail = h(
    "header",
    { class: "rail" },
    h("a", { class: "brand", href: "/executions", "aria-label": "Kitaru, all executions" }, mark(), h("span", { class: "brand-name" }, "kitaru")),
    h("nav", { class: "places", "aria-label": "Main" }, links.slice(0, FIRST), h("span", { class: "places-rule", "aria-hidden": "true" }), links.slice(FIRST)),
    h("div", { class: "rail-foot" }, connection, h("div", { class: "rail-tools" }, themeMenu(), account)),
  );
  const bar = h("nav", { class: "bottom-bar", "aria-label": "Main" }, bottom, more);
  const node = h("div", { class: "shell" }, rail, main, bar);

  live.on("state", (word) => {
    connection.className = `connection connection-${word}`;
    fill(connection, h("span", { class: "connection-dot", "aria-hidden": "true" }), STATES[word] ?? word);
  });
  let known = null;
  const count = async () => {
    if (!known) return;
    const waits = await whole("/waits").catch(() => null);
    if (waits) for (const node of waitsCount) fill(node, waits.length > 0 ? [String(waits.length), h("span", { class: "visually-hidden" }, " waiting for an answer")] : null);
  };
  live.on("waits", count);
  live.on("reopened", count);

  function openMore() {
    const { close } = dialog({
      title: "More",
      side: true,
      body: h("nav", { class: "more-places", "aria-label": "More" }, PLACES.slice(FIRST).map((place) => h("a", { href: place.href, class: "place", on: { click: () => close() } }, icon(place.icon), place.label))),
    });
  }

  /** Says which keys do what. */
  function keys() {
    dialog({ title: "Keys", body: h("dl", { class: "keys" }, KEYS.map(([names, what]) => h("div", {}, h("dt", {}, names.map((name) => h("kbd", {}, name))), h("dd", {}, what)))) });
  }

  return {
    node,
    keys,
    /** Marks where we are. */
    at(view, path) {
      node.classList.toggle("shell-bare", view === "login" || view === "answer");
      for (const anchor of [...links, ...bottom]) {
        const place = PLACES.find((one) => one.href === anchor.getAttribute("href"));
        const here = place.id === view || place.also.includes(view);
        if (here) anchor.setAttribute("aria-current", path === place.href ? "page" : "true");
        else anchor.removeAttribute("aria-current");
      }
    },
    /** Shows who is logged in. */
    session(session) {
      if (session === known) return;
      known = session;
      fill(account, session && accountMenu(session, onLogout));
      count();
    },
  };
}

function placeLink(place, count) {
  return h("a", { class: "place", href: place.href }, icon(place.icon), h("span", { class: "place-label" }, place.label), count);
}

function badgeCount() {
  return h("span", { class: "place-count" });
}

/** The mark: a thread that is taken up again. */
export function mark() {
  return s(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    s("rect", { class: "mark-ground", width: 32, height: 32, rx: 8 }),
    s("path", { class: "mark-thread", d: "M10 7v18M22.5 8.5 13.5 16l6 5" }),
    s("circle", { class: "mark-knot", cx: 22, cy: 23, r: 3.4 }),
  );
}

function accountMenu(session, onLogout) {
  const name = session.who ?? "you";
  return menu({
    label: `${name}, ${session.role}`,
    icon: "user",
    align: "up",
    items: [
      { label: String(name), hint: `Role: ${session.role}`, icon: "user", href: "/keys" },
      {
        label: "Log out",
        icon: "logout",
        onclick: async () => {
          await send("DELETE", "/session");
          onLogout();
        },
      },
    ],
  });
}

function themeMenu() {
  const root = document.documentElement;
  const icons = { auto: "auto", light: "sun", dark: "moon" };
  const now = () => root.dataset.theme ?? "auto";
  const opener = iconButton({
    label: "",
    icon: icons[now()],
    onclick: () => {
      const at = THEMES.findIndex(([id]) => id === now());
      const [next] = THEMES[(at + 1) % THEMES.length];
      if (next === "auto") delete root.dataset.theme;
      else root.dataset.theme = next;
      try {
        if (next === "auto") localStorage.removeItem("kitaru-theme");
        else localStorage.setItem("kitaru-theme", next);
      } catch {
        // It holds until the page is left.
      }
      name();
    },
  });
  function name() {
    const [, word] = THEMES.find(([id]) => id === now());
    const label = `Theme: ${word.toLowerCase()}`;
    opener.setAttribute("aria-label", label);
    opener.title = label;
    fill(opener, icon(icons[now()]));
  }
  name();
  return opener;
}
