// What model calls used and cost: by day, by model, by flow.

import { get } from "../api.js";
import { fill, h, link } from "../dom.js";
import { money, number, tokens } from "../format.js";
import { bars, figure, figures, meter } from "../ui/chart.js";
import { failed, notice, skeleton } from "../ui/state.js";
import { table } from "../ui/table.js";
import { segments } from "../ui/tabs.js";

const DAY = 86_400_000;
const SPANS = [
  { id: "7d", label: "7 days", days: 7 },
  { id: "30d", label: "30 days", days: 30 },
  { id: "90d", label: "90 days", days: 90 },
];

/** The panel; the span is kept in the address. */
export function usagePanel({ ctx }) {
  let span = SPANS.find((one) => one.id === ctx.query.get("since")) ?? SPANS[1];
  const place = h("div", { class: "stack" }, skeleton(6));

  async function load() {
    // Days are counted from 1970 on, UTC; today is one of them.
    const since = Math.floor(Date.now() / DAY) - span.days + 1;
    try {
      const [days, models, flows] = await Promise.all(
        ["day", "model", "flow"].map((by) => get("/model-usage", { by, since_day: since }, { signal: ctx.signal })),
      );
      fill(place, ...shown(days.total, days.groups, models.groups, flows.groups));
    } catch (error) {
      if (error.name !== "AbortError") fill(place, failed(error, { retry: load }));
    }
  }

  function shown(total, days, models, flows) {
    if (total.calls === 0) return [notice({ text: "No model was called in this time." })];
    const summary = total.llm_usage_summary_v1;
    return [
      figures(
        figure(
          "Spent",
          money(total.cost_usd),
          summary.records_without_cost_count > 0 ? `${number(summary.records_without_cost_count)} calls without a known price` : null,
        ),
        figure("Saved", money(summary.saved_cost_usd), "by the cache and by records"),
        figure("Calls", number(total.calls)),
        figure("Tokens read", tokens(summary.incurred_input_tokens)),
        figure("Tokens written", tokens(summary.incurred_output_tokens)),
      ),
      bars({ label: "Cost by day, UTC", points: everyDay(days, span.days), format: money }),
      h(
        "div",
        { class: "grid-2" },
        groupTable("By model", models, (name) => h("code", {}, name)),
        groupTable("By flow", flows, (name) => link(`/flows/${encodeURIComponent(name)}`, {}, name)),
      ),
      budgets(flows),
    ];
  }

  load();
  return h(
    "section",
    { class: "stack", "aria-label": "Usage" },
    h(
      "div",
      { class: "row" },
      h("h2", {}, "Usage"),
      h("span", { class: "push" }),
      segments({
        label: "How far back",
        items: SPANS,
        selected: span.id,
        onselect: (id) => ((span = SPANS.find((one) => one.id === id)), ctx.setQuery({ since: id === "30d" ? null : id }), load()),
      }),
    ),
    place,
  );
}

/** Each day of the span, also those on which nothing was called. */
function everyDay(items, count) {
  const known = new Map(items.map((item) => [item.name, item]));
  const today = new Date();
  return Array.from({ length: count }, (_, index) => {
    const day = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() - (count - 1 - index))).toISOString().slice(0, 10);
    const item = known.get(day);
    return { label: day.slice(5), value: item?.cost_usd ?? 0, title: `${day}: ${money(item?.cost_usd ?? 0)}, ${number(item?.calls ?? 0)} calls` };
  });
}

function groupTable(label, items, name) {
  const most = Math.max(...items.map((item) => item.cost_usd ?? 0), 0);
  return h(
    "section",
    { class: "panel" },
    h("div", { class: "panel-head" }, h("h3", {}, label)),
    h(
      "div",
      { class: "panel-body panel-body-flush as-cards" },
      table({
        label,
        rows: items,
        empty: "Nothing",
        columns: [
          { id: "name", label: "Name", cell: (item) => (item.name === null ? h("span", { class: "muted" }, "not known") : name(item.name)) },
          { id: "cost", label: "Cost", align: "end", cell: (item) => h("span", {}, money(item.cost_usd)), sort: (item) => item.cost_usd },
          {
            id: "part",
            label: "Part of it",
            hideLabel: true,
            class: "wide-only",
            cell: (item) =>
              h(
                "div",
                { class: "meter-track part", "aria-hidden": "true" },
                h("div", { class: "meter-fill", style: { width: `${most > 0 ? ((item.cost_usd ?? 0) / most) * 100 : 0}%` } }),
              ),
          },
          { id: "calls", label: "Calls", align: "end", cell: (item) => h("span", {}, number(item.calls)), sort: (item) => item.calls },
          {
            id: "tokens",
            label: "Tokens",
            align: "end",
            cell: (item) => h("span", {}, tokens(item.llm_usage_summary_v1.total_tokens)),
            sort: (item) => item.llm_usage_summary_v1.total_tokens,
          },
        ],
      }),
    ),
  );
}

/** What counts against budgets: beside what was recorded, what calls under way have set aside. */
function budgets(flows) {
  const counted = flows.filter((item) => item.budget !== null);
  if (counted.length === 0) return null;
  const most = Math.max(...counted.map((item) => item.budget.limit_usd ?? item.budget.total_usd));
  return h(
    "section",
    { class: "panel" },
    h(
      "div",
      { class: "panel-head" },
      h("h3", {}, "Counted against budgets"),
      h("span", { class: "muted small" }, "what was recorded, and what calls under way have set aside"),
    ),
    h(
      "div",
      { class: "panel-body stack" },
      counted.map((item) => {
        const { budget } = item;
        const aside = budget.reserved_usd + budget.unrecorded_usd;
        return h(
          "div",
          {},
          meter({
            label: item.name,
            value: budget.total_usd,
            most: budget.limit_usd ?? most,
            format: (value) => (budget.limit_usd ? `${money(value)} of ${money(budget.limit_usd)}` : money(value)),
          }),
          aside > 0
            ? h("p", { class: "muted small" }, `${money(budget.reserved_usd)} set aside, ${money(budget.unrecorded_usd)} not recorded`)
            : null,
        );
      }),
    ),
  );
}
