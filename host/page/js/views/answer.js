// The page of a signed link: one question, its form, and nothing else.

import { get, send } from "../api.js";
import { fill, h } from "../dom.js";
import { ago } from "../format.js";
import { contextView, hasContent, questionText } from "../inbox/context.js";
import { mark } from "../shell.js";
import { answerForm, answerText } from "../ui/answer_form.js";
import { empty, failed } from "../ui/state.js";
import { announce } from "../ui/toast.js";

export async function view(ctx) {
  const path = `/answers/${encodeURIComponent(ctx.params.token)}`;
  const panel = h("section", { class: "door-panel" });
  const node = h("div", { class: "door door-wide" }, h("div", { class: "door-brand" }, mark(), h("span", { class: "brand-name" }, "kitaru")), panel);
  let wait;
  try {
    wait = await get(path, {}, { signal: ctx.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    fill(panel, over(error));
    return { title: "Answer", node };
  }
  const form = answerForm({
    wait,
    submit: async (value) => {
      try {
        await send("POST", path, { value }, { signal: ctx.signal });
      } catch (error) {
        // There is nothing left that could be corrected.
        if (![401, 404, 409, 410].includes(error.status)) throw error;
        fill(panel, over(error));
        return;
      }
      const text = answerText(value, wait.schema);
      fill(panel, empty({ icon: "check", title: "Thank you", text: `${text}. The flow goes on; you can close this page.` }));
      announce(`${text}. Thank you.`);
    },
  });
  const { heading, body } = questionText(wait, "h1");
  fill(
    panel,
    heading,
    h(
      "p",
      { class: "question-since muted" },
      wait.flow_name ? [h("span", {}, wait.flow_name), " · "] : null,
      "asked ",
      ago(wait.entered_waiting_at),
      wait.expires_at ? [" · this link ends ", ago(wait.expires_at)] : null,
    ),
    body,
    hasContent(wait.metadata) ? h("div", { class: "question-context" }, contextView(wait.metadata)) : null,
    form.node,
  );
  return { title: wait.question ?? "Answer", node };
}

/** The link does not work any more, or never did. */
function over(error) {
  if (error.status === 409 || error.status === 410) return empty({ icon: "check", title: "This question is closed", text: error.message });
  if (error.status === 401 || error.status === 404)
    return empty({ icon: "link", title: "This link does not work", text: [error.message, error.hint].filter(Boolean).join(" ") });
  return failed(error);
}
