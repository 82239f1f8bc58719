// What models were asked, what they answered, what that cost, and what was saved.

import { all } from "../../api.js";
import { fill, h } from "../../dom.js";
import { duration, money, number, plural, tokens } from "../../format.js";
import { keyOf } from "../../models/pieces.js";
import { badge, status } from "../../ui/badge.js";
import { empty, failed, skeleton } from "../../ui/state.js";
import { valueView } from "../../ui/value.js";
import { ofModelCalls } from "./worth.js";

const ROLES = { system: "System", user: "User", assistant: "Assistant", tool: "Tool", developer: "Developer" };

/** The messages of a request, whatever the protocol calls them; null where it has none. */
function messagesOf(request) {
  const content = request?.content ?? request;
  const listed = [content?.messages, content?.input, content?.contents, Array.isArray(content) ? content : null].find(Array.isArray);
  if (!listed) return null;
  const system = content.system ?? content.instructions ?? content.system_instruction;
  const messages = listed.map((one) => (typeof one === "string" ? { role: "user", content: one } : { role: one.role ?? one.type ?? "message", content: one.content ?? one.parts ?? one }));
  return system ? [{ role: "system", content: system }, ...messages] : messages;
}

/** The text of a message or an answer, where it has one. */
function textOf(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return content?.text ?? null;
  const texts = content.map((part) => (typeof part === "string" ? part : part?.text));
  return texts.every((text) => typeof text === "string") ? texts.join("\n\n") : null;
}

function answerOf(response) {
  const message = response?.choices?.[0]?.message;
  const candidates = [message?.content, response?.content, response?.output_text, response?.candidates?.[0]?.content?.parts, typeof response === "string" ? response : null];
  const found = candidates.map(textOf).find((text) => typeof text === "string" && text !== "");
  return { text: found ?? null, calls: message?.tool_calls ?? null };
}

function settings(request) {
  const { messages, input, contents, system, instructions, content, headers, model, ...rest } = request?.content && !Array.isArray(request.content) ? request.content : (request ?? {});
  const kept = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null && value !== undefined));
  return Object.keys(kept).length > 0 ? kept : null;
}

function messageView({ role, content }) {
  const text = textOf(content);
  return h("div", { class: "message" }, h("div", { class: "message-role" }, ROLES[role] ?? role), text !== null ? valueView(text, { name: role }) : valueView(content, { name: role }));
}

/** One model call, its prompt and its answer made when it is opened. */
function callView(call, open, ontoggle) {
  const body = h("div", { class: "model-call-body" });
  const make = () => {
    if (body.childElementCount > 0) return;
    const messages = messagesOf(call.request);
    const { text, calls } = answerOf(call.response);
    const other = settings(call.request);
    fill(
      body,
      h("section", { class: "stack-tight" }, h("h3", {}, "Prompt"), messages ? messages.map(messageView) : valueView(call.request, { name: "Request" })),
      h("section", { class: "stack-tight" }, h("h3", {}, "Response"), h("div", { class: "message message-answer" }, text !== null ? valueView(text, { name: "Response" }) : valueView(call.response, { name: "Response" }), calls && valueView(calls, { name: "Tool calls", open: 3 }))),
      h("details", { class: "model-call-more" }, h("summary", {}, "Settings and records"), h("div", { class: "stack-tight" }, other && valueView(other, { name: "Settings" }), valueView({ request: call.request, response: call.response, usage: call.usage }, { name: "Records", open: 1 }))),
    );
  };
  const node = h(
    "details",
    { class: "model-call" },
    h(
      "summary",
      {},
      status(call.status),
      h("span", { class: "model-call-name" }, h("strong", {}, call.name), h("span", { class: "muted small" }, `${call.model ?? "no model"}${call.requested_model && call.requested_model !== call.model ? ` as ${call.requested_model}` : ""} · call ${call.call_index}${call.attempt > 1 ? ` · attempt ${call.attempt}` : ""}`)),
      h("span", { class: "model-call-numbers num" }, call.latency_ms !== null && h("span", {}, duration(call.latency_ms)), h("span", {}, `${tokens(call.input_tokens)} → ${tokens(call.output_tokens)}`), h("span", {}, money(call.cost_usd)), call.saved_cost_usd > 0 && badge(`saved ${money(call.saved_cost_usd)}`, "good")),
    ),
    body,
  );
  node.addEventListener("toggle", () => {
    if (node.open) make();
    ontoggle(node.open);
  });
  if (open) {
    make();
    node.open = true;
  }
  return node;
}

/** The panel. */
export function modelCallsPanel(ctx, data) {
  const node = h("div", { class: "stack" }, skeleton(5));
  let seen = null;
  // What somebody has opened or closed stays so when the list is made anew.
  const chosen = new Map();
  let asked = null;

  async function load() {
    asked = ofModelCalls(data.execution);
    try {
      const calls = await all(`/executions/${data.execution.exec_id}/model-calls`, {}, { signal: ctx.signal });
      const total = data.execution.llm_usage_summary_v1;
      // The sums may come after the calls that they are of.
      const key = JSON.stringify([total, calls.map((call) => [keyOf(call), call.status])]);
      if (key === seen) return;
      seen = key;
      if (calls.length === 0 && !total) return fill(node, empty({ icon: "models", title: "No model was called" }));
      fill(
        node,
        total &&
          h(
            "dl",
            { class: "stats" },
            stat("Cost", money(total.display_cost_usd), total.records_without_cost_count > 0 && `${number(total.records_without_cost_count)} without a known cost`),
            stat("Saved", money(total.saved_cost_usd), total.reused_usage_record_count > 0 && `${plural(total.reused_usage_record_count, "answer")} on record already`),
            stat("Tokens read", tokens(total.input_tokens), total.input_tokens > 999 && number(total.input_tokens)),
            stat("Tokens written", tokens(total.output_tokens), total.output_tokens > 999 && number(total.output_tokens)),
            stat("Models", String(total.models.length), total.models.join(", ")),
          ),
        calls.length === 0
          ? empty({ icon: "models", title: "No model was called here", text: "What was served is on record where it was asked: the calls of the time line lead there." })
          : h("div", { class: "panel model-calls" }, calls.map((call) => callView(call, chosen.get(keyOf(call)) ?? calls.length === 1, (open) => chosen.set(keyOf(call), open)))),
      );
    } catch (error) {
      // What comes next is reason enough to ask again, and then to show what is there in place of the error.
      asked = seen = null;
      if (error.name !== "AbortError") fill(node, failed(error, { retry: load }));
    }
  }
  load();
  return { node, refresh: () => asked === ofModelCalls(data.execution) || load() };
}

export function stat(term, value, note) {
  return h("div", { class: "stat" }, h("dt", {}, term), h("dd", {}, h("span", { class: "stat-value" }, value), note && h("span", { class: "stat-note" }, note)));
}
