// A service account, new or changed.

import { send } from "../api.js";
import { fill, h, uid } from "../dom.js";
import { button, work } from "../ui/button.js";
import { dialog } from "../ui/dialog.js";
import { field, input } from "../ui/field.js";
import { failed } from "../ui/state.js";
import { toast } from "../ui/toast.js";

const ROLES = [
  ["viewer", "Looks at everything, and changes nothing"],
  ["operator", "Also answers questions, resumes, retries and cancels"],
  ["author", "Also starts, replays and publishes flows"],
  ["admin", "Everything, also grants, secrets and access"],
];

/** Asks for what an account is. */
export function accountDialog({ ctx, account = null, done }) {
  const name = field({ label: "Name", control: input({ value: account?.name ?? "", spellcheck: "false", autocapitalize: "off" }) });
  const about = field({ label: "What it is for", optional: true, control: input({ value: account?.description ?? "" }) });
  const flows = field({
    label: "Flows",
    hint: "Names with spaces between them; the last sign may be a *, as in content_*. Empty: all flows.",
    optional: true,
    control: input({ class: "mono", value: account?.flows?.join(" ") ?? "", spellcheck: "false" }),
  });
  const group = uid("role");
  const roles = ROLES.map(([role, text]) => {
    const control = h("input", { type: "radio", name: group, value: role, checked: role === (account?.role ?? "viewer") });
    return {
      role,
      control,
      node: h(
        "label",
        { class: "option" },
        control,
        h("span", { class: "option-text" }, h("span", {}, role), h("span", { class: "field-hint" }, text)),
      ),
    };
  });
  const problem = h("div", { role: "alert" });
  const go = button({ label: account ? "Save" : "Add the account", kind: "primary", type: "submit" });

  async function save() {
    const body = { name: name.control.value.trim(), description: about.control.value.trim(), role: roles.find((one) => one.control.checked).role };
    const wanted = flows.control.value.split(/[\s,]+/).filter(Boolean);
    if (wanted.length > 0) body.flows = wanted;
    else if (account) body.all_flows = true;
    name.error(body.name === "" ? "A name is needed" : null);
    flows.error(wanted.some((flow) => flow.slice(0, -1).includes("*")) ? "Only the last sign may be a *" : null);
    const wrong = form.querySelector('[aria-invalid="true"]');
    if (wrong) return wrong.focus();
    fill(problem);
    try {
      if (account) await send("PATCH", `/service-accounts/${encodeURIComponent(account.name)}`, body, { signal: ctx.signal });
      else await send("POST", "/service-accounts", body, { signal: ctx.signal });
    } catch (error) {
      if (error.status === 409) name.error(error.message);
      else fill(problem, failed(error));
      return undefined;
    }
    shown.close();
    toast(account ? `${body.name} is changed` : `${body.name} is added; make it a key to log in with`, { tone: "good" });
    done();
    return undefined;
  }

  const form = h(
    "form",
    { class: "stack", noValidate: true, id: "account-form", on: { submit: (event) => (event.preventDefault(), work(go, save)) } },
    name.node,
    about.node,
    h(
      "fieldset",
      { class: "stack-tight" },
      h("legend", { class: "schema-label" }, "Role"),
      h(
        "div",
        { class: "options" },
        roles.map((one) => one.node),
      ),
    ),
    flows.node,
    problem,
  );
  go.setAttribute("form", "account-form");
  const shown = dialog({
    title: account ? `Change ${account.name}` : "Add a service account",
    body: form,
    actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
  });
  name.control.focus();
}
