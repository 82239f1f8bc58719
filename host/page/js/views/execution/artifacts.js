// What an execution made: each output of a checkpoint, and what was saved beside.

import { get, url } from "../../api.js";
import { fill, h } from "../../dom.js";
import { ago, bytes, number } from "../../format.js";
import { badge, tag } from "../../ui/badge.js";
import { dialog } from "../../ui/dialog.js";
import { downloadLink } from "../../ui/download.js";
import { icon } from "../../ui/icons.js";
import { empty } from "../../ui/state.js";
import { table } from "../../ui/table.js";
import { segments } from "../../ui/tabs.js";
import { bytesView, valueView } from "../../ui/value.js";

const TEXT = /^(text\/|application\/(json|xml|yaml|toml|x-ndjson|javascript)|.*\+(json|xml)$)/i;

function iconOf(mediaType) {
  if (/^image\//.test(mediaType)) return "image";
  return /csv|tab-separated/.test(mediaType) ? "table" : "file";
}

/** The viewer of an artifact with its value. */
export function artifactView(artifact) {
  const { metadata, value, value_format: format } = artifact;
  const content = url(`/artifacts/${encodeURIComponent(artifact.artifact_id)}/content`);
  const name = artifact.name;
  const mediaType = metadata.media_type;
  if (format !== "base64") return valueView(value, { mediaType: mediaType === "application/json" ? null : mediaType, name, open: 3 });
  if (/^image\//i.test(mediaType)) return valueView(value, { mediaType, name });
  if (TEXT.test(mediaType)) {
    const text = new TextDecoder().decode(Uint8Array.from(atob(value), (sign) => sign.codePointAt(0)));
    return valueView(text, { mediaType, name, source: content });
  }
  return bytesView(metadata.size_bytes, mediaType);
}

/** Shows an artifact in a sheet. */
export function artifactDialog(artifact) {
  const { metadata } = artifact;
  dialog({
    title: artifact.name,
    side: true,
    lede: `${artifact.kind ?? "output"} of ${artifact.producing_call} · ${metadata.media_type} · ${bytes(metadata.size_bytes)}`,
    body: h(
      "div",
      { class: "stack" },
      h("div", { class: "row" }, metadata.tags.map(tag), h("span", { class: "push" }, downloadLink({ label: "Download", href: url(`/artifacts/${encodeURIComponent(artifact.artifact_id)}/content`), name: artifact.name }))),
      artifactView(artifact),
    ),
  });
}

/** The panel. */
export function artifactsPanel(ctx, data) {
  const body = h("div", { class: "stack" });
  const place = h("div", { class: "panel as-cards" });
  let which = null;
  let key = null;

  function show() {
    const items = data.execution.artifacts;
    const now = items.map((item) => item.artifact_id).join();
    if (now === key) return;
    key = now;
    const saved = items.filter((item) => item.kind);
    which ??= saved.length > 0 ? "saved" : "all";
    if (items.length === 0) return fill(body, empty({ icon: "file", title: "No artifacts", text: "Outputs of checkpoints, and what they save, appear here." }));
    const choice = segments({ label: "Which", items: [{ id: "saved", label: `Saved ${number(saved.length)}` }, { id: "all", label: `All ${number(items.length)}` }], selected: which, onselect: (id) => ((which = id), draw()) });
    fill(body, choice, place);
    draw();
  }

  function draw() {
    const { artifacts } = data.execution;
    fill(
      place,
      table({
        label: "Artifacts",
        empty: "Nothing was saved beside the outputs",
        rows: which === "saved" ? artifacts.filter((item) => item.kind) : artifacts,
        columns: [
          { id: "name", label: "Name", sort: (item) => item.name, cell: (item) => h("button", { type: "button", class: "artifact-name", on: { click: () => open(item) } }, icon(iconOf(item.metadata.media_type)), h("span", {}, item.name)) },
          { id: "kind", label: "Kind", sort: (item) => item.kind ?? "output", cell: (item) => badge(item.kind ?? "output") },
          { id: "call", label: "Made by", sort: (item) => item.producing_call, cell: (item) => h("span", { class: "mono" }, item.producing_call) },
          { id: "type", label: "Media type", cell: (item) => h("span", { class: "muted" }, item.metadata.media_type), sort: (item) => item.metadata.media_type },
          { id: "size", label: "Size", align: "end", sort: (item) => item.metadata.size_bytes, cell: (item) => bytes(item.metadata.size_bytes) },
          { id: "tags", label: "Labels", cell: (item) => h("span", { class: "row" }, item.metadata.tags.map(tag)) },
          { id: "at", label: "Made", sort: (item) => item.metadata.created_at, cell: (item) => ago(item.metadata.created_at) },
        ],
      }),
    );
  }

  async function open(item) {
    try {
      artifactDialog(await get(`/artifacts/${encodeURIComponent(item.artifact_id)}`, {}, { signal: ctx.signal }));
    } catch (error) {
      if (error.name !== "AbortError") import("../../ui/toast.js").then(({ toast }) => toast(error.message, { tone: "bad", hint: error.hint }));
    }
  }

  show();
  return { node: body, refresh: show };
}
