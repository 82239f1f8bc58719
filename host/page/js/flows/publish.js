// Publishing a component: its file, then which of its flows, with which tags.

import { send, upload } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes, plural } from "../format.js";
import { button } from "../ui/button.js";
import { dialog } from "../ui/dialog.js";
import { checkbox, field, input } from "../ui/field.js";
import { failed, notice } from "../ui/state.js";
import { toast } from "../ui/toast.js";

const LARGEST = 256 * 1024 * 1024;

/** Tags as they are typed: words with commas or spaces between them. */
export function tagsOf(text) {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** Asks for a component and publishes what it holds. With `flow`, only that one. */
export function publishDialog({ ctx, flow = null, done }) {
  const file = field({
    label: "Component",
    hint: "The .wasm file that kitaru-host build wrote.",
    control: h("input", { type: "file", class: "input", accept: ".wasm,application/wasm" }),
  });
  const tags = field({
    label: "Tags",
    hint: "Words that callers use in place of a number, such as canary. Without any it gets default, and is what callers get who name nothing.",
    optional: true,
    control: input({ class: "mono", spellcheck: "false" }),
  });
  const exclusive = checkbox({ label: "Take these tags from other versions" });
  const place = h("div", { class: "stack" });
  const problem = h("div", {});
  let found = null;
  let chosen = [];
  const go = button({ label: "Publish", kind: "primary", disabled: true, onclick: publish });

  file.control.addEventListener("change", async () => {
    const [given] = file.control.files;
    fill(problem);
    fill(place);
    go.disabled = true;
    if (!given) return;
    if (given.size > LARGEST) return file.error(`This file has ${bytes(given.size)}; a component has at most ${bytes(LARGEST)}.`);
    file.error(null);
    fill(place, h("p", { class: "muted", role: "status" }, `Sending ${bytes(given.size)}…`));
    try {
      found = await upload("PUT", "/components", given, { signal: ctx.signal, type: "application/wasm" });
      choose(found.manifest?.flows ?? []);
    } catch (error) {
      fill(place);
      fill(problem, failed(error));
    }
    return undefined;
  });

  function choose(flows) {
    const wanted = flow === null ? flows : flows.filter((one) => one.name === flow);
    if (wanted.length === 0) {
      fill(place, notice({ tone: "bad", text: flow === null ? "This component has no flows." : `This component has no flow ${flow}.` }));
      return;
    }
    chosen = wanted.map((one) => ({ name: one.name, box: checkbox({ label: one.name, hint: one.doc, checked: true }) }));
    fill(
      place,
      h(
        "fieldset",
        { class: "stack-tight" },
        h("legend", { class: "schema-label" }, "Flows to publish"),
        chosen.map((one) => one.box.node),
      ),
    );
    go.disabled = false;
  }

  async function publish() {
    const names = chosen.filter((one) => one.box.control.checked).map((one) => one.name);
    if (names.length === 0) return;
    fill(problem);
    try {
      for (const name of names) {
        await send(
          "POST",
          `/flows/${encodeURIComponent(name)}/versions`,
          { component: found.digest, tags: tagsOf(tags.control.value), ...(exclusive.control.checked ? { exclusive: true } : {}) },
          { signal: ctx.signal },
        );
      }
    } catch (error) {
      fill(problem, failed(error));
      return;
    }
    shown.close();
    toast(`${plural(names.length, "flow")} published`, { tone: "good" });
    done();
  }

  const shown = dialog({
    title: flow === null ? "Publish a component" : `Publish a version of ${flow}`,
    lede: "Each version stays as it is; executions keep the one that they began with.",
    body: h("div", { class: "stack" }, file.node, place, tags.node, exclusive.node, problem),
    actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
  });
  return shown;
}
