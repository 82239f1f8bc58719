// What went into the flow and came out of it; and what an execution keeps for life.

import { fill, h } from "../../dom.js";
import { bytes, number, time, title } from "../../format.js";
import { badge, identifier } from "../../ui/badge.js";
import { copyButton } from "../../ui/button.js";
import { facts } from "../../ui/table.js";
import { valueView } from "../../ui/value.js";

function panel(name, ...content) {
  return h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, name)), h("div", { class: "panel-body stack" }, content));
}

/** Input and result. */
export function valuesPanel(ctx, data) {
  const node = h("div", { class: "grid-2" });
  let key = null;
  function show() {
    const { execution } = data;
    const now = JSON.stringify([execution.status, execution.has_result, execution.metadata]);
    if (now === key) return;
    key = now;
    const noResult = { running: "Not there yet: it runs.", waiting: "Not there yet: it waits.", failed: "None: it failed.", cancelled: "None: it was cancelled." }[execution.status] ?? "None.";
    fill(
      node,
      panel("Input", valueView(execution.input, { name: "Input", open: 3 })),
      panel("Result", execution.has_result ? valueView(execution.result, { name: "Result", open: 3 }) : h("p", { class: "muted" }, noResult)),
      Object.keys(execution.metadata ?? {}).length > 0 && panel("What it logged about itself", valueView(execution.metadata, { name: "Metadata", open: 2 })),
    );
  }
  show();
  return { node, refresh: show };
}

const UNITS = { mib: (value) => bytes(value * 1024 * 1024), seconds: (value) => `${number(value)} s` };

function limitFacts(limits) {
  return Object.entries(limits ?? {}).map(([name, value]) => {
    const unit = Object.keys(UNITS).find((ending) => name.endsWith(`_${ending}`));
    const said = value === null ? h("span", { class: "muted" }, "none") : unit ? UNITS[unit](value) : number(value);
    return [title(unit ? name.slice(0, -unit.length - 1) : name), said];
  });
}

/** The rest: identity, component, configuration. */
export function detailsPanel(ctx, data) {
  const { execution } = data;
  const spec = execution.frozen_execution_spec;
  const { limits, grants, resolved_execution: resolved, model_registry: registry, ...rest } = spec;
  const node = h(
    "div",
    { class: "stack" },
    panel(
      "Identity",
      facts([
        ["Execution", h("span", { class: "row" }, h("code", {}, execution.exec_id), copyButton(execution.exec_id, "Copy the ID"))],
        ["Component", h("span", { class: "row" }, h("code", { title: execution.component_digest }, execution.component_digest.slice(0, 16), "…"), copyButton(execution.component_digest, "Copy the digest"))],
        ["Signed by", execution.component_signatures.length === 0 ? h("span", { class: "muted" }, "nobody") : execution.component_signatures.map((signer) => h("div", {}, h("code", {}, signer.key_id), " ", badge(signer.trusted ? "trusted" : "not trusted now", signer.trusted ? "good" : "wait"), h("div", { class: "muted small" }, signer.trusted_comment)))],
        ["Started", time(execution.started_at)],
        execution.ended_at && ["Ended", time(execution.ended_at)],
        execution.runner && ["Driven by", h("code", {}, execution.runner)],
        ["Durable calls", number(execution.resources.calls)],
        ["Record", bytes(execution.resources.history_bytes)],
        execution.parent_exec_id && ["Parent", identifier(execution.parent_exec_id, `/executions/${execution.parent_exec_id}`)],
      ], { wide: true }),
    ),
    panel("Limits", facts(limitFacts(limits))),
    panel("Configuration", valueView({ ...resolved, model_registry: registry, ...rest }, { name: "Configuration", open: 1 })),
  );
  return { node, refresh: () => null };
}
