// Service accounts and their API keys.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { ago } from "../format.js";
import { whole } from "../lists.js";
import { badge, tag } from "../ui/badge.js";
import { button, linkButton } from "../ui/button.js";
import { confirm, menu } from "../ui/dialog.js";
import { empty, failed, skeleton } from "../ui/state.js";
import { toast } from "../ui/toast.js";
import { accountDialog } from "./account.js";
import { keyDialog, rotateDialog } from "./key.js";

/** All accounts as cards. */
export function accountsPanel({ ctx }) {
  const list = h("div", {}, skeleton(6));

  async function load() {
    try {
      const accounts = await whole("/service-accounts", {}, { signal: ctx.signal });
      const keys = await Promise.all(accounts.map((account) => whole(`${pathOf(account)}/api-keys`, {}, { signal: ctx.signal })));
      if (accounts.length === 0) {
        fill(
          list,
          empty({
            icon: "keys",
            title: "No service accounts yet",
            text: "A service account is who a script, a pipeline or a person is for this host. It has a role, and API keys to log in with.",
            action: button({ label: "Add a service account", icon: "plus", onclick: () => accountDialog({ ctx, done: load }) }),
          }),
        );
        return;
      }
      fill(
        list,
        h(
          "ul",
          { class: "cards" },
          accounts.map((account, index) => card(account, keys[index])),
        ),
      );
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failed(error, { retry: load }));
    }
  }

  function card(account, keys) {
    return h(
      "li",
      { class: ["card", !account.active && "inactive"] },
      h(
        "div",
        { class: "card-head" },
        h(
          "div",
          { class: "card-title" },
          h("h2", {}, account.name),
          badge(account.role, account.role === "admin" ? "wait" : "accent"),
          account.active ? null : badge("switched off", "bad"),
        ),
        menu({
          label: `More about ${account.name}`,
          items: [
            { label: "Change", icon: "edit", onclick: () => accountDialog({ ctx, account, done: load }) },
            {
              label: account.active ? "Switch off" : "Switch on",
              hint: account.active ? "None of its keys works" : "Its keys work again",
              icon: account.active ? "pause" : "resume",
              onclick: () =>
                change(
                  () => send("PATCH", pathOf(account), { active: !account.active }, { signal: ctx.signal }),
                  account.active ? `${account.name} is switched off` : `${account.name} is switched on`,
                ),
            },
            { label: "Delete", icon: "trash", danger: true, onclick: () => remove(account) },
          ],
        }),
      ),
      account.description ? h("p", { class: "muted" }, account.description) : null,
      h(
        "p",
        { class: "row small" },
        account.flows === null
          ? h("span", { class: "muted" }, "All flows")
          : [h("span", { class: "muted" }, "Only"), account.flows.length === 0 ? h("span", {}, "no flow") : account.flows.map((flow) => tag(flow))],
      ),
      keys.length > 0
        ? h(
            "ul",
            { class: "account-keys", "aria-label": `API keys of ${account.name}` },
            keys.map((key) => keyRow(account, key)),
          )
        : h("p", { class: "muted small" }, "It has no API key, so nobody can log in as it."),
      h(
        "div",
        { class: "card-foot" },
        button({
          label: "Make a key",
          icon: "plus",
          small: true,
          onclick: () => keyDialog({ ctx, account, done: load }),
        }),
        linkButton({
          label: "What it did",
          icon: "logs",
          small: true,
          kind: "quiet",
          href: `/keys?tab=audit&who=${encodeURIComponent(account.name)}`,
        }),
      ),
    );
  }

  function keyRow(account, key) {
    return h(
      "li",
      { class: "account-key" },
      h(
        "div",
        {},
        h(
          "p",
          { class: "account-key-name" },
          h("strong", {}, key.name),
          h("code", { class: "muted" }, `kh_${key.api_key_id}_…`),
          key.active ? null : badge("revoked", "bad"),
        ),
        h(
          "p",
          { class: "muted small" },
          key.last_login ? ["used ", ago(key.last_login)] : "never used",
          " · made ",
          ago(key.created_at),
          key.last_rotated ? [" · rotated ", ago(key.last_rotated)] : null,
          retained(key),
          key.description ? ` · ${key.description}` : null,
        ),
      ),
      menu({
        label: `More about the key ${key.name} of ${account.name}`,
        items: [
          { label: "Rotate", hint: "A new secret in place of this one", icon: "retry", onclick: () => rotateDialog({ ctx, account, key, done: load }) },
          { label: key.active ? "Revoke" : "Let it work again", icon: key.active ? "cancel" : "check", onclick: () => revoke(account, key) },
          { label: "Delete", icon: "trash", danger: true, onclick: () => removeKey(account, key) },
        ],
      }),
    );
  }

  async function change(ask, text) {
    await ask();
    toast(text, { tone: "good" });
    load();
  }

  async function revoke(account, key) {
    if (
      key.active &&
      !(await confirm({
        title: `Revoke the key ${key.name}?`,
        text: `Whoever comes with it is refused at once. Browsers that logged in with it are logged out.`,
        confirm: "Revoke the key",
        danger: true,
      }))
    )
      return;
    const turn = () => send("PATCH", keyPath(account, key), { active: !key.active }, { signal: ctx.signal });
    await change(turn, key.active ? `The key ${key.name} is revoked` : `The key ${key.name} works again`);
  }

  async function removeKey(account, key) {
    if (
      !(await confirm({
        title: `Delete the key ${key.name}?`,
        text: "Whoever comes with it is refused at once, and nothing brings it back.",
        confirm: "Delete the key",
        danger: true,
      }))
    )
      return;
    await send("DELETE", keyPath(account, key), {}, { signal: ctx.signal });
    toast(`The key ${key.name} is deleted`);
    load();
  }

  async function remove(account) {
    if (
      !(await confirm({
        title: `Delete ${account.name}?`,
        text: "It goes with all its keys, and whoever comes with one of them is refused at once. What it did stays in the audit log.",
        confirm: "Delete the account",
        danger: true,
        typed: account.name,
      }))
    )
      return;
    await send("DELETE", pathOf(account), {}, { signal: ctx.signal });
    toast(`${account.name} is deleted`);
    load();
  }

  load();
  return h(
    "section",
    { class: "stack", "aria-label": "Service accounts" },
    h(
      "div",
      { class: "row" },
      h("p", { class: "muted" }, "Who comes over the network, with which role, and with which keys."),
      h("span", { class: "push" }),
      button({ label: "Add a service account", icon: "plus", kind: "primary", onclick: () => accountDialog({ ctx, done: load }) }),
    ),
    list,
  );
}

/** Until when the secret before the last rotation works, while it does. */
function retained(key) {
  if (!key.last_rotated || !key.retain_period_minutes) return null;
  const until = new Date(Date.parse(key.last_rotated) + key.retain_period_minutes * 60_000);
  return until > new Date() ? [" · the one before ends ", ago(until.toISOString())] : null;
}

function keyPath(account, key) {
  return `${pathOf(account)}/api-keys/${encodeURIComponent(key.api_key_id)}`;
}

function pathOf(account) {
  return `/service-accounts/${encodeURIComponent(account.name)}`;
}
