// Where an execution comes from, and what came of it: original, replays, parent, children.

import { get } from "../../api.js";
import { fill, h } from "../../dom.js";
import { ago, elapsed, plural, shortId } from "../../format.js";
import { glyph } from "../../ui/badge.js";
import { linkButton } from "../../ui/button.js";
import { empty, failed, skeleton } from "../../ui/state.js";
import { valueView } from "../../ui/value.js";

const MOST = 100;

function card(item, { here = false, role }) {
  const inner = [
    h("div", { class: "kin-head" }, glyph(item.status), h("strong", { class: "truncate" }, item.flow_name), h("span", { class: "identifier" }, shortId(item.exec_id))),
    h("div", { class: "kin-sub" }, role && h("span", {}, role), ago(item.started_at), elapsed(item.started_at, item.ended_at)),
  ];
  if (here) return h("div", { class: "kin kin-here", "aria-current": "true" }, inner);
  return h("a", { class: "kin", href: `/executions/${item.exec_id}` }, inner, h("span", { class: "visually-hidden" }, `, ${item.status}`));
}

/** The panel. */
export function lineagePanel(ctx, data) {
  const node = h("div", { class: "stack" }, skeleton(4));
  const { execution } = data;

  async function load() {
    const one = (id) => (id ? get(`/executions/${id}`, {}, { signal: ctx.signal }).catch(() => ({ exec_id: id, flow_name: "no longer there", status: "cancelled", started_at: null, ended_at: null })) : null);
    const list = (query) => get("/executions", { ...query, limit: MOST }, { signal: ctx.signal });
    try {
      const [original, parent, replays, children, siblings] = await Promise.all([
        one(execution.original_exec_id),
        one(execution.parent_exec_id),
        list({ original: execution.exec_id }),
        list({ parent: execution.exec_id }),
        execution.original_exec_id ? list({ original: execution.original_exec_id }) : { items: [] },
      ]);
      show({ original, parent, replays, children, siblings: siblings.items.filter((item) => item.exec_id !== execution.exec_id) });
    } catch (error) {
      if (error.name !== "AbortError") fill(node, failed(error, { retry: load }));
    }
  }

  function show({ original, parent, replays, children, siblings }) {
    if (!original && !parent && replays.items.length + children.items.length === 0) {
      return fill(node, empty({ icon: "branch", title: "It stands alone", text: "It replays nothing and was not replayed; no flow started it, and it started none." }));
    }
    const kin = [original, ...siblings, execution, ...replays.items].filter(Boolean).map((item) => item.exec_id).slice(0, 12);
    fill(
      node,
      h(
        "div",
        { class: "lineage" },
        [original && ["Original", [card(original, {})]], parent && ["Parent", [card(parent, {})]]].filter(Boolean).map(([name, cards]) => column(name, cards)),
        column("This execution", [card(data.execution, { here: true }), ...siblings.slice(0, 20).map((item) => card(item, { role: "replay of the same" }))]),
        replays.items.length > 0 && column(`Replays${more(replays)}`, replays.items.map((item) => card(item, {}))),
        children.items.length > 0 && column(`Children${more(children)}`, children.items.map((item) => card(item, {}))),
      ),
      kin.length > 1 && (original || replays.items.length > 0) && h("div", {}, linkButton({ label: `Compare ${plural(kin.length, "execution")}`, icon: "compare", href: `/compare?${new URLSearchParams(kin.map((id) => ["execution", id]))}` })),
      execution.replay && h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, "How it was replayed")), h("div", { class: "panel-body" }, valueView(execution.replay, { name: "Plan", open: 3 }))),
    );
  }

  const more = (page) => (page.total > page.items.length ? ` (${page.items.length} of ${page.total})` : "");
  const column = (name, cards) => h("section", { class: "lineage-column" }, h("h2", { class: "lineage-name" }, name), cards);
  load();
  return { node, refresh: load };
}

