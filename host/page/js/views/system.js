// The host itself: whether it is well, what it holds, what its limits are.

import { get, send } from "../api.js";
import { fill, h, link } from "../dom.js";
import { ago, bytes, number, plural } from "../format.js";
import { digest } from "../flows/digest.js";
import { whole } from "../lists.js";
import * as live from "../live.js";
import { importDialog } from "../system/import.js";
import { badge } from "../ui/badge.js";
import { button, copyButton } from "../ui/button.js";
import { figure, figures, meter, share } from "../ui/chart.js";
import { confirm } from "../ui/dialog.js";
import { failed, notice, skeleton } from "../ui/state.js";
import { facts, table } from "../ui/table.js";
import { toast } from "../ui/toast.js";

const EVERY = 10_000;
const MIB = 1024 * 1024;
const STATUSES = ["running", "waiting", "completed", "failed", "cancelled"];
const PARTS = [
  ["database", "Database", "a"],
  ["blobs", "Large values", "b"],
  ["components", "Components", "c"],
  ["compiled_code", "Compiled code, which can be made again", "d"],
];

export async function view(ctx) {
  const place = h("div", { class: "stack" }, skeleton(10));
  const grants = h("div", {});
  const node = h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "page-head" },
      h(
        "div",
        { class: "page-title" },
        h("h1", {}, "System"),
        h("p", { class: "lede" }, "This host: whether it is well, what it holds, and where it ends."),
      ),
      h(
        "div",
        { class: "page-actions" },
        ctx.can("admin") ? button({ label: "Import", icon: "upload", onclick: () => importDialog({ ctx, done: () => load({ quiet: true }) }) }) : null,
        h("a", { class: "button button-plain", href: "/metrics", target: "_blank", rel: "noopener" }, "Metrics"),
      ),
    ),
    place,
    grants,
  );

  async function load({ quiet = false } = {}) {
    try {
      const [state, info, ready] = await Promise.all([get("/status", {}, { signal: ctx.signal }), more(ctx.signal), health(ctx.signal)]);
      fill(place, ...shown(state, info, ready));
    } catch (error) {
      if (error.name !== "AbortError" && !quiet) fill(place, failed(error, { retry: load }));
    }
  }

  async function loadGrants() {
    const found = await whole("/grants", {}, { signal: ctx.signal }).catch(() => []);
    fill(grants, found.length > 0 ? grantsPanel(found) : null);
  }

  function grantsPanel(found) {
    return h(
      "section",
      { class: "panel" },
      h(
        "div",
        { class: "panel-head" },
        h("h2", {}, "Granted for good"),
        h("span", { class: "muted small" }, "what components may touch without being granted it again"),
      ),
      h(
        "div",
        { class: "panel-body panel-body-flush as-cards" },
        table({
          label: "Granted for good",
          rows: found,
          columns: [
            {
              id: "component",
              label: "Component",
              cell: (one) => h("div", {}, digest(one.component_digest), h("p", { class: "muted small" }, one.flows.join(", "))),
            },
            {
              id: "grants",
              label: "May",
              cell: (one) =>
                h(
                  "span",
                  { class: "row" },
                  Object.entries(one.grants).flatMap(([kind, what]) =>
                    what.map((entry) => badge(`${kind} ${typeof entry === "string" ? entry : JSON.stringify(entry)}`)),
                  ),
                ),
            },
            { id: "at", label: "Since", cell: (one) => ago(one.granted_at) },
            ctx.can("admin")
              ? {
                  id: "actions",
                  label: "Actions",
                  hideLabel: true,
                  align: "end",
                  cell: (one) => button({ label: "Take back", small: true, kind: "quiet", onclick: () => forget(one) }),
                }
              : null,
          ].filter(Boolean),
        }),
      ),
    );
  }

  async function forget(one) {
    if (
      !(await confirm({
        title: "Take these grants back?",
        text: "Executions that have begun keep what they were granted; later ones have to be granted it again.",
        confirm: "Take them back",
        danger: true,
      }))
    )
      return;
    await send("DELETE", `/grants/${encodeURIComponent(one.component_digest)}`, {}, { signal: ctx.signal });
    toast("Taken back");
    loadGrants();
  }

  const timer = setInterval(() => !document.hidden && load({ quiet: true }), EVERY);
  const off = live.on("reopened", () => load({ quiet: true }));
  load();
  loadGrants();
  return {
    title: "System",
    node,
    dispose() {
      clearInterval(timer);
      off();
    },
  };
}

/** Whether the host takes work; it says so without a login too. */
async function health(signal) {
  try {
    const response = await fetch("/readyz", { signal, cache: "no-store" });
    return response.ok;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return false;
  }
}

/** What a bug report needs beside the state; a page without it is better than none. */
async function more(signal) {
  try {
    return await get("/info", {}, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return {};
  }
}

function shown(state, info, ready) {
  const counts = state.store?.executions ?? {};
  const { process } = state;
  return [
    info.warning ? notice({ tone: "bad", title: "Something needs attention", text: info.warning }) : null,
    figures(
      figure("State", ready ? "Ready" : "Not ready", ready ? "takes work" : "does not take work now"),
      figure("Running", number(counts.running ?? null), process ? `${plural(process.flows, "flow")} in memory` : null),
      figure("Waiting", number(counts.waiting ?? null), "for an answer or a time"),
      figure("Executions", number(state.store?.execution_count ?? null)),
      info.disk_bytes
        ? figure("On disk", bytes(PARTS.reduce((sum, [key]) => sum + (info.disk_bytes[key] ?? 0), 0)))
        : figure("Version", state.version ?? "–"),
    ),
    h(
      "div",
      { class: "system-grid" },
      panel(
        "Executions",
        share({ label: "Executions by status", parts: STATUSES.map((status) => ({ label: status, value: counts[status] ?? 0, tone: status })) }),
        h(
          "ul",
          { class: "share-legend" },
          STATUSES.map((status) =>
            h(
              "li",
              {},
              h("span", { class: `legend-mark share-${status}`, "aria-hidden": "true" }),
              link(`/executions?status=${status}`, {}, status),
              h("span", { class: "num muted" }, number(counts[status] ?? 0)),
            ),
          ),
        ),
      ),
      process ? panel("Running instances", ...instances(process)) : null,
      info.disk_bytes ? panel("Store", ...store(info)) : null,
      panel("Limits", ...limits(info.limits, process)),
      panel("Software", ...software(state, info)),
    ),
  ];
}

function instances(process) {
  const ceiling = process.instances_ceiling_bytes;
  return [
    meter({
      label: "Memory of instances",
      value: process.instances_bytes,
      most: ceiling ?? process.instances_bytes,
      format: (value) => (ceiling === null ? bytes(value) : `${bytes(value)} of ${bytes(ceiling)}`),
    }),
    facts(
      [
        ["Flows in memory", number(process.flows)],
        ["Of them, only waiting", number(process.idle_flows)],
        ["Waiting for memory", process.waiting_for_memory > 0 ? badge(number(process.waiting_for_memory), "wait") : "none"],
      ],
      { wide: true },
    ),
  ];
}

function store(info) {
  const disk = info.disk_bytes;
  return [
    share({ label: "On disk", parts: PARTS.map(([key, label, tone]) => ({ label, value: disk[key] ?? 0, tone })) }),
    h(
      "ul",
      { class: "share-legend" },
      PARTS.map(([key, label, tone]) =>
        h(
          "li",
          {},
          h("span", { class: `legend-mark share-${tone}`, "aria-hidden": "true" }),
          label,
          h("span", { class: "num muted" }, bytes(disk[key] ?? 0)),
        ),
      ),
    ),
    facts(
      [
        ["Durability", info.durability],
        ["Data folder", info.connection_target ? h("code", {}, info.connection_target) : null],
      ],
      { wide: true },
    ),
  ];
}

/** The limits that are set, and those that were reached since the host began. */
function limits(set, process) {
  const reached = Object.entries(process?.limits_reached ?? {}).filter(([, count]) => count > 0);
  const known = Object.entries(set ?? {}).map(([name, value]) => [words(name), amount(name, value)]);
  return [
    known.length > 0 ? facts(known, { wide: true }) : null,
    h("h3", {}, "Reached since the start"),
    reached.length > 0
      ? facts(
          reached.map(([name, count]) => [words(name), number(count)]),
          { wide: true },
        )
      : h("p", { class: "muted" }, "None"),
  ];
}

function software(state, info) {
  const { models } = info;
  return [
    facts(
      [
        ["Version", h("strong", {}, state.version ?? info.sdk_version)],
        ["Contract", info.wit_package ? h("code", {}, info.wit_package) : null],
        ["System", info.system_info ? `${info.system_info.os} ${info.system_info.arch}, ${plural(info.system_info.cores, "core")}` : null],
        ["Address", info.server_url ?? location.origin],
        ["Logs go to", info.log_store ? [info.log_store.backend, info.log_store.endpoint ? ` ${info.log_store.endpoint}` : null] : null],
        ["Default model", models?.default_model ?? models?.default_alias ?? "none"],
        ["Runs in", PLACES[info.environment_type] ?? info.environment_type],
      ],
      { wide: true },
    ),
    h(
      "p",
      { class: "row" },
      h("span", { class: "muted small" }, "For a bug report"),
      copyButton(() => JSON.stringify({ ...info, ...state }, null, 2), "Copy all of this as JSON"),
    ),
  ];
}

const PLACES = { native: "no container", container: "a container", kubernetes: "Kubernetes", ci: "a CI job" };
const NAMES = { instances_mib: "Memory of all instances", stack_kib: "Stack of an instance" };

function words(name) {
  if (Object.hasOwn(NAMES, name)) return NAMES[name];
  const text = name.replace(/_(mib|kib|bytes|seconds)$/, "").replaceAll(/[_-]/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function amount(name, value) {
  if (value === null) return "none";
  if (name.endsWith("_mib")) return bytes(value * MIB);
  if (name.endsWith("_kib")) return bytes(value * 1024);
  if (name.endsWith("_bytes")) return bytes(value);
  if (name.endsWith("_seconds")) return `${number(value)} s`;
  return typeof value === "number" ? number(value) : String(value);
}

function panel(title, ...content) {
  return h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, title)), h("div", { class: "panel-body stack" }, content));
}
