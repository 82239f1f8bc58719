// The versions of a flow and the tags that point at them.

import { send } from "../api.js";
import { h } from "../dom.js";
import { plural, time } from "../format.js";
import { badge } from "../ui/badge.js";
import { button, iconButton } from "../ui/button.js";
import { confirm, dialog } from "../ui/dialog.js";
import { checkbox, field, input } from "../ui/field.js";
import { table } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { digest } from "./digest.js";
import { publishDialog } from "./publish.js";

const DEFAULT = "default";

/** A table of them, the latest first. `changed` is called when something was done. */
export function versionsPanel({ flow, ctx, changed }) {
  const path = `/flows/${encodeURIComponent(flow.flow)}`;
  const may = ctx.can("author");
  return h(
    "div",
    { class: "stack" },
    may
      ? h(
          "div",
          { class: "row" },
          button({ label: "Publish a version", icon: "upload", onclick: () => publishDialog({ ctx, flow: flow.flow, done: changed }) }),
        )
      : null,
    h(
      "div",
      { class: "panel as-cards" },
      table({
        label: `Versions of ${flow.flow}`,
        rows: flow.deployments,
        columns: [
          { id: "version", label: "Version", cell: (one) => h("strong", { class: "num" }, `v${one.version}`), sort: (one) => one.version },
          { id: "tags", label: "Tags", cell: (one) => tagsOf(one) },
          { id: "component", label: "Component", cell: (one) => digest(one.component_digest ?? one.component ?? one.image_digest) },
          {
            id: "created",
            label: "Published",
            cell: (one) => h("span", {}, time(one.created_at), one.created_by ? h("span", { class: "muted" }, ` by ${one.created_by}`) : null),
            sort: (one) => one.created_at,
          },
          { id: "actions", label: "Actions", hideLabel: true, align: "end", cell: (one) => actions(one) },
        ],
      }),
    ),
  );

  function tagsOf(one) {
    const entries = Object.entries(one.tags ?? {});
    if (entries.length === 0) return h("span", { class: "muted" }, "–");
    return h(
      "span",
      { class: "row" },
      entries.map(([name, exclusive]) =>
        h(
          "span",
          { class: "version-tag" },
          badge(name, name === DEFAULT ? "accent" : "none"),
          exclusive && name !== DEFAULT ? h("span", { class: "visually-hidden" }, " (only here)") : null,
          may && name !== DEFAULT
            ? iconButton({ label: `Take the tag ${name} from v${one.version}`, icon: "close", onclick: () => untag(one, name) })
            : null,
        ),
      ),
    );
  }

  function actions(one) {
    return h(
      "span",
      { class: "row row-end" },
      may ? button({ label: "Tag", small: true, kind: "quiet", onclick: () => tagDialog(one) }) : null,
      ctx.can("admin") ? iconButton({ label: `Delete v${one.version}`, icon: "trash", onclick: () => remove(one) }) : null,
    );
  }

  function tagDialog(one) {
    const name = field({
      label: "Tag",
      hint: "default is what callers get who name nothing.",
      control: input({ class: "mono", spellcheck: "false", value: one.tags?.[DEFAULT] === undefined ? DEFAULT : "" }),
    });
    const only = checkbox({ label: "Only this version has it", hint: "It moves here from the version that has it now." });
    const go = button({
      label: "Set the tag",
      kind: "primary",
      onclick: async () => {
        const text = name.control.value.trim();
        name.error(text === "" || /\s/.test(text) ? "A tag is one word" : null);
        if (text === "" || /\s/.test(text)) return name.control.focus();
        await send(
          "PUT",
          `${path}/tags/${encodeURIComponent(text)}`,
          { version: one.version, ...(only.control.checked ? { exclusive: true } : {}) },
          { signal: ctx.signal },
        );
        shown.close();
        toast(`${text} points at v${one.version}`, { tone: "good" });
        changed();
        return undefined;
      },
    });
    const shown = dialog({
      title: `Tag v${one.version} of ${flow.flow}`,
      body: h("div", { class: "stack" }, name.node, only.node),
      actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
    });
    name.control.select();
  }

  async function untag(one, name) {
    const sure = await confirm({
      title: `Take ${name} from v${one.version}?`,
      text: "Callers that name this tag get another version, or none.",
      confirm: "Take it away",
      danger: true,
    });
    if (!sure) return;
    await send("DELETE", `${path}/tags/${encodeURIComponent(name)}`, { version: one.version }, { signal: ctx.signal });
    toast(`v${one.version} has no tag ${name} any more`);
    changed();
  }

  async function remove(one) {
    const exclusive = Object.entries(one.tags ?? {})
      .filter(([, only]) => only)
      .map(([name]) => name);
    if (exclusive.length > 0) {
      toast(`v${one.version} has the ${plural(exclusive.length, "tag").replace(/^\S+ /, "")} ${exclusive.join(", ")}`, {
        tone: "bad",
        hint: "move it to another version first",
      });
      return;
    }
    const sure = await confirm({
      title: `Delete v${one.version} of ${flow.flow}?`,
      text: "It cannot be started any more. Its executions stay, and go on.",
      confirm: "Delete the version",
      danger: true,
    });
    if (!sure) return;
    await send("DELETE", `${path}/deployment`, { version: one.version }, { signal: ctx.signal });
    toast(`v${one.version} deleted`);
    changed();
  }
}
