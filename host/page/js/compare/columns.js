// The executions that are compared, side by side: what each took, cost and used, against the first.

import { h } from "../dom.js";
import { duration, money, time, tokens } from "../format.js";
import { badge, identifier, status } from "../ui/badge.js";
import { iconButton } from "../ui/button.js";
import { menu } from "../ui/dialog.js";
import { delta, percent } from "./align.js";
import { totals } from "./load.js";

/** One column's head. `act` has `base(id)` and `drop(id)`. */
export function column({ item, letter, base, diff, act, count }) {
  const { execution } = item;
  const first = item === base;
  const own = totals(execution);
  const its = totals(base.execution);
  return h(
    "li",
    { class: ["compare-column", first && "compare-base"] },
    h(
      "div",
      { class: "card-head" },
      h(
        "div",
        { class: "card-title" },
        h("span", { class: "compare-letter" }, letter),
        identifier(execution.exec_id, `/executions/${encodeURIComponent(execution.exec_id)}`),
        first ? badge("base", "accent") : null,
      ),
      first
        ? count > 2
          ? iconButton({ label: `Leave ${letter} out`, icon: "close", onclick: () => act.drop(execution.exec_id) })
          : null
        : menu({
            label: `More about ${letter}`,
            items: [
              { label: "Compare the others with this one", icon: "compare", onclick: () => act.base(execution.exec_id) },
              count > 2 ? { label: "Leave it out", icon: "close", onclick: () => act.drop(execution.exec_id) } : null,
            ],
          }),
    ),
    h("p", { class: "row" }, status(execution.status), h("span", { class: "muted small" }, time(execution.started_at))),
    h(
      "dl",
      { class: "compare-numbers" },
      number("Duration", duration(own.milliseconds), first ? null : change(own.milliseconds, its.milliseconds, duration)),
      number("Cost", money(own.cost), first ? null : change(own.cost, its.cost, money)),
      number("Tokens", own.tokens === null ? "–" : tokens(own.tokens), first ? null : change(own.tokens, its.tokens, tokens)),
    ),
    overrides(execution, diff),
    first || !diff
      ? null
      : h(
          "p",
          { class: "row" },
          diff.same_outcome === null
            ? badge("one has not ended")
            : diff.same_outcome
              ? badge("same outcome", "good")
              : badge("another outcome", "wait"),
        ),
  );
}

function number(label, value, changed) {
  return h("div", { class: "compare-number" }, h("dt", {}, label), h("dd", {}, h("span", { class: "num" }, value), changed));
}

/** By how much a number is more or less. Less is better: time, money and tokens are spent. */
export function change(value, before, format) {
  const difference = delta(value, before);
  if (difference === null) return null;
  if (difference === 0) return h("span", { class: "compare-delta muted" }, "±0");
  const part = percent(value, before);
  const sign = difference > 0 ? "+" : "−";
  const text = `${sign}${format(Math.abs(difference))}`;
  return h(
    "span",
    { class: ["compare-delta", difference > 0 ? "delta-more" : "delta-less"], title: part === null ? null : `${sign}${Math.abs(part).toFixed(0)} %` },
    text,
  );
}

/** What a replay was given in place of what had been. */
function overrides(execution, diff) {
  const { replay } = execution;
  if (!replay) return null;
  const names = diff?.applied_output_overrides?.flatMap((one) => one.matched_invocation_ids) ?? replay.overrides.map((one) => one.invocation);
  const said = [];
  if (names.length > 0) said.push(["Overridden ", ...names.flatMap((name, index) => [index > 0 ? ", " : null, h("code", {}, name)])]);
  if (replay.other_inputs) said.push("Other inputs");
  if (replay.skip?.length > 0) said.push(`Skipped ${replay.skip.join(", ")}`);
  if (replay.reuse_unchanged) said.push("Unchanged calls reused");
  return h(
    "ul",
    { class: "compare-given small" },
    said.length > 0 ? said.map((one) => h("li", {}, one)) : h("li", { class: "muted" }, "A replay without overrides"),
  );
}
