// Models: what their aliases stand for, whether they work, and what they cost.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { whole } from "../lists.js";
import { modelCard } from "../models/card.js";
import { modelDialog } from "../models/edit.js";
import { usagePanel } from "../models/usage.js";
import { button } from "../ui/button.js";
import { empty, failed, skeleton } from "../ui/state.js";

export async function view(ctx) {
  const list = h("div", {}, skeleton(5));
  const node = h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "page-head" },
      h(
        "div",
        { class: "page-title" },
        h("h1", {}, "Models"),
        h("p", { class: "lede" }, "Short names that flows call models by. Keys stay with the host: flows never see them."),
      ),
      h(
        "div",
        { class: "page-actions" },
        ctx.can("admin") ? button({ label: "Register", icon: "plus", kind: "primary", onclick: () => modelDialog({ ctx, done: load }) }) : null,
      ),
    ),
    h("section", { class: "stack-tight" }, h("h2", {}, "Aliases"), list),
    usagePanel({ ctx }),
  );

  async function load() {
    try {
      const models = await whole("/models", {}, { signal: ctx.signal });
      const detailed = await Promise.all(models.map((model) => get(`/models/${encodeURIComponent(model.alias)}`, {}, { signal: ctx.signal })));
      if (detailed.length === 0)
        fill(
          list,
          empty({
            icon: "models",
            title: "No model has a name yet",
            text: "Flows can name models as provider/model too; an alias lets you change what they get.",
          }),
        );
      else
        fill(
          list,
          h(
            "ul",
            { class: "cards" },
            detailed.map((model) => modelCard({ model, ctx, changed: load })),
          ),
        );
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failed(error, { retry: load }));
    }
  }

  load();
  return { title: "Models", node, update() {} };
}
