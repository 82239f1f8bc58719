// One alias: what it stands for, whose key it would use, and whether it works.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, money } from "../format.js";
import { badge } from "../ui/badge.js";
import { button } from "../ui/button.js";
import { confirm, menu } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { facts } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { modelDialog } from "./edit.js";

const ORIGINS = { local: null, project: "from the project's kitaru.toml", environment: "from the environment" };

/** A card. `model` has the route, as GET /models/{alias} gives it; `changed` is called when something was done. */
export function modelCard({ model, ctx, changed }) {
  const result = h("div", { "aria-live": "polite" });
  const own = model.origin === "local";
  const admin = ctx.can("admin");
  return h(
    "li",
    { class: "card" },
    h(
      "div",
      { class: "card-head" },
      h("div", { class: "card-title" }, h("h3", {}, model.alias), model.is_default ? badge("default", "accent") : null),
      admin && own
        ? menu({
            label: `More about ${model.alias}`,
            items: [
              { label: "Change", icon: "edit", onclick: () => modelDialog({ ctx, model, done: changed }) },
              model.is_default ? null : { label: "Make it the default", icon: "check", onclick: makeDefault },
              { label: "Remove", icon: "trash", danger: true, onclick: remove },
            ],
          })
        : null,
    ),
    h("p", {}, h("code", {}, model.model)),
    facts(
      [
        ["Key", keyOf(model)],
        ["Address", model.address ? h("code", {}, model.address) : h("span", { class: "muted" }, "not known")],
        ["Protocol", model.protocol],
        ["Then", model.fallbacks.length > 0 ? model.fallbacks.join(", ") : null],
        ["Said by", ORIGINS[model.origin] ?? null],
      ],
      { wide: true },
    ),
    result,
    ctx.can("author") ? h("div", { class: "card-foot" }, button({ label: "Test", icon: "models", small: true, onclick: test })) : null,
  );

  async function test() {
    fill(result, h("p", { class: "muted small", role: "status" }, "Looking…"));
    try {
      fill(result, testView(await send("POST", "/models/test", { model: model.alias }, { signal: ctx.signal })));
    } catch (error) {
      fill(result);
      throw error;
    }
  }

  async function makeDefault() {
    await send("PUT", `/models/${encodeURIComponent(model.alias)}`, { default: true }, { signal: ctx.signal });
    toast(`${model.alias} is the default`, { tone: "good" });
    changed();
  }

  async function remove() {
    const sure = await confirm({
      title: `Remove ${model.alias}?`,
      text: "Calls that name it fail from then on, unless something else says what it means.",
      confirm: "Remove the alias",
      danger: true,
    });
    if (!sure) return;
    await send("DELETE", `/models/${encodeURIComponent(model.alias)}`, {}, { signal: ctx.signal });
    toast(`${model.alias} removed`);
    changed();
  }
}

/** Where the key comes from, and never the key. */
function keyOf(model) {
  if (model.key_source === "environment") return ["an environment variable: ", codes(model.key_names)];
  if (model.key_source === "secret") return ["the secret ", h("code", {}, model.secret)];
  if (model.key_source === "none") return h("span", { class: "muted" }, "none is needed");
  return h(
    "span",
    { class: "field-error" },
    icon("warning"),
    h("span", {}, "there is none: set ", codes(model.key_names), model.secret ? [", or make the secret ", h("code", {}, model.secret)] : null),
  );
}

function codes(names) {
  return names.flatMap((name, index) => [index > 0 ? " or " : null, h("code", {}, name)]);
}

function testView(test) {
  return h(
    "div",
    { class: "stack-tight" },
    h(
      "p",
      { class: "row" },
      test.works ? badge("works", "good") : badge("does not work", "bad"),
      test.cost_usd ? h("span", { class: "muted small" }, `cost ${money(test.cost_usd)}`) : null,
    ),
    h(
      "ul",
      { class: "checks" },
      test.checks.map((check) =>
        h(
          "li",
          {},
          h(
            "span",
            { class: check.ok ? "check-good" : "check-bad" },
            icon(check.ok ? "check" : "close"),
            h("span", { class: "visually-hidden" }, check.ok ? "good" : "bad"),
          ),
          h("span", {}, h("strong", {}, check.name), " ", check.detail),
          h("span", { class: "muted num" }, check.latency_ms === null ? null : duration(check.latency_ms)),
          check.hint ? h("span", { class: "check-hint" }, `Hint: ${check.hint}`) : null,
        ),
      ),
    ),
  );
}
