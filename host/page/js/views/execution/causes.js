// The chain of a failure, in words and with links.

import { get } from "../../api.js";
import { fill, h, link } from "../../dom.js";
import { number, shortId } from "../../format.js";
import { chainOf } from "../../timeline/chain.js";
import { identifier } from "../../ui/badge.js";

/** What led to the failure of an execution: a list that fills itself, and stays away where there is nothing to say. `goTo(index)` leads to a call of it. */
export function causesView(ctx, { execution, journal }, goTo) {
  const node = h("ol", { class: "causes", "aria-label": "Caused by", hidden: true });
  const load = (id) => get(`/executions/${encodeURIComponent(id)}`, {}, { signal: ctx.signal }).catch(() => null);
  chainOf(execution, journal, load).then((links) => {
    let above = execution.failure.message;
    node.hidden = links.length === 0;
    fill(
      node,
      links.map((one, at) => {
        const { message, exception_type: kind } = one.failure ?? execution.failure;
        // Most pass on what they got: it is said where it changes, and where a longer way ends.
        const says = message !== above || (at > 0 && at === links.length - 1);
        above = message;
        return h("li", {}, lead(one, execution, goTo), says && [": ", h("code", { class: "failure-kind" }, kind), " ", h("span", { class: "cause-message" }, message)]);
      }),
    );
  });
  return node;
}

function lead(one, execution, goTo) {
  if (one.what === "attempt") return h("span", {}, `attempt ${number(one.number)}, the last`);
  if (one.what === "execution") return h("span", {}, "child ", h("code", {}, one.name), " ", identifier(one.execution, `/executions/${encodeURIComponent(one.execution)}`));
  const text = one.name ? `call ${number(one.index)}, ${one.name}` : `call ${number(one.index)}`;
  if (one.execution === execution.exec_id) return h("button", { type: "button", class: "link-button", on: { click: () => goTo(one.index) } }, text);
  return link(`/executions/${encodeURIComponent(one.execution)}?call=${one.index}`, { title: shortId(one.execution) }, text);
}
