// The calls side by side; each can be opened to see what differs.

import { fill, h, uid } from "../dom.js";
import { duration, money, plural, title } from "../format.js";
import { equal } from "../schema/equal.js";
import { badge, provenance, status } from "../ui/badge.js";
import { button } from "../ui/button.js";
import { diffView } from "../ui/diff.js";
import { icon } from "../ui/icons.js";
import { segments } from "../ui/tabs.js";
import { align, verdicts } from "./align.js";
import { change } from "./columns.js";
import { took } from "./load.js";

const PAGE = 100;
const VERDICTS = {
  match: ["same", "none"],
  changed: ["changed", "wait"],
  "only here": ["only here", "accent"],
  missing: ["missing", "bad"],
  absent: ["–", "none"],
};

/** Whether two calls came to the same. */
export function sameCall(a, b) {
  return equal(a.output, b.output) && equal(a.input, b.input) && a.status === b.status && a.failure?.message === b.failure?.message;
}

/** The panel with all rows; those that are the same in all are hidden until they are asked for. */
export function callsPanel({ items, letters }) {
  const rows = align(items.map((item) => item.calls)).map((row) => ({ ...row, verdicts: verdicts(row, sameCall) }));
  const differing = rows.filter((row) => row.verdicts.some((verdict) => verdict !== "match"));
  let all = differing.length === 0;
  let count = PAGE;
  const list = h("ol", { class: "compare-calls" });
  const more = h("div", { class: "row" });

  function show() {
    const chosen = all ? rows : differing;
    fill(
      list,
      chosen.slice(0, count).map((row) => rowOf(row)),
    );
    fill(
      more,
      chosen.length > count
        ? button({
            label: `Show ${Math.min(PAGE, chosen.length - count)} more of ${chosen.length - count}`,
            icon: "down",
            onclick: () => ((count += PAGE), show()),
          })
        : null,
    );
  }

  function rowOf(row) {
    const place = h("div", { class: "compare-detail", id: uid("call"), hidden: true });
    const call = row.cells.find((cell) => cell !== null);
    const opener = h(
      "button",
      {
        type: "button",
        class: "compare-opener",
        "aria-expanded": "false",
        "aria-controls": place.id,
        on: {
          click: () => {
            const open = place.hidden;
            place.hidden = !open;
            opener.setAttribute("aria-expanded", String(open));
            if (open && place.childElementCount === 0) fill(place, detail(row));
          },
        },
      },
      icon("chevron"),
      h(
        "span",
        { class: "compare-name" },
        row.id,
        call.kind === "checkpoint" ? null : h("span", { class: "muted small" }, ` ${title(call.kind).toLowerCase()}`),
      ),
    );
    return h(
      "li",
      { class: "compare-row" },
      h(
        "div",
        { class: "compare-cells" },
        opener,
        row.cells.map((cell, index) => cellOf(cell, row, index)),
      ),
      place,
    );
  }

  function cellOf(cell, row, index) {
    const verdict = index === 0 ? null : verdictOf(row, index);
    const letter = h("span", { class: "compare-letter", "aria-hidden": "true" }, letters[index]);
    if (cell === null)
      return h(
        "div",
        { class: "compare-cell" },
        letter,
        h("span", { class: "muted" }, "–"),
        verdict && row.verdicts[index - 1] === "missing" ? badge(...verdict) : null,
      );
    const [base] = row.cells;
    return h(
      "div",
      { class: "compare-cell" },
      letter,
      cell.status === "completed" ? provenance(cell.provenance) : status(cell.status),
      h("span", { class: "num muted small" }, duration(took(cell)), index > 0 && base ? [" ", change(took(cell), took(base), duration)] : null),
      cell.cost_usd === null
        ? null
        : h(
            "span",
            { class: "num muted small" },
            money(cell.cost_usd),
            index > 0 && base ? [" ", change(cell.cost_usd, base.cost_usd, money)] : null,
          ),
      verdict ? badge(...verdict) : null,
    );
  }

  function verdictOf(row, index) {
    const word = row.verdicts[index - 1];
    const [base] = row.cells;
    const onlyInput = word === "changed" && base.status === row.cells[index].status && equal(base.output, row.cells[index].output);
    return onlyInput ? ["other input", "none"] : VERDICTS[word];
  }

  function detail(row) {
    const others = row.cells.map((cell, index) => index).filter((index) => index > 0);
    let chosen = others.find((index) => row.verdicts[index - 1] !== "match" && row.verdicts[index - 1] !== "absent") ?? others[0];
    const body = h("div", { class: "stack" });
    const draw = () => {
      const [before, after] = [row.cells[0], row.cells[chosen]];
      const names = [letters[0], letters[chosen]];
      const sameInput = equal(before?.input, after?.input);
      fill(
        body,
        section("Output", diffView(valueOf(before), valueOf(after), { names })),
        h(
          "details",
          { class: "compare-input", open: !sameInput && before !== null && after !== null },
          h("summary", {}, "Input", h("span", { class: "muted small" }, sameInput ? " the same" : " differs")),
          diffView(before?.input, after?.input, { names }),
        ),
      );
    };
    draw();
    return h(
      "div",
      { class: "stack" },
      others.length > 1
        ? segments({
            label: "Compare with",
            items: others.map((index) => ({ id: String(index), label: `${letters[0]} with ${letters[index]}` })),
            selected: String(chosen),
            onselect: (id) => ((chosen = Number(id)), draw()),
          })
        : null,
      body,
    );
  }

  show();
  const same = rows.length - differing.length;
  const toggle = h(
    "label",
    { class: "check" },
    h("input", {
      type: "checkbox",
      checked: all,
      disabled: differing.length === 0 || same === 0,
      on: { change: (event) => ((all = event.target.checked), (count = PAGE), show()) },
    }),
    h("span", {}, "Also what is the same"),
  );
  return h(
    "section",
    { class: "stack-tight" },
    h(
      "div",
      { class: "row" },
      h("h2", {}, "Calls"),
      h(
        "span",
        { class: "muted small" },
        differing.length === 0 ? `${plural(rows.length, "call")}, all the same` : `${plural(differing.length, "call")} differ, ${same} are the same`,
      ),
      h("span", { class: "push" }),
      toggle,
    ),
    rows.length === 0 ? h("p", { class: "muted" }, "None of them made a call.") : list,
    more,
  );
}

/** What a call gave: its output, or what went wrong. */
function valueOf(call) {
  if (call === null) return undefined;
  return call.failure ? { failure: call.failure.message, kind: call.failure.exception_type } : call.output;
}

function section(name, content) {
  return h("section", { class: "stack-tight" }, h("h3", {}, name), content);
}
