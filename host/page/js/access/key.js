// An API key: made, shown once, rotated.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { button, copyButton, work } from "../ui/button.js";
import { dialog } from "../ui/dialog.js";
import { field, input, select } from "../ui/field.js";
import { failed } from "../ui/state.js";

const RETAINED = [
  { value: "0", label: "Not at all" },
  { value: "15", label: "15 minutes" },
  { value: "60", label: "1 hour" },
  { value: "1440", label: "1 day" },
  { value: "10080", label: "7 days" },
];

/** Makes a key. */
export function keyDialog({ ctx, account, done }) {
  const path = `/service-accounts/${encodeURIComponent(account.name)}/api-keys`;
  const name = field({ label: "Name", hint: "Where it will be used, such as laptop.", control: input({ spellcheck: "false" }) });
  const about = field({ label: "What it is for", optional: true, control: input({}) });
  ask({
    title: `A key for ${account.name}`,
    fields: [name, about],
    label: "Make the key",
    check: () => name.error(name.control.value.trim() === "" ? "A name is needed" : null),
    make: () => send("POST", path, { name: name.control.value.trim(), description: about.control.value.trim() }, { signal: ctx.signal }),
    done,
  });
}

/** Gives a key another secret. */
export function rotateDialog({ ctx, account, key, done }) {
  const path = `/service-accounts/${encodeURIComponent(account.name)}/api-keys/${encodeURIComponent(key.api_key_id)}`;
  const retain = field({
    label: "The secret that it has now works for",
    hint: "So that whoever uses it has time to change it.",
    control: select({ options: RETAINED, value: "60" }),
  });
  ask({
    title: `Rotate the key ${key.name}`,
    fields: [retain],
    label: "Rotate",
    check: () => {},
    make: () => send("POST", `${path}/rotate`, { retain_minutes: Number(retain.control.value) }, { signal: ctx.signal }),
    done,
  });
}

function ask({ title, fields, label, check, make, done }) {
  const problem = h("div", { role: "alert" });
  const go = button({ label, kind: "primary", type: "submit" });
  const form = h(
    "form",
    {
      class: "stack",
      noValidate: true,
      id: "key-form",
      on: {
        submit: (event) => {
          event.preventDefault();
          work(go, run);
        },
      },
    },
    fields.map((one) => one.node),
    problem,
  );
  go.setAttribute("form", "key-form");

  async function run() {
    check();
    const wrong = form.querySelector('[aria-invalid="true"]');
    if (wrong) return wrong.focus();
    fill(problem);
    let made;
    try {
      made = await make();
    } catch (error) {
      if (error.status === 409) fields[0].error(error.message);
      else fill(problem, failed(error));
      return undefined;
    }
    shown.close();
    showOnce(made, done);
    return undefined;
  }

  const shown = dialog({ title, body: form, actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go] });
  fields[0].control.focus();
}

/** The key itself, once. */
function showOnce(made, done) {
  const code = h("code", { class: "secret-text", tabIndex: 0, "aria-label": "The API key" }, made.key);
  const shown = dialog({
    title: `The key ${made.name}`,
    body: h(
      "div",
      { class: "stack" },
      h("p", {}, "Copy it now: the host keeps only a hash of it, and cannot show it again."),
      h("div", { class: "secret-shown" }, code, copyButton(made.key, "Copy the key")),
      h(
        "p",
        { class: "field-hint" },
        "Scripts and assistants send it with each request: ",
        h("code", {}, "Authorization: Bearer …"),
        ". Terminals log in with it: ",
        h("code", {}, `kitaru-host login ${location.origin}`),
        ".",
      ),
    ),
    actions: () => [button({ label: "I have copied it", kind: "primary", onclick: () => shown.close() })],
  });
  code.focus();
  // Escape would lose it for good.
  shown.node.addEventListener("cancel", (event) => event.preventDefault());
  shown.closed.then(() => {
    // It does not stay in the page.
    code.textContent = "";
    done();
  });
}
