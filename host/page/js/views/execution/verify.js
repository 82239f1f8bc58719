// Whether an execution's record is what was written, and whether its code would still make the same calls.

import { send } from "../../api.js";
import { fill, h } from "../../dom.js";
import { plural } from "../../format.js";
import { badge } from "../../ui/badge.js";
import { dialog } from "../../ui/dialog.js";
import { failureView } from "../../ui/failure.js";
import { failed, skeleton } from "../../ui/state.js";
import { facts } from "../../ui/table.js";

/** Looks, and says what it found. */
export async function verifyDialog(ctx, execution) {
  const body = h("div", { class: "stack", "aria-live": "polite" }, skeleton(4));
  dialog({ title: "Verify", lede: `The record of ${execution.flow_name} is read from its first byte, and its code is run on it without any effect.`, body });
  try {
    const { items } = await send("POST", "/verifications", { executions: [execution.exec_id] }, { signal: ctx.signal });
    fill(body, items.map(found));
  } catch (error) {
    if (error.name !== "AbortError") fill(body, failed(error));
  }
}

function found({ holds, verdict, chain, calls, records, reason, failure }) {
  return h(
    "div",
    { class: "stack" },
    h("p", { class: "row" }, badge(holds ? "Nothing is wrong" : verdict, holds ? "good" : "bad"), reason && h("span", {}, reason)),
    facts(
      [
        ["Hash chain", `${chain}, ${plural(records, "record")}`],
        ["Calls", `${plural(calls, "call")} of the record ${holds ? "are made again as they were" : "were compared with the code"}`],
      ],
      { wide: true },
    ),
    failure && failureView(failure, { title: "Where code and record differ" }),
  );
}
