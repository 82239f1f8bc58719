// Replay from a call: what is served, what runs again, and what is given instead. Values are checked against the component's schemas before they are sent.

import { get, send } from "../../api.js";
import { fill, h } from "../../dom.js";
import { plural } from "../../format.js";
import { nameOf } from "../../timeline/calls.js";
import { button, iconButton } from "../../ui/button.js";
import { dialog } from "../../ui/dialog.js";
import { checkbox, field, input, jsonEditor, select } from "../../ui/field.js";
import { validate, schemaForm } from "../../ui/schema_form.js";
import { failed } from "../../ui/state.js";
import { toast } from "../../ui/toast.js";

/** Opens the editor. `from` is where it runs anew, `override` a call whose output is given. */
export async function openReplay(ctx, data, { from = null, override = null }) {
  const { execution, journal } = data;
  const [schema, component] = await Promise.all([
    get(`/executions/${execution.exec_id}/schema`, {}, { signal: ctx.signal }).catch(() => null),
    get(`/components/${execution.component_digest}`, {}, { signal: ctx.signal }).catch(() => null),
  ]);
  const schemas = new Map((component?.manifest?.checkpoints ?? []).map((checkpoint) => [checkpoint.name, checkpoint]));
  const calls = journal.filter(canAnchor);
  const overrides = [];
  const skipped = new Set();
  let start = from?.call_id ?? (override ? null : (calls[0]?.call_id ?? null));

  const problem = h("div", {});
  const plan = h("p", { class: "replay-plan", role: "status" });
  const anchor = chooser(calls, start, (id) => {
    start = id;
    showPlan();
  }, "Right after what is overridden");

  // The flow's input
  const form = schema && schemaForm({ schema, value: execution.input, name: "Input" });
  const inputPlace = h("div", { class: "replay-input", hidden: true }, form?.node);
  const changeInput = checkbox({ label: "Change the flow's input", hint: "Arguments that are not changed stay as they were.", disabled: !form });
  changeInput.control.addEventListener("change", () => {
    inputPlace.hidden = !changeInput.control.checked;
    if (changeInput.control.checked) form.focus?.();
  });

  // Outputs and inputs that are given
  const rows = h("div", { class: "stack-tight" });
  const add = button({ label: "Give another output or input", icon: "plus", small: true, onclick: () => addOverride(null, true) });

  const reuse = checkbox({ label: "Reuse what is unchanged", hint: "Calls after it are served too, where their input is the same as before." });
  const ask = checkbox({ label: "Ask again", hint: "Questions that were answered before it are asked once more." });
  const tags = field({ label: "Labels", optional: true, hint: "Separated by commas", control: input({ placeholder: "try-2, shorter" }) });
  const skip = skipChooser(calls, skipped, showPlan);

  function addOverride(call, focus) {
    const entry = overrideRow({ calls, schemas, call, onremove: () => {
      overrides.splice(overrides.indexOf(entry), 1);
      entry.node.remove();
      showPlan();
      add.focus();
    }, onchange: showPlan });
    overrides.push(entry);
    rows.append(entry.node);
    showPlan();
    if (focus) entry.focus();
  }

  function showPlan() {
    const begins = [start === null ? null : calls.find((call) => call.call_id === start)?.index, ...overrides.map((entry) => entry.beginsAt())];
    if (begins.includes(undefined)) return fill(plan, "There is no such call.");
    const places = begins.filter((place) => place !== null);
    if (places.length === 0) return fill(plan, "Choose where it runs anew, or give a call another output or input.");
    const at = Math.min(...places);
    const given = overrides.filter((entry) => entry.isOutput());
    const before = journal.filter((call) => call.index < at).length - given.filter((entry) => entry.beginsAt() <= at).length;
    const after = journal.length - before - given.length;
    fill(plan, h("strong", {}, plural(before, "call")), " served from the record, ", h("strong", {}, plural(Math.max(0, after), "call")), " made anew as far as the flow makes them again", given.length > 0 && [", ", h("strong", {}, plural(given.length, "output")), " given"], ".");
  }

  async function submit() {
    fill(problem);
    const body = { exec_ids: [execution.exec_id], skip: [...skipped], reuse_unchanged: reuse.control.checked, ask_again: ask.control.checked, tags: words(tags.control.value), on_error: "fail", wait: false, flow_overrides: {}, invocation_overrides: {} };
    if (start !== null) body.from = start;
    if (changeInput.control.checked) {
      const { ok, value } = form.check?.() ?? form.read();
      if (!ok) return;
      for (const [name, one] of Object.entries(value)) if (JSON.stringify(one) !== JSON.stringify(execution.input?.[name])) body.flow_overrides[name] = one;
    }
    for (const entry of overrides) {
      const found = entry.read();
      if (!found.ok) return entry.focus();
      body.invocation_overrides[found.selector] = { ...body.invocation_overrides[found.selector], [found.what]: found.value };
    }
    try {
      const submission = await send("POST", "/replays", body);
      const [result] = submission.results;
      if (!result) throw new Error(submission.failures[0]?.reason ?? submission.skipped[0]?.reason ?? "Nothing was started.");
      shown.close();
      toast("The replay has started", { tone: "good" });
      ctx.navigate(`/executions/${result.replay_exec_id}`);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, failed(error));
      problem.scrollIntoView({ block: "nearest" });
    }
  }

  const shown = dialog({
    title: "Replay",
    lede: `A new execution of ${execution.flow_name}. This one stays as it is.`,
    side: true,
    body: h(
      "form",
      { class: "stack replay", noValidate: true, on: { submit: (event) => event.preventDefault() } },
      field({ label: "Run anew from", hint: "Calls before it are served from the record, and cost nothing.", control: anchor }).node,
      plan,
      h("section", { class: "replay-part" }, changeInput.node, inputPlace),
      h("section", { class: "replay-part stack-tight" }, h("h3", {}, "Overrides"), rows, h("div", {}, add)),
      h("details", { class: "replay-part" }, h("summary", {}, "More"), h("div", { class: "stack replay-more" }, reuse.node, ask.node, skip, tags.node)),
      problem,
    ),
    actions: (close) => [button({ label: "Leave it", kind: "quiet", onclick: () => close() }), button({ label: "Start the replay", icon: "replay", kind: "primary", onclick: submit })],
  });
  if (override) addOverride(override, true);
  showPlan();
}

function words(text) {
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

/** Whether a replay can begin at a call, or give it something: only checkpoints and model calls are named by selectors. */
export function canAnchor(call) {
  return !["wait", "sleep", "first", "flow"].includes(call.kind);
}

/** A choice of calls: a list of few, a field with what was typed for many. `none` is what no call means. */
function chooser(calls, chosen, onchange, none) {
  const idOf = (text) => calls.find((call) => call.call_id === text || nameOf(call) === text || String(call.index) === text.replace(/^[:#]/, ""))?.call_id ?? text;
  const node =
    calls.length <= 200
      ? select({
          options: [...(none ? [{ value: "", label: none }] : []), ...calls.map((call) => ({ value: call.call_id, label: `${call.index}  ${nameOf(call)}` }))],
          value: chosen ?? "",
          on: { change: () => onchange(node.value || null) },
        })
      : input({ value: chosen ? nameOf(calls.find((call) => call.call_id === chosen) ?? { name: chosen }) : "", placeholder: none ?? "A call's name, number or ID", class: "mono", on: { input: () => onchange(node.value.trim() ? idOf(node.value.trim()) : null) } });
  node.chosen = () => (node.value.trim() ? idOf(node.value.trim()) : null);
  return node;
}

function skipChooser(calls, skipped, onchange) {
  const control = input({ placeholder: "publish, write_draft_2", on: { input: () => {
    skipped.clear();
    for (const word of words(control.value)) skipped.add(word);
    one.error([...skipped].find((word) => !calls.some((call) => nameOf(call) === word || call.name === word || call.call_id === word)) ? "There is no such call." : null);
    onchange();
  } } });
  const one = field({ label: "Serve all the same", optional: true, hint: "Calls after it that are served from the record, by name, separated by commas", control });
  return one.node;
}

/** One call whose output, input or model is given. */
function overrideRow({ calls, schemas, call, onremove, onchange }) {
  const isModel = (one) => one?.kind === "llm_call" || one?.checkpoint?.checkpoint_type === "llm_call";
  const about = h("p", { class: "field-hint" });
  const place = h("div", {});
  let editor = null;
  const target = chooser(calls, (call ?? calls[0])?.call_id ?? null, () => renew());
  const what = select({ options: [{ value: "output", label: "output" }, { value: "input", label: "input" }, { value: "model", label: "model" }], value: "output", "aria-label": "What is given", on: { change: () => renew() } });
  target.setAttribute("aria-label", "Call");

  const current = () => calls.find((one) => one.call_id === target.chosen()) ?? null;

  function schemaNow() {
    const one = current();
    if (!one) return null;
    const checkpoint = schemas.get(one.name);
    return what.value === "output" ? (checkpoint?.result ?? null) : what.value === "input" ? (checkpoint?.input ?? null) : { type: "string", minLength: 1 };
  }

  function renew() {
    const one = current();
    for (const option of what.options) option.disabled = option.value === "model" && one !== null && !isModel(one);
    const schema = schemaNow();
    const value = what.value === "output" ? (one?.output ?? null) : what.value === "input" ? one?.input : "";
    editor = jsonEditor({
      value,
      rows: 5,
      label: `${what.value} as JSON`,
      check: (given) => {
        const errors = schema ? validate(schema, given) : [];
        return errors.length > 0 ? errors.slice(0, 3).map(({ path, message }) => `${Array.isArray(path) ? path.join(".") : path || "value"}: ${message}`.replace(/^: /, "")).join("; ") : null;
      },
    });
    fill(place, editor.node);
    fill(about, schema ? "Checked against the component's schema." : "The component says no schema for this: any JSON value.");
    onchange();
  }

  const node = h("div", { class: "override" }, h("div", { class: "override-head" }, target, what, iconButton({ label: "Remove", icon: "close", onclick: onremove })), place, about);
  renew();
  return {
    node,
    isOutput: () => what.value === "output",
    /** Where the live part begins for it: after a call whose output is given, at one whose input is. */
    beginsAt: () => (current() ? current().index + (what.value === "output" ? 1 : 0) : undefined),
    focus: () => editor.control.focus(),
    read() {
      const found = editor.read();
      editor.show();
      return { ...found, selector: target.chosen() ?? "", what: what.value };
    },
  };
}
