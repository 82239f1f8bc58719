// What the checkpoints were granted, what they used of it, and what they were denied.

import { all } from "../../api.js";
import { fill, h } from "../../dom.js";
import { clock, number } from "../../format.js";
import { badge } from "../../ui/badge.js";
import { icon } from "../../ui/icons.js";
import { empty, failed, skeleton } from "../../ui/state.js";
import { table } from "../../ui/table.js";
import { segments } from "../../ui/tabs.js";
import { ofAccesses } from "./worth.js";

const KINDS = [
  ["read", "Read"],
  ["write", "Write"],
  ["net", "Network"],
  ["llm", "Models"],
  ["secrets", "Secrets"],
  ["env", "Environment"],
];

/** A grant in words: most are texts, some are objects. */
function said(grant) {
  if (typeof grant === "string") return grant;
  if (grant === null || typeof grant !== "object") return String(grant);
  const { host, guest, name, key, method, methods, url, path, ...rest } = grant;
  const found = [methods?.join?.("/") ?? method, url, host && guest && host !== guest ? `${host} as ${guest}` : (guest ?? host ?? path), name && (key ? `${name}.${key}` : name)].filter(Boolean);
  return found.length > 0 && Object.keys(rest).length === 0 ? found.join(" ") : JSON.stringify(grant);
}

/** Grants or needs by kind; nothing at all is said too. */
function grantList(grants, none) {
  const entries = KINDS.filter(([kind]) => (grants?.[kind] ?? []).length > 0);
  if (entries.length === 0) return h("p", { class: "muted" }, none);
  return h("dl", { class: "grants" }, entries.map(([kind, word]) => h("div", {}, h("dt", {}, word), h("dd", {}, grants[kind].map((grant) => h("code", { class: "grant" }, said(grant)))))));
}

function touched(sums, denied) {
  return h("ul", { class: "plain-list" }, sums.map((sum) => h("li", { class: ["touched", denied && "status-failed"] }, icon(denied ? "close" : "check"), h("span", {}, `${sum.kind} `, h("code", {}, sum.target), sum.count > 1 && ` ×${number(sum.count)}`, sum.detail && h("span", { class: "muted" }, ` ${sum.detail}`)))));
}

/** The capabilities of one checkpoint call. */
export function capabilitiesView({ declared, granted, used, denied }) {
  return h(
    "div",
    { class: "stack-tight" },
    denied.length > 0 && touched(denied, true),
    used.length > 0 && touched(used, false),
    granted === null ? h("p", { class: "muted" }, "This host has not run the component, so what it declares is not known.") : grantList(granted, used.length + denied.length === 0 ? "Nothing was granted, and nothing was touched." : "Nothing was granted."),
    declared && h("details", {}, h("summary", {}, "What the code declares"), grantList(declared, "It declares that it needs nothing.")),
  );
}

/** The panel with all accesses of an execution. */
export function accessPanel(ctx, data) {
  const body = h("div", {}, skeleton(4));
  const place = h("div", { class: "as-cards" });
  let only = "all";
  let items = [];
  let asked = null;

  function show() {
    const { grants } = data.execution.frozen_execution_spec;
    const denials = items.filter((item) => !item.allowed);
    fill(
      body,
      h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, "Granted to the execution")), h("div", { class: "panel-body" }, grantList(grants, "Nothing. Its checkpoints can touch nothing outside."))),
      h(
        "section",
        { class: "panel" },
        h("div", { class: "panel-head" }, h("h2", {}, "Used and denied"), items.length > 0 && h("span", { class: "push" }, segments({ label: "Which", items: [{ id: "all", label: `All ${number(items.length)}` }, { id: "denied", label: `Denied ${number(denials.length)}` }], selected: only, onselect: (id) => ((only = id), draw()) }))),
        items.length === 0 ? empty({ icon: "shield", title: "Nothing was touched", text: "No checkpoint has used, or asked for, anything outside its sandbox." }) : place,
      ),
    );
    draw();
  }

  function draw() {
    fill(
      place,
      table({
        label: "Accesses",
        empty: "No denials",
        rows: only === "denied" ? items.filter((item) => !item.allowed) : items,
        columns: [
          { id: "allowed", label: "Result", cell: (item) => badge(item.allowed ? "allowed" : "denied", item.allowed ? "good" : "bad"), sort: (item) => Number(item.allowed) },
          { id: "kind", label: "Kind", cell: (item) => item.kind, sort: (item) => item.kind },
          { id: "target", label: "What", cell: (item) => h("span", {}, h("code", {}, item.target), item.detail && h("span", { class: "muted small" }, ` ${item.detail}`)), sort: (item) => item.target },
          { id: "checkpoint", label: "Checkpoint", cell: (item) => h("a", { href: `?call=${item.call_index}` }, item.invocation_id ?? item.checkpoint_name), sort: (item) => item.call_index },
          { id: "attempt", label: "Attempt", align: "end", cell: (item) => number(item.attempt) },
          { id: "count", label: "Times", align: "end", cell: (item) => number(item.count), sort: (item) => item.count },
          { id: "at", label: "First", cell: (item) => clock(item.first_at), sort: (item) => item.first_at },
        ],
      }),
    );
  }

  async function load() {
    asked = ofAccesses(data.execution);
    try {
      items = await all(`/executions/${data.execution.exec_id}/accesses`, {}, { signal: ctx.signal });
      show();
    } catch (error) {
      // What comes next is reason enough to ask again.
      asked = null;
      if (error.name !== "AbortError") fill(body, failed(error, { retry: load }));
    }
  }
  load();
  body.className = "stack";
  return { node: body, refresh: () => asked === ofAccesses(data.execution) || load() };
}
