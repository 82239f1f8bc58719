// The page's frame: paths to views, who is logged in, and what stays while views change.

import { Problem, session, whenUnauthorised } from "./api.js";
import { fill, h } from "./dom.js";
import * as live from "./live.js";
import { shell } from "./shell.js";
import { failed, skeleton } from "./ui/state.js";
import { announce } from "./ui/toast.js";

const ROLES = ["viewer", "operator", "author", "admin"];

/** Paths and the modules of their views. Those that are `open` need no login. */
const ROUTES = [
  ["/executions", "executions"],
  ["/executions/:id", "execution"],
  ["/inbox", "inbox"],
  ["/flows", "flows"],
  ["/flows/:name", "flow"],
  ["/compare", "compare"],
  ["/models", "models"],
  ["/secrets", "secrets"],
  ["/keys", "keys"],
  ["/system", "system"],
  ["/login", "login", { open: true }],
  ["/answer/:token", "answer", { open: true }],
].map(([pattern, name, options = {}]) => ({ pattern: pattern.split("/"), name, ...options }));

function routeOf(path) {
  const parts = path.replace(/\/+$/, "").split("/");
  for (const route of ROUTES) {
    if (route.pattern.length !== parts.length) continue;
    const params = {};
    const fits = route.pattern.every((part, at) => {
      if (!part.startsWith(":")) return part === parts[at];
      try {
        params[part.slice(1)] = decodeURIComponent(parts[at]);
      } catch {
        return false;
      }
      return parts[at] !== "";
    });
    if (fits) return { ...route, params };
  }
  return null;
}

const main = h("main", { id: "main", class: "main", tabIndex: -1 });
const frame = shell({ main, onLogout: () => leaveSession("/login") });
let current = null;
let turn = 0;

function leaveSession(to) {
  live.stop();
  session({ fresh: true }).catch(() => null);
  navigate(to);
}

whenUnauthorised(() => {
  if (location.pathname.startsWith("/login") || location.pathname.startsWith("/answer/")) return;
  live.stop();
  const next = location.pathname + location.search;
  navigate(`/login?next=${encodeURIComponent(next)}`, { replace: true });
});

/** Goes to a path of this page. */
export function navigate(to, { replace = false } = {}) {
  const target = new URL(to, location.origin);
  // Only ever within this page, whoever gave the address.
  if (target.origin !== location.origin) return;
  if (current) history.replaceState({ ...history.state, scroll: scrollY }, "");
  history[replace ? "replaceState" : "pushState"]({ scroll: 0 }, "", target);
  show({ moved: true });
}

function setQuery(changes, { replace = true } = {}) {
  const target = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    target.searchParams.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") target.searchParams.append(name, one);
    }
  }
  if (target.href === location.href) return;
  history[replace ? "replaceState" : "pushState"]({ ...history.state }, "", target);
  show({ queryOnly: true });
}

function contextFor(route, known, signal, back = false) {
  const role = ROLES.indexOf(known?.role);
  return {
    path: location.pathname,
    params: route.params,
    query: new URLSearchParams(location.search),
    session: known,
    signal,
    back,
    navigate,
    setQuery,
    can: (wanted) => role >= ROLES.indexOf(wanted),
  };
}

async function show({ queryOnly = false, moved = false, restored = null } = {}) {
  if (location.pathname === "/") history.replaceState(history.state, "", `/executions${location.search}`);
  const route = routeOf(location.pathname);
  if (queryOnly && current?.view.update && current.path === location.pathname) {
    current.view.update(contextFor(route, current.session, current.abort.signal));
    return;
  }
  turn += 1;
  const own = turn;
  current?.abort.abort();
  current?.view.dispose?.();
  current = null;
  const abort = new AbortController();
  frame.at(route?.name ?? null, location.pathname);
  const waiting = setTimeout(() => own === turn && fill(main, h("div", { class: "page" }, skeleton(8))), 120);
  let view;
  let known = null;
  try {
    if (!route) throw new Problem({ title: "There is nothing here", detail: `No page has the address ${location.pathname}.`, hint: "executions, inbox and flows are in the navigation" });
    known = await session().catch((problem) => {
      if (route.open) return null;
      throw problem;
    });
    if (own !== turn) return;
    if (!known && !route.open) {
      clearTimeout(waiting);
      return navigate(`/login?next=${encodeURIComponent(location.pathname + location.search)}`, { replace: true });
    }
    frame.session(known, route);
    if (known) live.start();
    const module = await import(`./views/${route.name}.js`);
    if (own !== turn) return;
    view = await module.view(contextFor(route, known, abort.signal, restored !== null));
  } catch (error) {
    if (own !== turn || error.name === "AbortError") return;
    view = { title: "Error", node: h("div", { class: "page" }, failed(error, { retry: () => show(), heading: "h1" })) };
  } finally {
    clearTimeout(waiting);
  }
  if (own !== turn) {
    view.dispose?.();
    return;
  }
  current = { view, abort, session: known, path: location.pathname };
  fill(main, view.node);
  document.title = view.title ? `${view.title} · Kitaru` : "Kitaru";
  if (moved) {
    scrollTo(0, 0);
    if (!view.focus) main.focus({ preventScroll: true });
    announce(view.title);
  } else if (restored !== null) {
    requestAnimationFrame(() => scrollTo(0, restored));
  }
  view.focus?.();
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (anchor.classList.contains("skip-link")) {
    event.preventDefault();
    main.focus();
    return;
  }
  if (anchor.pathname.startsWith("/api/")) return;
  event.preventDefault();
  if (anchor.href !== location.href) navigate(anchor.href);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "?" || typing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  frame.keys();
});

addEventListener("popstate", (event) => {
  const same = current?.path === location.pathname;
  show({ queryOnly: same, restored: event.state?.scroll ?? 0 });
});

history.scrollRestoration = "manual";
document.getElementById("shell").replaceWith(frame.node);
show();
