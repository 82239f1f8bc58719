// Access: who one is, who else may come, with which keys, and what they did.

import { accountsPanel } from "../access/accounts.js";
import { auditPanel } from "../access/audit.js";
import { h } from "../dom.js";
import { time } from "../format.js";
import { badge, tag } from "../ui/badge.js";
import { notice } from "../ui/state.js";
import { facts } from "../ui/table.js";
import { tabs } from "../ui/tabs.js";

const VIA = { session: "this browser's session", "api-key": "an API key", token: "a short-lived token", "data-folder": "this machine" };

export async function view(ctx) {
  const { session } = ctx;
  const name = session.who ?? "you";
  const head = h(
    "header",
    { class: "page-head" },
    h("div", { class: "page-title" }, h("h1", {}, "Access"), h("p", { class: "lede" }, "Who may look, answer, start and administer.")),
  );
  const self = h(
    "section",
    { class: "panel", "aria-label": "Who you are" },
    h(
      "div",
      { class: "panel-body" },
      facts([
        ["You are", h("strong", {}, String(name))],
        ["Role", badge(session.role, session.role === "admin" ? "wait" : "accent")],
        ["Flows", session.flows ? session.flows.map((flow) => tag(flow)) : "all"],
        ["By", session.via ? (VIA[session.via] ?? session.via) : null],
        ["Until", session.expires_at ? time(session.expires_at) : null],
      ]),
    ),
  );
  if (!ctx.can("admin"))
    return { title: "Access", node: h("div", { class: "page" }, head, self, notice({ text: "Admins manage service accounts and keys." })) };
  const tabbed = tabs({
    label: "Access",
    selected: ctx.query.get("tab") ?? "accounts",
    onselect: (id) => ctx.setQuery({ tab: id === "accounts" ? null : id, who: null, verb: null, outcome: null }),
    items: [
      { id: "accounts", label: "Service accounts", render: () => accountsPanel({ ctx }) },
      { id: "audit", label: "Audit log", render: () => auditPanel({ ctx }) },
    ],
  });
  let shown = ctx.query.get("tab") ?? "accounts";
  return {
    title: "Access",
    node: h("div", { class: "page" }, head, self, tabbed.node),
    update(next) {
      const wanted = next.query.get("tab") ?? "accounts";
      if (wanted !== shown) tabbed.select(wanted);
      shown = wanted;
    },
  };
}
