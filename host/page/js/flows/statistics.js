// What is known of the executions of flows, as numbers.

import { get } from "../api.js";
import { duration, money, number, tokens } from "../format.js";
import { bars, figure, figures, share } from "../ui/chart.js";

const TONES = { completed: "completed", failed: "failed", waiting: "waiting", running: "running", cancelled: "cancelled" };
const METRICS = ["duration", "failure-rate", "statuses", "tokens", "cost"];

/** Statistics of each flow: a map by its name. */
export async function byFlow(signal) {
  const answer = await get("/statistics", { group_by: "flow", metrics: METRICS, max_groups: 1000 }, { signal });
  return new Map(answer.groups.map((group) => [group.keys.flow, group]));
}

/** Statistics of one flow; null where it has no executions. */
export async function ofFlow(flow, signal) {
  const answer = await get("/statistics", { flow, metrics: METRICS }, { signal });
  return answer.groups[0] ?? null;
}

/** The same by day, the last thirty. */
export async function byDay(flow, signal) {
  const answer = await get("/statistics", { flow, group_by: "day", metrics: "statuses", since: "30d", max_groups: 100 }, { signal });
  return answer.groups
    .map((group) => ({ day: group.keys.day, count: group.execution_count, failed: group.metrics.statuses?.failed ?? 0 }))
    .sort((a, b) => (a.day < b.day ? -1 : 1));
}

/** How the executions ended, in one bar. */
export function outcomes(group) {
  const statuses = group?.metrics.statuses ?? {};
  return share({
    label: "Executions by status",
    parts: Object.keys(TONES).map((status) => ({ label: status, value: statuses[status] ?? 0, tone: TONES[status] })),
  });
}

/** The part that did not fail, of those that ended. */
export function success(group) {
  const rate = group?.metrics["failure-rate"];
  return rate === null || rate === undefined ? "–" : `${((1 - rate) * 100).toFixed(rate > 0 && rate < 0.01 ? 1 : 0)} %`;
}

/** A duration that was measured in seconds. */
export function seconds(value) {
  return value === null || value === undefined ? "–" : duration(value * 1000);
}

/** The numbers of a flow side by side. */
export function numbers(group) {
  const { duration: took, cost, tokens: used } = group.metrics;
  return figures(
    figure("Executions", number(group.execution_count)),
    figure("Succeeded", success(group)),
    figure("Median duration", seconds(took?.p50_seconds), took ? `95 % within ${seconds(took.p95_seconds)}` : null),
    figure("Cost", money(cost?.total_usd), cost ? `${money(cost.mean_usd)} each` : null),
    figure("Tokens", used ? tokens(used.total) : "–"),
  );
}

/** Executions by day as bars; days without any have none. */
export function days(found) {
  const last = new Date();
  const counts = new Map(found.map((one) => [one.day, one]));
  const points = [];
  for (let back = 29; back >= 0; back -= 1) {
    const day = new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), last.getUTCDate() - back)).toISOString().slice(0, 10);
    const one = counts.get(day);
    points.push({
      label: day.slice(5),
      value: one?.count ?? 0,
      title: `${day}: ${one?.count ?? 0} executions${one?.failed ? `, ${one.failed} failed` : ""}`,
    });
  }
  return bars({ label: "Executions by day, UTC", points, format: (value) => number(Math.round(value)) });
}
