// Executions of another host, from the file that its export wrote.

import { upload } from "../api.js";
import { fill, h, link } from "../dom.js";
import { bytes, plural, shortId } from "../format.js";
import { button } from "../ui/button.js";
import { dialog } from "../ui/dialog.js";
import { checkbox, field } from "../ui/field.js";
import { failed, notice } from "../ui/state.js";

/** Asks for the file, and takes in what it holds. */
export function importDialog({ ctx, done }) {
  const file = field({ label: "Export", hint: "The file that Export, or kitaru-host executions export, wrote.", control: h("input", { type: "file", class: "input", accept: ".kitaru,.tar,application/x-tar" }) });
  const trusted = checkbox({ label: "Keep what they were granted", hint: "With it their limits and models: for a file from somebody whom you trust." });
  const place = h("div", { role: "status" });
  const go = button({ label: "Import", icon: "upload", kind: "primary", onclick: take });

  async function take() {
    const [given] = file.control.files;
    file.error(given ? null : "Choose a file");
    if (!given) return file.control.focus();
    fill(place, h("p", { class: "muted" }, `Sending ${bytes(given.size)}…`));
    try {
      const query = { trusted: trusted.control.checked || null };
      fill(place, taken(await upload("POST", "/import", given, { signal: ctx.signal, query, type: "application/x-tar" })));
      go.hidden = true;
      done();
    } catch (error) {
      if (error.name !== "AbortError") fill(place, failed(error));
    }
    return undefined;
  }

  function taken({ executions, known, narrowed }) {
    return notice({
      tone: executions.length > 0 ? "good" : "none",
      title: `${plural(executions.length, "execution")} taken in`,
      text: [known.length > 0 && `${plural(known.length, "execution")} were here already.`, narrowed.length > 0 && `${plural(narrowed.length, "execution")} lost grants, limits or models that they had.`].filter(Boolean).join(" ") || null,
      children: h("p", { class: "row" }, executions.slice(0, 20).map((id) => link(`/executions/${id}`, { class: "identifier", on: { click: () => shown.close() } }, shortId(id)))),
    });
  }

  const shown = dialog({ title: "Import executions", lede: "With their journals, logs, artifacts and components.", body: h("div", { class: "stack" }, file.node, trusted.node, place), actions: (close) => [button({ label: "Close", kind: "quiet", onclick: () => close() }), go] });
}
