// The door: a login link's code, or an API key.

import { send, session } from "../api.js";
import { fill, h } from "../dom.js";
import { mark } from "../shell.js";
import { button, work } from "../ui/button.js";
import { field, input } from "../ui/field.js";
import { failed, notice } from "../ui/state.js";

export async function view(ctx) {
  // The code works once, and a fragment is never sent to anybody: it leaves the address before anything else happens.
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  const onward = destination(ctx.query.get("next"));

  async function enter(fields) {
    await send("POST", "/session", fields, { signal: ctx.signal });
    await session({ fresh: true });
    ctx.navigate(onward, { replace: true });
  }

  const said = h("div", { role: "alert" });
  if (ctx.session && !code) {
    ctx.navigate(onward, { replace: true });
    return { title: "Log in", node: h("div") };
  }
  if (code) {
    try {
      await enter({ code });
      return { title: "Log in", node: h("div") };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      fill(said, failed(error));
    }
  }

  const key = field({
    label: "API key",
    hint: "It begins with kh_ and was shown once, when it was made.",
    control: input({
      type: "password",
      name: "api_key",
      autocomplete: "current-password",
      class: "mono",
      spellcheck: "false",
      autocapitalize: "off",
      required: true,
    }),
  });
  const go = button({ label: "Log in", kind: "primary", type: "submit" });
  const form = h(
    "form",
    {
      class: "stack",
      noValidate: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          work(go, submit);
        },
      },
    },
    key.node,
    h("div", { class: "row" }, go),
  );

  async function submit() {
    const value = key.control.value.trim();
    fill(said);
    key.error(value === "" ? "Type or paste an API key" : value.startsWith("kh_") ? null : "An API key begins with kh_");
    if (!value.startsWith("kh_")) return key.control.focus();
    try {
      await enter({ api_key: value });
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      if (error.status === 401) {
        key.error(error.message);
        key.control.select();
      } else {
        fill(said, failed(error));
      }
    }
    return undefined;
  }

  const node = h(
    "div",
    { class: "door" },
    h("div", { class: "door-brand" }, mark(), h("span", { class: "brand-name" }, "kitaru")),
    h(
      "section",
      { class: "door-panel", "aria-labelledby": "login-title" },
      h("h1", { id: "login-title" }, "Log in to this host"),
      ctx.query.get("next") && !code ? notice({ text: "Log in to see this page." }) : null,
      said,
      form,
    ),
    h(
      "p",
      { class: "door-foot" },
      "Whoever started the host has a login link: ",
      h("code", {}, "kitaru-host serve"),
      " prints it. It works once, for ten minutes.",
    ),
  );
  return { title: "Log in", node, focus: () => key.control.focus({ preventScroll: true }) };
}

/** Where to go after the login: only ever to a place of this page. */
function destination(next) {
  if (!next) return "/executions";
  const target = new URL(next, location.origin);
  if (target.origin !== location.origin || target.pathname.startsWith("/login")) return "/executions";
  return target.pathname + target.search;
}
