// One flow: how it does, how to start it, its versions and its schema.

import { get, send } from "../api.js";
import { fill, h, link } from "../dom.js";
import { ago, between, duration, plural } from "../format.js";
import { schemaPanel } from "../flows/schemas.js";
import { startPanel } from "../flows/start.js";
import { byDay, days, numbers, ofFlow, outcomes } from "../flows/statistics.js";
import { versionsPanel } from "../flows/versions.js";
import * as live from "../live.js";
import { badge, identifier, status, tag } from "../ui/badge.js";
import { button, linkButton } from "../ui/button.js";
import { confirm, menu } from "../ui/dialog.js";
import { markdown } from "../ui/markdown.js";
import { failed, notice, skeleton } from "../ui/state.js";
import { table } from "../ui/table.js";
import { tabs } from "../ui/tabs.js";
import { toast } from "../ui/toast.js";

const PAUSE = 1500;
const RECENT = 12;

export async function view(ctx) {
  const name = ctx.params.name;
  const path = `/flows/${encodeURIComponent(name)}`;
  let flow = await load();
  let context = ctx;
  let pending = null;
  const body = h("div", {});
  const head = h("header", { class: "page-head" });
  const about = h("div", { class: "lede" });
  const node = h("div", { class: "page" }, head, body);
  let tabbed = null;

  async function load() {
    try {
      return { tags: {}, ...(await get(path, {}, { signal: ctx.signal })) };
    } catch (error) {
      // A flow that only ran, and was never published, is a flow too.
      if (error.status !== 404) throw error;
      const seen = await get("/executions", { flow: name, limit: 1 }, { signal: ctx.signal });
      if (seen.items.length === 0) throw error;
      return { flow: name, deployment_count: 0, deployments: [], tags: {}, default_version: null, latest_version: null };
    }
  }

  function render(selected) {
    describe(flow.deployments.find((one) => one.version === flow.default_version) ?? flow.deployments[0]);
    fill(
      head,
      h(
        "div",
        { class: "page-title" },
        h("p", { class: "crumbs" }, link("/flows", {}, "Flows")),
        h("h1", {}, name),
        about,
        h(
          "p",
          { class: "row" },
          flow.deployments.length === 0
            ? badge("not published")
            : [
                badge(`v${flow.default_version ?? flow.latest_version}`, "accent"),
                h("span", { class: "muted small" }, plural(flow.deployments.length, "version")),
              ],
        ),
      ),
      h(
        "div",
        { class: "page-actions" },
        linkButton({ label: "All executions", icon: "executions", href: `/executions?flow=${encodeURIComponent(name)}` }),
        flow.deployments.length > 0 && context.can("author")
          ? button({ label: "Start", icon: "resume", kind: "primary", onclick: () => (tabbed.select("start"), context.setQuery({ tab: "start" })) })
          : null,
        flow.deployments.length > 0 && context.can("admin")
          ? menu({ label: "More about this flow", items: [{ label: "Delete all versions", icon: "trash", danger: true, onclick: remove }] })
          : null,
      ),
    );
    tabbed = tabs({
      label: `About ${name}`,
      selected: selected ?? "overview",
      onselect: (id) => context.setQuery({ tab: id === "overview" ? null : id }),
      items: [
        { id: "overview", label: "Overview", render: overview },
        { id: "start", label: "Start", render: () => startPanel({ flow, ctx: context }) },
        {
          id: "versions",
          label: "Versions",
          count: flow.deployments.length,
          render: () =>
            flow.deployments.length > 0 ? versionsPanel({ flow, ctx: context, changed }) : notice({ text: "No version of this flow is published." }),
        },
        { id: "schema", label: "Schema", render: () => schemaPanel({ flow, ctx: context }) },
      ],
    });
    fill(body, tabbed.node);
  }

  /** What the author wrote about the flow is in its component. */
  async function describe(version) {
    const component =
      version && (await get(`/components/${encodeURIComponent(version.component_digest)}`, {}, { signal: ctx.signal }).catch(() => null));
    const doc = component?.manifest?.flows?.find((one) => one.name === name)?.doc;
    fill(about, doc && markdown(doc));
  }

  function overview() {
    const place = h("div", { class: "stack" }, skeleton(8));
    refreshOverview(place);
    overview.place = place;
    return place;
  }

  async function refreshOverview(place) {
    try {
      const [group, daily, recent] = await Promise.all([
        ofFlow(name, ctx.signal),
        byDay(name, ctx.signal),
        get("/executions", { flow: name, limit: RECENT }, { signal: ctx.signal }),
      ]);
      fill(
        place,
        group ? h("div", { class: "stack" }, numbers(group), outcomes(group), days(daily)) : notice({ text: "It has not run yet." }),
        h(
          "section",
          { class: "stack-tight" },
          h("h2", {}, "Newest executions"),
          h("div", { class: "panel as-cards" }, executionsTable(recent.items)),
        ),
      );
    } catch (error) {
      if (error.name !== "AbortError") fill(place, failed(error, { retry: () => refreshOverview(place) }));
    }
  }

  function executionsTable(items) {
    return table({
      label: `Newest executions of ${name}`,
      rows: items,
      empty: "None yet",
      columns: [
        { id: "id", label: "Execution", cell: (one) => identifier(one.exec_id, `/executions/${encodeURIComponent(one.exec_id)}`) },
        { id: "status", label: "Status", cell: (one) => status(one.status) },
        { id: "began", label: "Began", cell: (one) => ago(one.started_at) },
        { id: "took", label: "Duration", align: "end", cell: (one) => duration(between(one.started_at, one.ended_at)) },
        {
          id: "tags",
          label: "Labels",
          cell: (one) =>
            h(
              "span",
              { class: "row" },
              one.tags.map((label) => tag(label)),
            ),
        },
      ],
    });
  }

  async function changed() {
    flow = await load();
    render("versions");
  }

  async function remove() {
    const sure = await confirm({
      title: `Delete all versions of ${name}?`,
      text: "The flow cannot be started any more. Its executions stay, and go on.",
      confirm: "Delete all versions",
      danger: true,
      typed: name,
    });
    if (!sure) return;
    await send("DELETE", path, {}, { signal: ctx.signal });
    toast(`${name} is not published any more`);
    context.navigate("/flows");
  }

  const off = live.on("execution", (value) => {
    if (value?.flow_name !== name || !overview.place?.isConnected) return;
    pending ??= setTimeout(() => {
      pending = null;
      refreshOverview(overview.place);
    }, PAUSE);
  });
  render(ctx.query.get("tab"));
  return {
    title: name,
    node,
    update(next) {
      context = next;
      tabbed.select(next.query.get("tab") ?? "overview");
    },
    dispose() {
      off();
      clearTimeout(pending);
    },
  };
}
