// Two or more executions beside each other: the first is what the others are compared with.

import { callsPanel } from "../compare/calls.js";
import { column } from "../compare/columns.js";
import { diffs, load } from "../compare/load.js";
import { get } from "../api.js";
import { fill, h, link } from "../dom.js";
import { plural, shortId, shortTime } from "../format.js";
import * as live from "../live.js";
import { equal } from "../schema/equal.js";
import { button } from "../ui/button.js";
import { diffView } from "../ui/diff.js";
import { dialog } from "../ui/dialog.js";
import { field, input, select } from "../ui/field.js";
import { empty, failed, skeleton } from "../ui/state.js";
import { segments } from "../ui/tabs.js";

const MOST = 6;
const FEW = 3;
const RECENT = 100;

export async function view(ctx) {
  let context = ctx;
  let items = [];
  let wanted = [];
  let turn = 0;
  let pending = null;
  const head = h("div", { class: "page-title" });
  const place = h("div", { class: "stack" });
  const add = button({ label: "Add", icon: "plus", onclick: () => pick() });
  const node = h("div", { class: "page" }, h("header", { class: "page-head" }, head, h("div", { class: "page-actions" }, add)), place);

  async function refresh({ quiet = false } = {}) {
    turn += 1;
    const own = turn;
    wanted = chosen(context.query);
    fill(head, h("p", { class: "crumbs" }, link("/executions", {}, "Executions")), h("h1", {}, "Compare"));
    add.disabled = wanted.length >= MOST;
    if (wanted.length === 0)
      return fill(
        place,
        empty({
          icon: "compare",
          title: "Nothing to compare yet",
          text: "Choose executions in the list of executions, or add them here.",
          action: button({ label: "Add an execution", icon: "plus", onclick: () => pick() }),
        }),
      );
    if (!quiet) fill(place, skeleton(8));
    try {
      items = await Promise.all(wanted.map((id) => load(id, ctx.signal)));
      const different =
        items.length > 1
          ? await diffs(
              items[0].execution.exec_id,
              items.slice(1).map((item) => item.execution.exec_id),
              ctx.signal,
            ).catch(() => new Map())
          : new Map();
      if (own === turn) show(different);
    } catch (error) {
      if (error.name !== "AbortError" && own === turn) fill(place, failed(error, { retry: refresh }));
    }
    return undefined;
  }

  function show(different) {
    const [base] = items;
    const letters = items.map((_, index) => String.fromCharCode(65 + index));
    const flows = new Set(items.map((item) => item.execution.flow_name));
    fill(
      head,
      h("p", { class: "crumbs" }, link("/executions", {}, "Executions")),
      h("h1", {}, "Compare"),
      h(
        "p",
        { class: "lede" },
        items.length === 1
          ? "Add one more to see what differs."
          : `${plural(items.length, "execution")} of ${[...flows].join(" and ")}. ${letters[0]} is the base of all differences.`,
      ),
    );
    place.classList.toggle("compare-many", items.length > FEW);
    place.style.setProperty("--columns", String(items.length));
    fill(
      place,
      h(
        "ul",
        { class: "compare-columns" },
        items.map((item, index) =>
          column({ item, letter: letters[index], base, diff: different.get(item.execution.exec_id), act, count: items.length }),
        ),
      ),
      items.length > 1
        ? [
            values(
              "Input",
              items.map((item) => item.execution.input),
              letters,
            ),
            callsPanel({ items, letters }),
            values("Outcome", items.map(outcome), letters),
          ]
        : null,
    );
  }

  const act = {
    base: (id) => choose([id, ...wanted.filter((one) => one !== id)]),
    drop: (id) => choose(wanted.filter((one) => one !== id)),
  };

  function choose(ids) {
    context.setQuery({ execution: ids }, { replace: false });
  }

  async function pick() {
    const flow = items[0]?.execution.flow_name;
    const recent = await get("/executions", { flow, limit: RECENT }, { signal: ctx.signal });
    const known = new Set(wanted);
    const options = recent.items
      .filter((one) => !known.has(one.exec_id))
      .map((one) => ({
        value: one.exec_id,
        label: `${shortId(one.exec_id)} · ${one.flow_name} · ${one.status} · ${shortTime(one.started_at)}${one.original_exec_id ? " · replay" : ""}`,
      }));
    const list = field({
      label: flow ? `Executions of ${flow}` : "Newest executions",
      control: select({ options: [{ value: "", label: options.length > 0 ? "Choose…" : "There is no other" }, ...options], value: "" }),
    });
    const typed = field({
      label: "Or an ID",
      hint: "Its beginning is enough, where no other begins like it.",
      optional: true,
      control: input({ class: "mono", spellcheck: "false" }),
    });
    const go = button({
      label: "Add it",
      kind: "primary",
      onclick: async () => {
        const text = typed.control.value.trim() || list.control.value;
        if (text === "") return list.control.focus();
        try {
          const found = await get(`/executions/${encodeURIComponent(text)}`, {}, { signal: ctx.signal });
          shown.close();
          choose([...new Set([...wanted, found.exec_id])]);
        } catch (error) {
          typed.error(error.message);
        }
        return undefined;
      },
    });
    const shown = dialog({
      title: "Add an execution",
      body: h("div", { class: "stack" }, list.node, typed.node),
      actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
    });
    list.control.focus();
  }

  const off = live.on("execution", (value) => {
    // Only one that has not ended can change.
    const item = items.find((one) => one.execution.exec_id === value?.exec_id);
    if (!item || item.execution.ended_at || pending) return;
    pending = setTimeout(() => {
      pending = null;
      refresh({ quiet: true });
    }, 1000);
  });
  refresh();
  return {
    title: "Compare",
    node,
    update(next) {
      context = next;
      if (!equal(chosen(next.query), wanted)) refresh();
    },
    dispose() {
      off();
      clearTimeout(pending);
    },
  };
}

function chosen(query) {
  return [
    ...new Set(
      query
        .getAll("execution")
        .flatMap((text) => text.split(","))
        .filter(Boolean),
    ),
  ].slice(0, MOST);
}

function outcome({ execution }) {
  if (execution.failure) return { failure: execution.failure.message, kind: execution.failure.exception_type, origin: execution.failure.origin };
  return execution.has_result ? execution.result : undefined;
}

/** One value of each execution, against that of the first. */
function values(name, found, letters) {
  const others = found.slice(1).map((value, index) => ({ value, index: index + 1 }));
  const differing = others.filter((other) => !equal(found[0], other.value));
  const body = h("div", {});
  const draw = (index) => fill(body, diffView(found[0], found[index], { names: [letters[0], letters[index]] }));
  const start = differing[0]?.index ?? 1;
  draw(start);
  return h(
    "details",
    { class: "compare-values", open: differing.length > 0 },
    h(
      "summary",
      {},
      h("h2", {}, name),
      h(
        "span",
        { class: "muted small" },
        differing.length === 0
          ? "the same in all"
          : `${differing.map((other) => letters[other.index]).join(", ")} ${differing.length === 1 ? "differs" : "differ"} from ${letters[0]}`,
      ),
    ),
    h(
      "div",
      { class: "stack-tight" },
      others.length > 1
        ? segments({
            label: `Compare the ${name.toLowerCase()} with`,
            items: others.map(({ index }) => ({ id: String(index), label: `${letters[0]} with ${letters[index]}` })),
            selected: String(start),
            onselect: (id) => draw(Number(id)),
          })
        : null,
      body,
    ),
  );
}
