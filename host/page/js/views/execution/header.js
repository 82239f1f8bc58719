// The head of an execution: what it is, how it stands, what can be done.

import { get, send, url } from "../../api.js";
import { fill, h } from "../../dom.js";
import { ago, elapsed, money, number, plural, shortId, tokens } from "../../format.js";
import { identifier, status, tag } from "../../ui/badge.js";
import { button, copyButton } from "../../ui/button.js";
import { confirm, menu } from "../../ui/dialog.js";
import { save } from "../../ui/download.js";
import { toast } from "../../ui/toast.js";
import { stat } from "./model_calls.js";
import { verifyDialog } from "./verify.js";

const OVER = ["completed", "failed", "cancelled"];

/** The head; `refresh` shows what changed. */
export function executionHeader(ctx, data, { onreplay }) {
  const node = h("header", { class: "execution-head" });
  const numbers = h("dl", { class: "stats" });
  let key = null;

  async function resume() {
    data.take(await send("POST", `/executions/${data.execution.exec_id}/resume`));
    toast("It goes on", { tone: "good" });
  }

  async function retry() {
    data.take(await send("POST", `/executions/${data.execution.exec_id}/retry`));
    toast("It runs again", { tone: "good" });
  }

  async function cancel() {
    const { flow_name: name, exec_id: id } = data.execution;
    if (await confirm({ title: `Cancel ${name}?`, text: "It ends where it is. What it did stays on record, and it can be replayed.", confirm: "Cancel it", danger: true })) {
      data.take(await send("POST", `/executions/${id}/cancel`));
      toast("Cancelled");
    }
  }

  async function remove() {
    const { flow_name: name, exec_id: id } = data.execution;
    const sure = await confirm({ title: "Delete this execution?", text: `The journal of ${name}, its logs and its artifacts go with it. This cannot be undone.`, confirm: "Delete for good", danger: true, typed: shortId(id) });
    if (!sure) return;
    await send("DELETE", `/executions/${id}`);
    toast("Deleted", { tone: "good" });
    ctx.navigate("/executions");
  }

  function actions(execution) {
    const over = OVER.includes(execution.status);
    const usage = execution.llm_usage_summary_v1;
    const items = [
      ctx.can("operator") && !over && { label: "Cancel", icon: "cancel", hint: "End it where it is", onclick: cancel },
      ctx.can("operator") && !over && { label: "Resume", icon: "resume", hint: "Drive it on by hand", onclick: resume },
      { label: "Compare", icon: "compare", hint: "With its replays, or others", href: `/compare?execution=${execution.exec_id}${execution.original_exec_id ? `&execution=${execution.original_exec_id}` : ""}` },
      { label: "Verify", icon: "shield", hint: "Hash chain, blobs and the component's code", onclick: () => verifyDialog(ctx, execution) },
      { label: "Download as JSON", icon: "download", hint: "The execution and its journal", onclick: () => save(`${execution.flow_name}-${shortId(execution.exec_id)}.json`, JSON.stringify({ execution, journal: data.journal }, null, 2)) },
      { label: "Download events", icon: "download", hint: "Scopes and marks, in the order of time", onclick: async () => save(`${execution.flow_name}-${shortId(execution.exec_id)}-events.json`, JSON.stringify((await get(`/executions/${execution.exec_id}/events`)).items, null, 2)) },
      usage && { label: "Download trajectory", icon: "download", hint: "What models were told, said and did", onclick: async () => save(`${execution.flow_name}-${shortId(execution.exec_id)}-trajectory.json`, JSON.stringify(await get(`/executions/${execution.exec_id}/trajectory`), null, 2)) },
      ctx.can("author") && { label: "Export", icon: "file", hint: "With all that it needs, for another host", onclick: () => location.assign(url("/export", { execution: execution.exec_id })) },
      ctx.can("admin") && over && { label: "Delete", icon: "trash", danger: true, hint: "With journal, logs and artifacts", onclick: remove },
    ];
    return [
      execution.status === "failed" && ctx.can("operator") && button({ label: "Retry", icon: "retry", title: "Completed calls are served, the failed one runs again", onclick: retry }),
      ctx.can("author") && button({ label: "Replay", icon: "replay", kind: execution.status === "failed" ? "plain" : "primary", onclick: () => onreplay({}) }),
      menu({ label: "More actions", items }),
    ];
  }

  function kinship(execution) {
    return [
      execution.original_exec_id && h("span", {}, "replay of ", identifier(execution.original_exec_id, `/executions/${execution.original_exec_id}`)),
      execution.parent_exec_id && h("span", {}, "child of ", identifier(execution.parent_exec_id, `/executions/${execution.parent_exec_id}`)),
    ];
  }

  function refresh() {
    const { execution } = data;
    const now = JSON.stringify([execution.status, execution.status_reason, execution.tags, execution.wakes_at, execution.runner]);
    if (now !== key) {
      key = now;
      fill(
        node,
        h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "/executions" }, "Executions"), h("span", { "aria-hidden": "true" }, "/"), h("a", { href: `/executions?flow=${encodeURIComponent(execution.flow_name)}` }, execution.flow_name)),
        h(
          "div",
          { class: "page-head" },
          h(
            "div",
            { class: "page-title" },
            h("div", { class: "execution-title" }, h("h1", {}, execution.flow_name), h("span", { class: `pill pill-${execution.status}` }, status(execution.status))),
            h("div", { class: "execution-about" }, h("span", { class: "row-tight" }, h("code", { class: "execution-id", title: execution.exec_id }, h("span", { class: "id-rest" }, execution.exec_id.slice(0, -8)), execution.exec_id.slice(-8)), copyButton(execution.exec_id, "Copy the ID")), kinship(execution), execution.tags.map(tag)),
            execution.status === "waiting" && execution.wakes_at && h("p", { class: "lede" }, "Goes on by itself ", ago(execution.wakes_at)),
          ),
          h("div", { class: "page-actions" }, actions(execution)),
        ),
        numbers,
      );
    }
    const usage = execution.llm_usage_summary_v1;
    const retries = execution.checkpoints.reduce((sum, checkpoint) => sum + Math.max(0, checkpoint.attempts.length - 1), 0);
    const records = data.journal.filter((call) => call.provenance !== "ran").length;
    fill(
      numbers,
      stat("Duration", elapsed(execution.started_at, execution.ended_at)),
      stat("Started", ago(execution.started_at)),
      stat("Calls", number(data.journal.length), records > 0 ? `${number(records)} from a record` : retries > 0 && plural(retries, "more attempt")),
      stat("Cost", usage ? money(usage.display_cost_usd) : "–", usage?.saved_cost_usd > 0 && `${money(usage.saved_cost_usd)} saved`),
      stat("Tokens", usage ? tokens(usage.total_tokens) : "–", usage && `${tokens(usage.input_tokens)} in, ${tokens(usage.output_tokens)} out`),
    );
  }

  return { node, refresh };
}
