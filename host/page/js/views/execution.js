// One execution, whole, and live while it lasts.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { answerForm } from "../ui/answer_form.js";
import { ago } from "../format.js";
import { failureView } from "../ui/failure.js";
import { icon } from "../ui/icons.js";
import { empty } from "../ui/state.js";
import { tabs } from "../ui/tabs.js";
import { announce, toast } from "../ui/toast.js";
import { valueView } from "../ui/value.js";
import { accessPanel } from "./execution/access.js";
import { artifactsPanel } from "./execution/artifacts.js";
import { causesView } from "./execution/causes.js";
import { executionData } from "./execution/data.js";
import { detailsPanel, valuesPanel } from "./execution/details.js";
import { executionHeader } from "./execution/header.js";
import { lineagePanel } from "./execution/lineage.js";
import { logsPanel } from "./execution/logs.js";
import { makingView } from "./execution/making.js";
import { modelCallsPanel } from "./execution/model_calls.js";
import { openReplay } from "./execution/replay.js";
import { timelinePanel } from "./execution/timeline.js";

export async function view(ctx) {
  const data = await executionData(ctx.params.id, { signal: ctx.signal }).open();
  const panels = new Map();
  const header = executionHeader(ctx, data, { onreplay: (order) => openReplay(ctx, data, order) });
  const failure = h("div", { class: "execution-failure" });
  const questions = h("div", { class: "execution-questions" });
  const making = makingView();
  const chosen = ctx.query.get("call");
  let status = data.execution.status;
  let failureKey = null;
  const forms = new Map();

  const actions = {
    chosen: chosen !== null && /^\d+$/.test(chosen) ? Number(chosen) : null,
    onchoose: (index) => ctx.setQuery({ call: index }),
    onreplay: (order) => openReplay(ctx, data, order).catch(failed),
    onlogs(name) {
      document.querySelector("dialog[open]")?.close();
      ctx.setQuery({ tab: "logs" });
      book.select("logs");
      panels.get("logs").narrowTo(name);
    },
  };
  // Panels that nobody sees are left as they are until somebody does.
  const stale = new Set();
  const shown = (id) => stale.delete(id) && panels.get(id).refresh?.();
  const tab = (id, label, make, count) => ({ id, label, count, render: () => (panels.set(id, make()), panels.get(id).node), shown: () => shown(id) });
  const usage = () => data.execution.llm_usage_summary_v1?.usage_record_count ?? null;
  const book = tabs({
    label: "Parts of the execution",
    selected: ctx.query.get("tab") ?? "timeline",
    onselect: (id) => ctx.setQuery({ tab: id === "timeline" ? null : id }),
    items: [
      tab("timeline", "Timeline", () => timelinePanel(ctx, data, actions), data.journal.length || null),
      tab("values", "Input and result", () => valuesPanel(ctx, data)),
      tab("logs", "Logs", () => logsPanel(ctx, data, { checkpoint: ctx.query.get("checkpoint") })),
      tab("artifacts", "Artifacts", () => artifactsPanel(ctx, data), data.execution.artifact_count || null),
      tab("models", "Model calls", () => modelCallsPanel(ctx, data), usage()),
      tab("access", "Access", () => accessPanel(ctx, data)),
      tab("lineage", "Lineage", () => lineagePanel(ctx, data)),
      tab("details", "Details", () => detailsPanel(ctx, data)),
    ],
  });
  const node = h("div", { class: "page execution-page" }, header.node, questions, failure, making.node, book.node);

  function failed(error) {
    if (error.name !== "AbortError") toast(error.message, { tone: "bad", hint: error.hint });
  }

  function showFailure() {
    const { failure: found } = data.execution;
    const key = JSON.stringify(found);
    if (key === failureKey) return;
    failureKey = key;
    fill(failure, found && failureView(found, { heading: "h2", title: "This execution failed", causes: causesView(ctx, data, goTo) }));
  }

  function goTo(index) {
    book.select("timeline");
    ctx.setQuery({ tab: null, call: index });
    panels.get("timeline").choose(index);
  }

  /** Forms stay while what they ask is open, so that nothing typed is lost when something else changes. */
  function showQuestions() {
    const open = data.execution.waits.filter((wait) => wait.status === "pending");
    for (const [id, form] of forms) {
      if (open.some((wait) => wait.wait_id === id)) continue;
      form.node.remove();
      forms.delete(id);
    }
    for (const wait of open) {
      if (forms.has(wait.wait_id)) continue;
      const form = questionView(wait);
      forms.set(wait.wait_id, form);
      questions.append(form.node);
    }
  }

  function questionView(wait) {
    const path = `/executions/${data.execution.exec_id}`;
    const form =
      ctx.can("operator") &&
      answerForm({
        wait,
        submit: async (value) => {
          data.take(await send("POST", `${path}/input`, { wait: wait.wait_id, value }));
          toast("Answered: it goes on", { tone: "good" });
        },
        abort: async () => data.take(await send("POST", `${path}/abort-wait`, { wait: wait.wait_id })),
      });
    return {
      node: h(
        "section",
        { class: "asking-card", "aria-label": `Question: ${wait.name}` },
        h("div", { class: "asking-head" }, icon("inbox"), h("span", {}, "Waits for you"), h("code", {}, wait.name), h("span", { class: "push muted small" }, "since ", ago(wait.entered_waiting_at), wait.deadline && [", ends ", ago(wait.deadline)])),
        h("div", { class: "asking-parts" }, h("div", { class: "stack-tight" }, h("h2", { class: "asked" }, wait.question ?? wait.name), wait.metadata && metadataView(wait.metadata)), h("div", { class: "asking-answer" }, form ? form.node : h("p", { class: "muted" }, "An operator can answer this."))),
      ),
    };
  }

  function refresh() {
    const { execution } = data;
    if (execution.status !== status) {
      status = execution.status;
      announce(`The execution is ${status} now`);
    }
    header.refresh();
    showFailure();
    showQuestions();
    making.keep(execution);
    book.setCount("timeline", data.journal.length || null);
    book.setCount("artifacts", execution.artifact_count || null);
    book.setCount("models", usage());
    for (const [id, panel] of panels) {
      stale.add(id);
      if (!panel.node.closest("[hidden]")) shown(id);
    }
  }

  let scheduled = false;
  const soon = () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      refresh();
    });
  };
  data.on("change", soon);
  data.on("chunk", (chunk) => {
    making.take(chunk);
    // What was said is on record: the record takes its place.
    if (chunk.ended) data.refresh();
  });
  data.on("gone", () => fill(node, empty({ icon: "trash", title: "This execution was deleted", action: h("a", { class: "button button-plain", href: "/executions" }, "All executions") })));
  header.refresh();
  showFailure();
  showQuestions();

  function onkey(event) {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]") || event.target.closest("input, textarea, select, [role=menu]")) return;
    // In the list itself, moving is its own affair.
    if (event.key !== "/" && event.target.closest(".virtual")) return;
    const timeline = panels.get("timeline");
    if (timeline && !timeline.node.closest("[hidden]")) timeline.key(event);
  }
  document.addEventListener("keydown", onkey);

  return {
    title: `${data.execution.flow_name} ${data.execution.exec_id.slice(-8)}`,
    node,
    update(next) {
      book.select(next.query.get("tab") ?? "timeline");
      const call = next.query.get("call");
      const timeline = panels.get("timeline");
      if (call !== null && timeline && !timeline.isChosen(Number(call))) timeline.choose(Number(call));
    },
    dispose() {
      document.removeEventListener("keydown", onkey);
      for (const panel of panels.values()) panel.dispose?.();
      data.close();
    },
  };
}

/** What a question shows beside itself: texts as they read best, by name. */
function metadataView(metadata) {
  if (metadata === null || typeof metadata !== "object" || Array.isArray(metadata)) return valueView(metadata, { name: "Metadata" });
  return h("div", { class: "asking-context" }, Object.entries(metadata).map(([name, value]) => h("div", {}, h("div", { class: "fact-term" }, name), valueView(value, { name }))));
}
