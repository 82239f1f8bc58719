// Flows: those that are published, and those that only ran.

import { all } from "../api.js";
import { fill, h, link } from "../dom.js";
import { money, number, plural } from "../format.js";
import { publishDialog } from "../flows/publish.js";
import { byFlow, outcomes, seconds, success } from "../flows/statistics.js";
import * as live from "../live.js";
import { tag } from "../ui/badge.js";
import { button, linkButton } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { empty, failed, skeleton } from "../ui/state.js";

const PAUSE = 2000;

export async function view(ctx) {
  let flows = null;
  let pending = null;
  const list = h("div", {}, skeleton(6));
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Search flows",
    "aria-label": "Search flows",
    value: ctx.query.get("q") ?? "",
    on: { input: () => (ctx.setQuery({ q: search.value }), render()) },
  });
  const count = h("p", { class: "lede" }, "What can be started here.");
  const node = h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "page-head" },
      h("div", { class: "page-title" }, h("h1", {}, "Flows"), count),
      h(
        "div",
        { class: "page-actions" },
        h("div", { class: "search" }, icon("search"), search),
        ctx.can("author") ? button({ label: "Publish", icon: "upload", kind: "primary", onclick: () => publishDialog({ ctx, done: load }) }) : null,
      ),
    ),
    list,
  );

  async function load() {
    try {
      const [published, statistics] = await Promise.all([
        all("/flows", {}, { signal: ctx.signal }),
        byFlow(ctx.signal).catch((error) => (error.name === "AbortError" ? Promise.reject(error) : new Map())),
      ]);
      flows = published.map((flow) => ({ ...flow, statistics: statistics.get(flow.flow) ?? null }));
      const known = new Set(flows.map((flow) => flow.flow));
      for (const [name, group] of statistics)
        if (!known.has(name)) flows.push({ flow: name, deployment_count: 0, tags: {}, deployments: [], statistics: group });
      render();
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failed(error, { retry: load }));
    }
  }

  function render() {
    if (flows === null) return;
    const wanted = search.value.trim().toLowerCase();
    const shown = flows.filter((flow) => flow.flow.toLowerCase().includes(wanted));
    const published = shown.filter((flow) => flow.deployment_count > 0);
    const others = shown.filter((flow) => flow.deployment_count === 0);
    fill(
      count,
      `${plural(flows.filter((flow) => flow.deployment_count > 0).length, "published flow")}. Each can be started here, from a terminal, over HTTP and by an assistant.`,
    );
    if (flows.length === 0) {
      fill(
        list,
        empty({
          icon: "flows",
          title: "No flows yet",
          text: "Publish a component, and its flows can be started from here.",
          action: ctx.can("author")
            ? button({ label: "Publish a component", icon: "upload", onclick: () => publishDialog({ ctx, done: load }) })
            : null,
        }),
      );
      return;
    }
    if (shown.length === 0) {
      fill(list, empty({ icon: "search", title: "No flow has that name", text: `Nothing is called “${search.value}”.` }));
      return;
    }
    fill(
      list,
      h(
        "div",
        { class: "stack flow-groups" },
        published.length > 0 ? h("ul", { class: "flow-cards" }, published.map(card)) : null,
        others.length > 0
          ? h(
              "section",
              { class: "stack-tight" },
              h("h2", { class: "section-title" }, "Ran here, and not published"),
              h("ul", { class: "flow-cards" }, others.map(card)),
            )
          : null,
      ),
    );
  }

  function card(flow) {
    const path = `/flows/${encodeURIComponent(flow.flow)}`;
    const group = flow.statistics;
    const latest = flow.deployments?.[0];
    return h(
      "li",
      { class: "flow-card" },
      h(
        "div",
        { class: "flow-card-head" },
        h("h2", {}, link(path, { class: "flow-card-name" }, flow.flow)),
        flow.deployment_count > 0
          ? h(
              "span",
              { class: "muted small" },
              `v${flow.default_version ?? flow.latest_version}`,
              flow.latest_version !== flow.default_version ? ` · latest v${flow.latest_version}` : null,
            )
          : null,
      ),
      latest?.doc ? h("p", { class: "flow-card-doc" }, latest.doc) : null,
      Object.keys(flow.tags ?? {}).length > 0
        ? h(
            "p",
            { class: "row flow-card-tags" },
            Object.keys(flow.tags).map((name) => tag(name)),
          )
        : null,
      group
        ? h(
            "div",
            { class: "flow-card-numbers" },
            outcomes(group),
            h(
              "p",
              { class: "muted small" },
              [
                plural(group.execution_count, "execution"),
                `${success(group)} succeeded`,
                `${seconds(group.metrics.duration?.p50_seconds)} median`,
                group.metrics.cost ? money(group.metrics.cost.total_usd) : null,
              ]
                .filter(Boolean)
                .join(" · "),
            ),
          )
        : h("p", { class: "muted small flow-card-numbers" }, number(0), " executions"),
      flow.deployment_count > 0 && ctx.can("author") ? linkButton({ label: "Start", icon: "resume", href: `${path}?tab=start`, small: true }) : null,
    );
  }

  // Many executions may change at once; the numbers need not follow each.
  const off = live.on("execution", () => {
    pending ??= setTimeout(() => {
      pending = null;
      load();
    }, PAUSE);
  });
  load();
  return {
    title: "Flows",
    node,
    update() {},
    dispose() {
      off();
      clearTimeout(pending);
    },
  };
}
