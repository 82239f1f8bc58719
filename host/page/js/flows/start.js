// Starting a flow: its arguments as a form, and the same as a command.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { initial } from "../schema/shape.js";
import { button, work } from "../ui/button.js";
import { checkbox, field, input, select } from "../ui/field.js";
import { schemaForm } from "../ui/schema_form.js";
import { snippet } from "../ui/snippet.js";
import { failed, notice } from "../ui/state.js";
import { segments } from "../ui/tabs.js";
import { toast } from "../ui/toast.js";
import { tagsOf } from "./publish.js";
import { cli, curl, mcp } from "./snippets.js";

const WAYS = [
  { id: "cli", label: "Terminal", write: cli },
  { id: "curl", label: "curl", write: curl },
  { id: "mcp", label: "Assistant", write: mcp },
];

/** What can be started: the default, each tag that means one version, each version. */
function targets(flow) {
  const found = [];
  for (const [tag, versions] of Object.entries(flow.tags ?? {})) {
    if (versions.length === 1)
      found.push({
        value: `tag:${tag}`,
        tag,
        version: null,
        label: `${tag} (now v${versions[0]})`,
        deployment: flow.deployments.find((one) => one.version === versions[0]),
      });
  }
  found.sort((a, b) => (b.tag === "default") - (a.tag === "default") || (a.tag < b.tag ? -1 : 1));
  for (const deployment of flow.deployments)
    found.push({
      value: `version:${deployment.version}`,
      tag: null,
      version: deployment.version,
      label: `Version ${deployment.version}`,
      deployment,
    });
  return found;
}

/** What the arguments begin with: the defaults of the schema, and over them those of the version. */
function suggested(deployment) {
  return { ...(initial(deployment?.schema ?? {}) ?? {}), ...(deployment?.input ?? {}) };
}

/** The form, with commands beside it that follow what is typed. */
export function startPanel({ flow, ctx }) {
  const found = targets(flow);
  if (found.length === 0) return notice({ text: "This flow is not published, so it can only be started with its component: publish it first." });
  let target = found[0];
  let form = null;
  let way = WAYS[0];
  const place = h("div", {});
  const problem = h("div", { role: "alert" });
  const which = field({
    label: "Version",
    hint: "A tag follows the version that it points at; a number stays.",
    control: select({
      options: found.map(({ value, label }) => ({ value, label })),
      value: target.value,
      on: { change: (event) => aim(event.target.value) },
    }),
  });
  const labels = field({
    label: "Labels",
    hint: "Words to find the execution by.",
    optional: true,
    control: input({ spellcheck: "false", on: { input: () => follow() } }),
  });
  const caching = checkbox({ label: "Run everything anew", hint: "Also what the cache could serve." });
  const go = button({ label: "Start", icon: "resume", kind: "primary", type: "submit", disabled: !ctx.can("author") });
  const command = snippet({ label: "Command", text: "" });
  const note = h("p", { class: "muted small" });

  function aim(value) {
    const typed = form?.read().value;
    target = found.find((one) => one.value === value);
    // What was typed stays where the other version has the same arguments.
    form = schemaForm({ schema: target.deployment?.schema ?? {}, value: typed ?? suggested(target.deployment), name: "Input", onchange: follow });
    fill(place, form.node);
    follow();
  }

  function request() {
    return {
      origin: location.origin,
      flow: flow.flow,
      input: form.read().value ?? {},
      version: target.version,
      tag: target.tag,
      tags: tagsOf(labels.control.value),
    };
  }

  function follow() {
    command.set(way.write(request()));
    const notes = {
      cli: `On the host's own machine, or on any after kitaru-host login ${location.origin}`,
      curl: "The variable holds an API key, or what kitaru-host auth token prints.",
      mcp: `The arguments of the tool; an assistant also sees ${flow.flow} as a tool of its own.`,
    };
    note.textContent = notes[way.id];
  }

  async function start() {
    const { ok, value } = form.check();
    if (!ok) return;
    fill(problem);
    const body = { input: value };
    if (target.version !== null) body.version = target.version;
    else body.tag = target.tag;
    const tags = tagsOf(labels.control.value);
    if (tags.length > 0) body.tags = tags;
    if (caching.control.checked) body.cache = false;
    try {
      const execution = await send("POST", `/flows/${encodeURIComponent(flow.flow)}/executions`, body, { signal: ctx.signal });
      toast(`${flow.flow} started`, { tone: "good" });
      ctx.navigate(`/executions/${encodeURIComponent(execution.exec_id)}`);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, failed(error));
      if (error.errors?.length > 0)
        form.showErrors(
          error.errors.map((one) => ({
            path: one.path ?? one.pointer ?? one.instance_path ?? [],
            message: one.message ?? one.detail ?? String(one),
          })),
        );
    }
  }

  aim(target.value);
  return h(
    "div",
    { class: "start" },
    h(
      "form",
      {
        class: "start-form",
        noValidate: true,
        "aria-label": `Start ${flow.flow}`,
        on: {
          submit: (event) => {
            event.preventDefault();
            work(go, start);
          },
          keydown: (event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            work(go, start);
          },
        },
      },
      place,
      h("div", { class: "start-how" }, which.node, labels.node, caching.node),
      problem,
      h(
        "div",
        { class: "row" },
        go,
        ctx.can("author")
          ? h("span", { class: "muted small" }, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"))
          : h("span", { class: "muted" }, "Your role lets you look. Authors start flows."),
      ),
    ),
    h(
      "section",
      { class: "start-commands", "aria-label": "The same as a command" },
      h(
        "div",
        { class: "row" },
        h("h2", {}, "From elsewhere"),
        segments({ label: "From where", items: WAYS, selected: way.id, onselect: (id) => ((way = WAYS.find((one) => one.id === id)), follow()) }),
      ),
      command.node,
      note,
    ),
  );
}
