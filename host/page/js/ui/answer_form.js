// The answer to a question of a flow: approve and decline where it asks for no more, else a form made from its schema.

import { fill, h } from "../dom.js";
import { asksForApproval } from "../schema/shape.js";
import { button, work } from "./button.js";
import { confirm } from "./dialog.js";
import { schemaForm } from "./schema_form.js";
import { failed } from "./state.js";

/**
 * The form for one wait. `submit(value)` and `abort()` give promises; what they throw is shown here and nothing that was typed is lost. Without `abort` there is
 * no such button. `approve()` and `decline()` go to these buttons, where they are there.
 */
export function answerForm({ wait, submit, abort }) {
  const schema = wait.schema ?? {};
  const approval = asksForApproval(schema);
  const problem = h("div", { class: "answer-problem", role: "alert" });
  const form = approval ? null : schemaForm({ schema, name: "Answer" });

  async function give(value) {
    fill(problem);
    try {
      await submit(value);
    } catch (error) {
      if (error?.name === "AbortError") return;
      const placed = form !== null && error.errors?.length > 0;
      fill(problem, failed(error));
      if (placed)
        form.showErrors(
          error.errors.map((one) => ({
            path: one.path ?? one.pointer ?? one.instance_path ?? [],
            message: one.message ?? one.detail ?? String(one),
          })),
        );
    }
  }

  function send() {
    const { ok, value } = form.check();
    return ok ? give(value) : undefined;
  }

  const yes = approval
    ? button({ label: "Approve", icon: "check", kind: "primary", onclick: () => give(true) })
    : button({ label: "Send answer", icon: "check", kind: "primary", type: "submit" });
  const no = approval ? button({ label: "Decline", icon: "close", onclick: () => give(false) }) : null;
  const end = abort
    ? button({
        label: "Abort",
        kind: "quiet",
        title: "Answer nothing: the flow is told that the question was aborted",
        onclick: async () => {
          const sure = await confirm({
            title: "Abort this question?",
            text: "The flow gets no answer but a failure. Unless it expects that, the execution fails. This cannot be taken back.",
            confirm: "Abort the question",
            danger: true,
          });
          if (!sure) return;
          fill(problem);
          await abort().catch((error) => fill(problem, failed(error)));
        },
      })
    : null;

  const node = h(
    "form",
    {
      class: "answer-form",
      noValidate: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          if (form) work(yes, send);
        },
        keydown: (event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !form) return;
          event.preventDefault();
          work(yes, send);
        },
      },
    },
    schema.description && approval ? h("p", { class: "field-hint" }, schema.description) : null,
    form?.node,
    problem,
    h("div", { class: "answer-actions" }, yes, no, end),
  );
  return {
    node,
    approval,
    focus: () => (form ? form.focus() : yes.focus()),
    approve: () => approval && yes.focus(),
    decline: () => approval && no.focus(),
  };
}

/** An answer in few words. */
export function answerText(value, schema) {
  if (asksForApproval(schema ?? {})) return value === true ? "Approved" : "Declined";
  if (typeof value === "string") return `Answered “${value.length > 60 ? `${value.slice(0, 60)}…` : value}”`;
  if (value === null || typeof value === "number" || typeof value === "boolean") return `Answered ${JSON.stringify(value)}`;
  return "Answered";
}
