// What a flow takes and gives, and what its component consists of.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { shape } from "../schema/shape.js";
import { badge } from "../ui/badge.js";
import { jsonTree } from "../ui/json.js";
import { failed, skeleton } from "../ui/state.js";
import { facts, table } from "../ui/table.js";
import { digest } from "./digest.js";

/** The schema of the flow's default version, and the manifest of its component. */
export function schemaPanel({ flow, ctx }) {
  const version = flow.deployments.find((one) => one.version === flow.default_version) ?? flow.deployments[0];
  if (!version) return h("p", { class: "muted" }, "This flow is not published.");
  const of = version.component_digest ?? version.component ?? version.image_digest;
  const component = h("div", {}, skeleton(5));
  const schema = version.schema ?? {};
  look();
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "panel" },
      h("div", { class: "panel-head" }, h("h2", {}, "Arguments"), h("span", { class: "muted small" }, `of v${version.version}`)),
      h("div", { class: "panel-body as-cards" }, argumentsTable(schema)),
    ),
    component,
  );

  async function look() {
    try {
      const found = await get(`/components/${encodeURIComponent(of)}`, {}, { signal: ctx.signal });
      fill(component, componentPanel(found));
    } catch (error) {
      if (error.name !== "AbortError") fill(component, failed(error, { retry: look }));
    }
  }
}

/** The arguments one by one, and the schema as it is. */
function argumentsTable(schema) {
  const found = shape(schema);
  const rows = found.kind === "object" ? found.properties.map((property) => ({ ...property, shape: shape(property.schema, schema) })) : [];
  return h(
    "div",
    { class: "stack" },
    rows.length > 0
      ? table({
          label: "Arguments",
          rows,
          columns: [
            { id: "name", label: "Name", cell: (row) => h("code", {}, row.key) },
            { id: "kind", label: "Kind", cell: (row) => kindOf(row.shape) },
            { id: "needed", label: "Needed", cell: (row) => (row.required ? "yes" : h("span", { class: "muted" }, "no")) },
            { id: "about", label: "About", cell: (row) => row.shape.description ?? h("span", { class: "muted" }, "–") },
          ],
        })
      : null,
    h("details", {}, h("summary", {}, "JSON Schema"), jsonTree(schema, { open: 3 })),
  );
}

function kindOf(found) {
  const words = {
    number: found.whole ? "whole number" : "number",
    string: found.format ?? "text",
    enum: `one of ${found.options?.length}`,
    choice: `one of ${found.variants?.length} forms`,
    array: "list",
    object: "fields",
    boolean: "yes or no",
    constant: JSON.stringify(found.value),
    json: "any JSON",
  };
  return h("span", {}, words[found.kind] ?? found.kind, found.nullable ? h("span", { class: "muted" }, " or nothing") : null);
}

function componentPanel(found) {
  const signature = found.signature;
  return h(
    "section",
    { class: "panel" },
    h("div", { class: "panel-head" }, h("h2", {}, "Component"), digest(found.digest)),
    h(
      "div",
      { class: "panel-body stack as-cards" },
      facts([
        ["Size", bytes(found.size_bytes)],
        [
          "Signature",
          signature
            ? [
                badge(signature.status, signature.status === "trusted" || signature.status === "signed" ? "good" : "none"),
                signature.signed_by?.length > 0 ? ` by ${signature.signed_by.join(", ")}` : null,
              ]
            : null,
        ],
        ["SDK", found.manifest?.sdk ? `${found.manifest.sdk.name} ${found.manifest.sdk.version}` : null],
        ["Flows", found.manifest?.flows?.map((one) => one.name).join(", ")],
      ]),
      table({
        label: "Checkpoints",
        rows: found.manifest?.checkpoints ?? [],
        empty: "It has no checkpoints",
        columns: [
          { id: "name", label: "Checkpoint", cell: (one) => h("code", {}, one.name) },
          { id: "type", label: "Type", cell: (one) => one.options?.type ?? h("span", { class: "muted" }, "–") },
          { id: "retries", label: "Retries", align: "end", cell: (one) => String(one.options?.retries ?? 0) },
          { id: "effect", label: "Runs", cell: (one) => (one.options?.effect === "once" ? "at most once" : "at least once") },
          { id: "about", label: "About", cell: (one) => one.doc ?? h("span", { class: "muted" }, "–") },
        ],
      }),
    ),
  );
}
