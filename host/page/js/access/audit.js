// Who did what, the newest first.

import { get } from "../api.js";
import { fill, h, link } from "../dom.js";
import { time } from "../format.js";
import { badge } from "../ui/badge.js";
import { button } from "../ui/button.js";
import { input, select } from "../ui/field.js";
import { failed, skeleton } from "../ui/state.js";
import { table } from "../ui/table.js";

const PAGE = 50;
const TONES = { done: "good", refused: "bad", failed: "wait" };
const EXECUTION = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The log with filters, which are kept in the address. */
export function auditPanel({ ctx }) {
  const chosen = { who: ctx.query.get("who") ?? "", verb: ctx.query.get("verb") ?? "", outcome: ctx.query.get("outcome") ?? "" };
  const place = h("div", {}, skeleton(8));
  const more = h("div", { class: "row" });
  let items = [];
  let turn = 0;

  async function load(cursor = null) {
    turn += 1;
    const own = turn;
    try {
      const answer = await get("/audit", { ...chosen, limit: PAGE, cursor }, { signal: ctx.signal });
      if (own !== turn) return;
      items = cursor === null ? answer.items : [...items, ...answer.items];
      fill(place, h("div", { class: "panel as-cards" }, auditTable()));
      fill(more, answer.next_cursor ? button({ label: "Show older", icon: "down", onclick: () => load(answer.next_cursor) }) : null);
    } catch (error) {
      if (error.name !== "AbortError") fill(place, failed(error, { retry: () => load() }));
    }
  }

  function choose(name, value) {
    chosen[name] = value.trim();
    ctx.setQuery({ [name]: chosen[name] || null });
    load();
  }

  function auditTable() {
    return table({
      label: "Audit log",
      rows: items,
      empty: "Nothing like this is in the log",
      columns: [
        { id: "at", label: "When", cell: (entry) => time(entry.at) },
        {
          id: "who",
          label: "Who",
          cell: (entry) => h("span", {}, h("strong", {}, entry.who), h("span", { class: "muted small" }, ` ${entry.via.replaceAll("-", " ")}`)),
        },
        { id: "verb", label: "What", cell: (entry) => h("code", {}, entry.verb) },
        { id: "subject", label: "To what", cell: (entry) => h("span", {}, subject(entry.subject)) },
        {
          id: "outcome",
          label: "Outcome",
          cell: (entry) =>
            h("div", {}, badge(entry.outcome, TONES[entry.outcome]), entry.detail ? h("p", { class: "muted small" }, entry.detail) : null),
        },
        {
          id: "source",
          label: "From",
          cell: (entry) => (entry.source ? h("code", {}, entry.source) : h("span", { class: "muted" }, "this machine")),
        },
      ],
    });
  }

  function subject(text) {
    if (!text) return h("span", { class: "muted" }, "–");
    return EXECUTION.test(text) ? link(`/executions/${text}`, { class: "identifier", title: text }, text.slice(-8)) : text;
  }

  load();
  return h(
    "section",
    { class: "stack", "aria-label": "Who did what" },
    h(
      "form",
      { class: "toolbar", role: "search", on: { submit: (event) => event.preventDefault() } },
      input({
        type: "search",
        placeholder: "Who",
        "aria-label": "Only of this one",
        class: "audit-filter",
        value: chosen.who,
        on: { change: (event) => choose("who", event.target.value) },
      }),
      input({
        type: "search",
        placeholder: "What, such as executions",
        "aria-label": "Only this verb",
        class: "audit-filter",
        value: chosen.verb,
        on: { change: (event) => choose("verb", event.target.value) },
      }),
      select({
        "aria-label": "Only with this outcome",
        class: "audit-filter",
        options: [{ value: "", label: "Any outcome" }, "done", "refused", "failed"],
        value: chosen.outcome,
        on: { change: (event) => choose("outcome", event.target.value) },
      }),
    ),
    place,
    more,
  );
}
