// Waiting for you: every open question of every execution, answered in place.

import { send } from "../api.js";
import { fill, h, link, uid } from "../dom.js";
import { ago, plural, shortId } from "../format.js";
import { questionLine } from "../inbox/context.js";
import { question } from "../inbox/question.js";
import { byFlow, openWaits } from "../inbox/waits.js";
import { answerText } from "../ui/answer_form.js";
import { button } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { empty, failed, skeleton } from "../ui/state.js";
import { announce, toast } from "../ui/toast.js";

export async function view(ctx) {
  let context = ctx;
  let shown = null;
  let loaded = false;
  // The question whose answer is on its way: its form stays until the host has said what became of it.
  let sending = null;
  const list = h("div", { class: "inbox-list" }, skeleton(6));
  const detail = h("div", { class: "inbox-detail" });
  const lede = h("p", { class: "lede" }, "Questions that executions wait for. An answer lets them go on at once.");
  const keys = h(
    "p",
    { class: "inbox-keys muted small" },
    h("kbd", {}, "j"),
    " ",
    h("kbd", {}, "k"),
    " next, previous · ",
    h("kbd", {}, "a"),
    " approve · ",
    h("kbd", {}, "d"),
    " decline · ",
    h("kbd", {}, "Ctrl"),
    " ",
    h("kbd", {}, "Enter"),
    " send",
  );
  const body = h("div", { class: "inbox" }, h("nav", { class: "inbox-side", "aria-label": "Open questions" }, list), detail);
  const node = h(
    "div",
    { class: "page inbox-page" },
    h("header", { class: "page-head" }, h("div", { class: "page-title" }, h("h1", {}, "Waiting for you"), lede), keys),
    body,
  );

  const waits = openWaits({
    signal: ctx.signal,
    changed: () => {
      loaded = true;
      render();
    },
    failed: (error) => {
      // What is shown stays, where something is.
      if (loaded) toast(error.message, { tone: "bad", hint: error.hint });
      else fill(list, failed(error, { retry: waits.refresh }));
    },
  });

  function render() {
    const items = waits.items();
    // What somebody looks at is never exchanged for another question: a hand may be on its way to a button.
    const wanted = context.query.get("wait") ?? shown?.wait_id ?? null;
    const chosen = items.find((wait) => wait.wait_id === wanted) ?? (wanted ? null : inOrder()[0]) ?? null;
    node.classList.toggle("inbox-one", context.query.get("wait") !== null);
    keys.hidden = items.length === 0;
    fill(
      lede,
      items.length === 0
        ? "Questions that executions wait for."
        : `${plural(items.length, "question")} of ${plural(new Set(items.map((wait) => wait.exec_id)).size, "execution")}, the oldest first. An answer lets them go on at once.`,
    );
    if (sending !== null && sending === shown?.wait_id) return renderList(items, null);
    if (items.length === 0) {
      shown = null;
      fill(list);
      fill(
        detail,
        empty({
          icon: "check",
          title: "Nothing waits for you",
          text: "When a flow asks something, it appears here at once.",
          action: link("/executions", { class: "button button-plain" }, "Look at executions"),
        }),
      );
      body.classList.add("inbox-empty");
      return undefined;
    }
    body.classList.remove("inbox-empty");
    renderList(items, chosen);
    if (wanted && !chosen) return gone(wanted);
    if (chosen && shown?.wait_id !== chosen.wait_id) open(chosen);
    return undefined;
  }

  function renderList(items, current) {
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.wait : null;
    fill(
      list,
      byFlow(items).map(({ flow, items: own }) => {
        const heading = uid("flow");
        return h(
          "section",
          { class: "inbox-group", "aria-labelledby": heading },
          h(
            "h2",
            { class: "inbox-flow", id: heading },
            flow,
            h("span", { class: "inbox-count" }, String(own.length), h("span", { class: "visually-hidden" }, " open")),
          ),
          h(
            "ul",
            { class: "inbox-items" },
            own.map((wait) => h("li", {}, row(wait, wait.wait_id === current?.wait_id))),
          ),
        );
      }),
    );
    if (focused) list.querySelector(`[data-wait="${CSS.escape(focused)}"]`)?.focus();
  }

  function row(wait, current) {
    return h(
      "a",
      {
        class: "inbox-item",
        href: `/inbox?wait=${encodeURIComponent(wait.wait_id)}`,
        "aria-current": current ? "true" : null,
        dataset: { wait: wait.wait_id },
        on: {
          click: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            event.stopPropagation();
            context.setQuery({ wait: wait.wait_id }, { replace: !narrow() });
            if (shown?.wait_id === wait.wait_id) shown.panel?.focus();
          },
        },
      },
      h("span", { class: "inbox-question" }, questionLine(wait)),
      h(
        "span",
        { class: "inbox-meta" },
        h("span", { class: "mono", title: wait.exec_id }, shortId(wait.exec_id)),
        ago(wait.entered_waiting_at),
        wait.deadline ? h("span", { class: "inbox-due" }, icon("clock"), ago(wait.deadline)) : null,
      ),
    );
  }

  function open(wait) {
    const may = context.can("operator");
    const of = `/executions/${encodeURIComponent(wait.exec_id)}`;
    const answer = (value) => send("POST", `${of}/input`, { wait: wait.wait_id, value }, { signal: ctx.signal });
    const abort = () => send("POST", `${of}/abort-wait`, { wait: wait.wait_id }, { signal: ctx.signal });
    const settle = async (ask, text) => {
      const items = inOrder();
      const next = items[items.findIndex((one) => one.wait_id === wait.wait_id) + 1] ?? items.find((one) => one.wait_id !== wait.wait_id);
      waits.settle(wait.wait_id);
      sending = wait.wait_id;
      try {
        // The list shows it as answered before the host has said so; what was typed stays until it has.
        renderListOf(next);
        await ask();
      } catch (error) {
        waits.restore(wait.wait_id);
        sending = null;
        if (error.name === "AbortError") throw error;
        renderListOf(wait);
        // Somebody else was faster: there is nothing left to answer.
        if (error.status === 409 || error.status === 404) waits.refresh();
        throw error;
      }
      sending = null;
      toast(`${text}: ${questionLine(wait)}`, {
        tone: "good",
        action: { label: "Open", onclick: () => context.navigate(`/executions/${encodeURIComponent(wait.exec_id)}`) },
      });
      announce(`${text}. ${plural(waits.items().length, "question")} left.`);
      // Whoever has gone on to another question meanwhile stays there.
      if (shown?.wait_id === wait.wait_id) advance(next ?? null);
      else waits.refresh();
    };
    const panel = question({
      wait,
      ctx: context,
      submit: may ? (value) => settle(() => answer(value), answerText(value, wait.schema)) : null,
      abort: may ? () => settle(abort, "Aborted") : null,
    });
    shown = { wait_id: wait.wait_id, panel };
    fill(
      detail,
      h("div", { class: "inbox-back" }, link("/inbox", { class: "button button-quiet button-small" }, icon("up"), h("span", {}, "All questions"))),
      panel.node,
    );
    detail.scrollTop = 0;
  }

  /** The questions in the order in which they are shown. */
  function inOrder() {
    return byFlow(waits.items()).flatMap((group) => group.items);
  }

  function renderListOf(current) {
    const items = waits.items();
    if (items.length > 0) renderList(items, current ?? items[0]);
  }

  function advance(next) {
    shown = null;
    context.setQuery({ wait: narrow() ? null : (next?.wait_id ?? null) });
    context.query = new URLSearchParams(location.search);
    render();
    shown?.panel?.focus();
    waits.refresh();
  }

  function gone(id) {
    if (shown?.wait_id === id && shown.panel === null) return;
    shown = { wait_id: id, panel: null };
    fill(
      detail,
      empty({
        icon: "check",
        title: "This question is closed",
        text: "Somebody has answered it, or the execution has ended.",
        action: button({ label: "Show the next", onclick: () => advance(inOrder()[0] ?? null) }),
      }),
    );
    announce("This question is closed.");
  }

  function move(by) {
    const items = inOrder();
    const at = items.findIndex((wait) => wait.wait_id === shown?.wait_id);
    const to = items[Math.min(Math.max(at + by, 0), items.length - 1)];
    if (!to) return;
    context.setQuery({ wait: to.wait_id });
    list.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
    announce(questionLine(to));
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], [role=menu]")) return;
    const act = { j: () => move(1), k: () => move(-1), a: () => shown?.panel?.form?.approve(), d: () => shown?.panel?.form?.decline() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
  document.addEventListener("keydown", pressed);

  waits.refresh();
  return {
    title: "Inbox",
    node,
    update(next) {
      context = next;
      if (loaded) render();
      if (narrow() && shown && next.query.get("wait")) shown.panel?.focus();
    },
    dispose() {
      document.removeEventListener("keydown", pressed);
      waits.close();
    },
  };
}

function narrow() {
  return matchMedia("(max-width: 56rem)").matches;
}
