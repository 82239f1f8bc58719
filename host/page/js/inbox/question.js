// One question with what is needed to answer it: what the flow says about it, what came before, and the form.

import { get, send } from "../api.js";
import { fill, h, link } from "../dom.js";
import { ago, clock, duration } from "../format.js";
import { contextView, hasContent, questionLine, questionText } from "./context.js";
import { answerForm } from "../ui/answer_form.js";
import { identifier } from "../ui/badge.js";
import { copyButton } from "../ui/button.js";
import { dialog, menu } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { facts } from "../ui/table.js";
import { valueView } from "../ui/value.js";

const SHOWN_BEFORE = 3;

/** The question as a panel. `submit` and `abort` give promises; where they are missing, one may only look. */
export function question({ wait, ctx, submit, abort }) {
  const form = submit ? answerForm({ wait, submit, abort }) : null;
  const before = h("div", { class: "question-before" });
  const { heading, body } = questionText(wait);
  const node = h(
    "article",
    { class: "question", "aria-label": questionLine(wait) },
    h(
      "header",
      { class: "question-head" },
      h(
        "p",
        { class: "question-where" },
        link(`/flows/${encodeURIComponent(wait.flow_name)}`, {}, wait.flow_name),
        h("span", { "aria-hidden": "true" }, "/"),
        identifier(wait.exec_id, `/executions/${encodeURIComponent(wait.exec_id)}`),
      ),
      ctx.can("operator")
        ? menu({
            label: "More about this question",
            items: [
              { label: "Open the execution", icon: "executions", href: `/executions/${encodeURIComponent(wait.exec_id)}` },
              {
                label: "Make a link that answers it",
                hint: "For mail or chat; it works once, without a login",
                icon: "link",
                onclick: () => linkDialog(wait),
              },
            ],
          })
        : null,
    ),
    heading,
    h(
      "p",
      { class: "question-since muted" },
      "Asked ",
      ago(wait.entered_waiting_at),
      wait.deadline ? [" · ends ", ago(wait.deadline)] : null,
      wait.name ? [" · ", h("code", {}, wait.name)] : null,
    ),
    body,
    hasContent(wait.metadata)
      ? h("section", { class: "question-context", "aria-label": "What the flow says about it" }, contextView(wait.metadata))
      : null,
    form ? form.node : h("p", { class: "muted" }, "Your role lets you look. Operators answer questions."),
    before,
  );
  look(before, wait, ctx.signal);
  return { node, form, focus: () => heading.focus({ preventScroll: false }) };
}

/** What the flow did before it asked: most questions are about that. */
async function look(place, wait, signal) {
  const path = `/executions/${encodeURIComponent(wait.exec_id)}/journal`;
  const journal = await get(path, {}, { signal }).catch(() => null);
  if (journal === null || journal.next_cursor) return;
  const asked = journal.items.find((call) => call.call_id === wait.wait_id);
  const earlier = journal.items.filter(
    (call) => call.kind !== "wait" && call.kind !== "sleep" && call.status === "completed" && (!asked || call.index < asked.index),
  );
  const shown = earlier.slice(-SHOWN_BEFORE).reverse();
  if (shown.length === 0) return;
  fill(
    place,
    h("h3", { class: "question-subhead" }, "What came before"),
    shown.map((call, index) =>
      h(
        "details",
        { class: "before", open: index === 0 && !hasContent(wait.metadata) },
        h(
          "summary",
          {},
          icon("chevron"),
          h("span", { class: "before-name" }, call.invocation_id ?? call.name),
          h(
            "span",
            { class: "muted small" },
            call.ended_at
              ? [clock(call.ended_at), call.started_at ? ` · ${duration(Date.parse(call.ended_at) - Date.parse(call.started_at))}` : null]
              : null,
          ),
        ),
        h("div", { class: "before-value" }, valueView(call.output, { name: call.name })),
      ),
    ),
    earlier.length > shown.length
      ? h("p", { class: "small" }, link(`/executions/${encodeURIComponent(wait.exec_id)}`, {}, `All ${earlier.length} calls before it`))
      : null,
  );
}

async function linkDialog(wait) {
  const { url: made, expires_at: expires } = await send("POST", `/waits/${encodeURIComponent(wait.wait_id)}/link`, {});
  // A host that does not know its own address gives the path alone.
  const url = new URL(made, location.origin).href;
  dialog({
    title: "A link that answers this question",
    body: h(
      "div",
      { class: "stack" },
      h("p", {}, "Whoever has it can answer this one question, once, without a login. Nothing else can be seen with it."),
      h("div", { class: "secret-shown" }, h("code", { class: "secret-text" }, url), copyButton(url, "Copy the link")),
      facts(
        [
          ["Question", questionLine(wait)],
          ["It works until", ago(expires)],
        ],
        { wide: true },
      ),
    ),
  });
}
