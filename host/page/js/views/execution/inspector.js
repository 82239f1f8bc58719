// One call: what went in, what came out, where that came from, what it cost, and what it touched.

import { get } from "../../api.js";
import { fill, h } from "../../dom.js";
import { bytes, clock, duration, elapsed, money, number, tokens } from "../../format.js";
import { computes, kindOf, nameOf } from "../../timeline/calls.js";
import { badge, identifier, provenance, status } from "../../ui/badge.js";
import { button, copyButton, iconButton } from "../../ui/button.js";
import { failureView } from "../../ui/failure.js";
import { facts } from "../../ui/table.js";
import { valueView } from "../../ui/value.js";
import { capabilitiesView } from "./access.js";
import { artifactDialog } from "./artifacts.js";
import { canAnchor } from "./replay.js";

/** The inspector of a call. `update(call)` shows what became of it. */
export function inspector(ctx, data, first, { onreplay, onlogs, onclose }) {
  const node = h("div", { class: "inspected" });
  let shownAs = null;

  function show(call) {
    if (!call) return;
    const key = JSON.stringify([call.index, call.status, call.attempts, call.ended_at, call.checkpoint?.artifacts.length, call.checkpoint?.status]);
    if (key === shownAs) return;
    shownAs = key;
    const { checkpoint } = call;
    fill(
      node,
      h(
        "div",
        { class: "inspected-head" },
        h("div", { class: "row" }, status(call.open && !computes(call) ? "waiting" : call.status), provenance(call.provenance), call.other_input && badge("other input", "wait"), h("span", { class: "push row" }, copyButton(call.call_id, "Copy the call's ID"), h("span", { class: "inspected-close" }, iconButton({ label: "Close", icon: "close", onclick: onclose })))),
        h("h2", { class: "inspected-name" }, nameOf(call)),
        h("p", { class: "muted small" }, `Call ${call.index} · ${kindOf(call)}`, call.name !== nameOf(call) && ` · ${call.name}`),
        h(
          "div",
          { class: "row" },
          ctx.can("author") && canAnchor(call) && button({ label: "Replay from here", icon: "replay", small: true, kind: "primary", onclick: () => onreplay({ from: call }) }),
          ctx.can("author") && canAnchor(call) && call.status !== "running" && button({ label: "Replay with another output", icon: "edit", small: true, onclick: () => onreplay({ override: call }) }),
          checkpoint && button({ label: "Logs", icon: "logs", small: true, kind: "quiet", onclick: () => onlogs(call.name) }),
        ),
      ),
      call.other_input && h("p", { class: "small muted" }, "It was served although its input is not the recorded one."),
      call.failure && failureView(call.failure, { title: call.kind === "wait" ? "It ended without an answer" : "It failed" }),
      facts(
        [
          ["Started", clock(call.started_at), " ", h("span", { class: "muted" }, `+${duration(call.start - Date.parse(data.execution.started_at))}`)],
          [computes(call) ? "Took" : "Waited", elapsed(call.started_at, call.ended_at)],
          call.wakes_at && call.open && ["Ends by itself", clock(call.wakes_at)],
          call.original_call_id && ["Served from", served(call)],
          call.child_exec_id && ["Child", identifier(call.child_exec_id, `/executions/${call.child_exec_id}`)],
          checkpoint?.total_tokens && ["Tokens", `${tokens(checkpoint.input_tokens)} in, ${tokens(checkpoint.output_tokens)} out`],
          checkpoint?.total_tokens && ["Cost", money(checkpoint.cost_usd), checkpoint.records_without_cost_count > 0 && " and more that nobody knows"],
          checkpoint?.saved_cost_usd > 0 && ["Saved", money(checkpoint.saved_cost_usd)],
        ],
        { wide: true },
      ),
      part("Input", inputOf(call)),
      call.status !== "running" && !call.failure && part("Output", valueView(call.output ?? null, { name: "Output" })),
      checkpoint && checkpoint.attempts.length > 0 && attemptsPart(checkpoint),
      checkpoint && part("Capabilities", capabilitiesView(checkpoint.capabilities)),
      checkpoint && Object.keys(plain(checkpoint.metadata)).length > 0 && part("What it logged about itself", valueView(plain(checkpoint.metadata), { name: "Metadata", open: 1 })),
      checkpoint && checkpoint.artifacts.some((artifact) => artifact.kind) && part("Artifacts", artifactList(checkpoint.artifacts.filter((artifact) => artifact.kind))),
    );
  }

  function served(call) {
    const [execution, index] = String(call.original_call_id).split(":");
    return h("a", { href: `/executions/${encodeURIComponent(execution)}?call=${encodeURIComponent(index ?? "")}`, class: "identifier", title: call.original_call_id }, `${execution.slice(-8)} call ${index}`);
  }

  show(first);
  return { node, update: show, sheet: null };
}

/** What a question asks reads better than the record of it. */
function inputOf(call) {
  if (call.kind !== "wait") return valueView(call.input, { name: "Input" });
  const { question, schema, metadata, ...rest } = call.input ?? {};
  return h(
    "div",
    { class: "stack-tight" },
    question && h("p", { class: "asked" }, question),
    metadata && valueView(metadata, { name: "Metadata", open: 1 }),
    schema && h("details", {}, h("summary", {}, "Schema of the answer"), valueView(schema, { name: "Schema" })),
    Object.keys(rest).length > 0 && valueView(rest, { name: "Record" }),
  );
}

/** Usage records are shown as what they say, elsewhere. */
function plain(metadata) {
  const { llm_usage_v1, llm_calls, ...rest } = metadata ?? {};
  return rest;
}

function part(title, ...content) {
  return h("section", { class: "inspected-part" }, h("h3", {}, title), content);
}

function attemptsPart(checkpoint) {
  const [only] = checkpoint.attempts;
  if (checkpoint.attempts.length === 1 && !only.failure) return null;
  return part(
    `Attempts`,
    h(
      "ol",
      { class: "attempts" },
      checkpoint.attempts.map((attempt, at) =>
        h(
          "li",
          { class: "attempt" },
          h("div", { class: "row" }, h("span", { class: "attempt-number num" }, number(at + 1)), status(attempt.status), h("span", { class: "muted small" }, clock(attempt.started_at)), h("span", { class: "push num" }, elapsed(attempt.started_at, attempt.ended_at))),
          attempt.failure && h("details", {}, h("summary", {}, h("span", { class: "attempt-failure" }, attempt.failure.message)), failureView(attempt.failure, { heading: "h4", title: "Why" })),
        ),
      ),
    ),
  );
}

function artifactList(artifacts) {
  return h(
    "ul",
    { class: "plain-list" },
    artifacts.map((artifact) => h("li", {}, h("button", { type: "button", class: "link-button", on: { click: async () => artifactDialog(await get(`/artifacts/${encodeURIComponent(artifact.artifact_id)}`)) } }, artifact.name), h("span", { class: "muted small" }, ` ${artifact.kind ?? "output"}, ${bytes(artifact.metadata.size_bytes)}`))),
  );
}
