// An alias, new or changed.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { button, work } from "../ui/button.js";
import { dialog } from "../ui/dialog.js";
import { checkbox, field, input, select } from "../ui/field.js";
import { failed } from "../ui/state.js";
import { toast } from "../ui/toast.js";

const PROTOCOLS = [
  { value: "", label: "The provider's usual one" },
  { value: "openai_chat", label: "OpenAI Chat Completions" },
  { value: "openai_responses", label: "OpenAI Responses" },
  { value: "anthropic_messages", label: "Anthropic Messages" },
  { value: "gemini", label: "Gemini" },
];

/** Asks for everything that an alias is. */
export function modelDialog({ ctx, model = null, done }) {
  const alias = field({
    label: "Alias",
    hint: "What flows call it: letters, digits, - and _.",
    control: input({ class: "mono", value: model?.alias ?? "", disabled: model !== null, spellcheck: "false" }),
  });
  const stands = field({
    label: "Model",
    hint: "As provider/model, such as anthropic/claude-sonnet-4-5.",
    control: input({ class: "mono", value: model?.model ?? "", spellcheck: "false" }),
  });
  const secret = field({
    label: "Secret",
    hint: "The name of the secret with the provider's key, for when the environment has none.",
    optional: true,
    control: input({ class: "mono", value: model?.secret ?? "", spellcheck: "false" }),
  });
  const address = field({
    label: "Address",
    hint: "Of the provider's API, where it is not the usual one.",
    optional: true,
    control: input({ class: "mono", type: "url", value: model?.base_url ?? "", spellcheck: "false" }),
  });
  const protocol = field({ label: "Protocol", optional: true, control: select({ options: PROTOCOLS, value: model?.api ?? "" }) });
  const fallbacks = field({
    label: "Then",
    hint: "Models or aliases to try after it has failed for good, in this order.",
    optional: true,
    control: input({ class: "mono", value: model?.fallbacks.join(" ") ?? "", spellcheck: "false" }),
  });
  const standard = checkbox({ label: "Use it where a call names no model", checked: model?.is_default ?? false });
  const problem = h("div", { role: "alert" });
  const go = button({ label: model ? "Save" : "Register", kind: "primary", type: "submit" });

  async function save() {
    const name = alias.control.value.trim();
    alias.error(/^[A-Za-z0-9_-]+$/.test(name) ? null : "Letters, digits, - and _");
    stands.error(stands.control.value.includes("/") ? null : "It is written provider/model");
    const wrong = form.querySelector('[aria-invalid="true"]');
    if (wrong) return wrong.focus();
    const target = { model: stands.control.value.trim(), fallbacks: fallbacks.control.value.split(/[\s,]+/).filter(Boolean) };
    if (secret.control.value.trim()) target.secret = secret.control.value.trim();
    if (address.control.value.trim()) target.base_url = address.control.value.trim();
    if (protocol.control.value) target.api = protocol.control.value;
    fill(problem);
    try {
      await send("PUT", `/models/${encodeURIComponent(name)}`, { target, default: standard.control.checked }, { signal: ctx.signal });
    } catch (error) {
      fill(problem, failed(error));
      return undefined;
    }
    shown.close();
    toast(`${name} stands for ${target.model}`, { tone: "good" });
    done();
    return undefined;
  }

  const form = h(
    "form",
    { class: "stack", noValidate: true, id: "model-form", on: { submit: (event) => (event.preventDefault(), work(go, save)) } },
    alias.node,
    stands.node,
    secret.node,
    h(
      "details",
      { open: Boolean(model?.base_url || model?.api || model?.fallbacks.length) },
      h("summary", {}, "More"),
      h("div", { class: "stack details-body" }, address.node, protocol.node, fallbacks.node),
    ),
    standard.node,
    problem,
  );
  go.setAttribute("form", "model-form");
  const shown = dialog({
    title: model ? `Change ${model.alias}` : "Register a model",
    body: form,
    actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
  });
  (model ? stands : alias).control.focus();
}
