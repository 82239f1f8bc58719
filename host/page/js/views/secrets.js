// Secrets: their names and the names of their values. A value goes in, and never comes out.

import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { ago } from "../format.js";
import { whole } from "../lists.js";
import { badge } from "../ui/badge.js";
import { button, iconButton, work } from "../ui/button.js";
import { confirm, dialog } from "../ui/dialog.js";
import { field, input } from "../ui/field.js";
import { empty, failed, notice, skeleton } from "../ui/state.js";
import { table } from "../ui/table.js";
import { toast } from "../ui/toast.js";

const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;

export async function view(ctx) {
  const admin = ctx.can("admin");
  if (!ctx.can("author"))
    return {
      title: "Secrets",
      node: h(
        "div",
        { class: "page" },
        h("header", { class: "page-head" }, h("h1", {}, "Secrets")),
        notice({ text: "Authors see which secrets there are, and admins change them." }),
      ),
    };
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
        h("h1", {}, "Secrets"),
        h("p", { class: "lede" }, "Keys and passwords, encrypted. Values are put in by hand and used by the host; nothing shows them."),
      ),
      h(
        "div",
        { class: "page-actions" },
        admin ? button({ label: "Add a secret", icon: "plus", kind: "primary", onclick: () => setDialog(null) }) : null,
      ),
    ),
    list,
  );

  async function load() {
    try {
      const secrets = await whole("/secrets", {}, { signal: ctx.signal });
      if (secrets.length === 0)
        fill(
          list,
          empty({
            icon: "secrets",
            title: "No secrets yet",
            text: "A secret is a name with one or more values, such as a provider's API key. Flows are granted it by name.",
            action: admin ? button({ label: "Add a secret", icon: "plus", onclick: () => setDialog(null) }) : null,
          }),
        );
      else fill(list, h("div", { class: "panel as-cards" }, secretsTable(secrets)));
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failed(error, { retry: load }));
    }
  }

  function secretsTable(secrets) {
    return table({
      label: "Secrets",
      rows: secrets,
      columns: [
        { id: "name", label: "Name", cell: (secret) => h("strong", {}, secret.name), sort: (secret) => secret.name },
        {
          id: "keys",
          label: "Values",
          cell: (secret) =>
            h(
              "span",
              { class: "row" },
              secret.keys.map((key) => badge(key)),
            ),
        },
        { id: "notes", label: "Notes", cell: (secret) => h("span", {}, notes(secret.metadata)) },
        { id: "version", label: "Version", align: "end", cell: (secret) => h("span", {}, String(secret.version)) },
        { id: "changed", label: "Changed", cell: (secret) => ago(secret.updated_at), sort: (secret) => secret.updated_at },
        admin
          ? {
              id: "actions",
              label: "Actions",
              hideLabel: true,
              align: "end",
              cell: (secret) =>
                h(
                  "span",
                  { class: "row row-end" },
                  button({ label: "Set values", small: true, kind: "quiet", onclick: () => setDialog(secret) }),
                  iconButton({ label: `Delete ${secret.name}`, icon: "trash", onclick: () => remove(secret) }),
                ),
            }
          : null,
      ].filter(Boolean),
    });
  }

  function notes(metadata) {
    const entries = Object.entries(metadata ?? {});
    if (entries.length === 0) return h("span", { class: "muted" }, "–");
    return entries.map(([key, value], index) => [index > 0 ? ", " : null, `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`]);
  }

  function setDialog(secret) {
    const name = field({
      label: "Name",
      hint: "What grants and model aliases call it.",
      control: input({ class: "mono", value: secret?.name ?? "", disabled: secret !== null, spellcheck: "false" }),
    });
    const rows = [];
    const list = h("div", { class: "stack-tight" });
    const problem = h("div", { role: "alert" });
    const go = button({ label: secret ? "Save the values" : "Add the secret", kind: "primary", type: "submit" });
    const add = button({ label: "Another value", icon: "plus", small: true, kind: "quiet", onclick: () => addRow("").key.control.focus() });

    function addRow(given) {
      const key = field({ label: "Key", control: input({ class: "mono", value: given, spellcheck: "false", autocapitalize: "off" }) });
      const value = field({ label: "Value", control: input({ type: "password", class: "mono", autocomplete: "new-password", spellcheck: "false" }) });
      const row = { key, value };
      const drop = iconButton({
        label: "Leave this value out",
        icon: "close",
        onclick: () => {
          rows.splice(rows.indexOf(row), 1);
          row.node.remove();
          add.focus();
        },
      });
      row.node = h("div", { class: "secret-row" }, key.node, value.node, drop);
      rows.push(row);
      list.append(row.node);
      return row;
    }

    async function save() {
      const values = {};
      for (const { key, value } of rows) {
        const text = key.control.value.trim();
        key.error(
          !KEY.test(text) ? "Letters, digits and _, not beginning with a digit" : Object.hasOwn(values, text) ? "This key is there already" : null,
        );
        // An empty field beside a key that is there already means: leave it.
        const keep = secret?.keys.includes(text) && value.control.value === "";
        value.error(value.control.value === "" && !keep ? "A value is needed" : null);
        if (!keep) values[text] = value.control.value;
      }
      const target = name.control.value.trim();
      name.error(target === "" ? "A name is needed" : null);
      const wrong = form.querySelector('[aria-invalid="true"]');
      if (wrong) return wrong.focus();
      if (Object.keys(values).length === 0) return rows[0]?.value.control.focus();
      fill(problem);
      try {
        await send("PUT", `/secrets/${encodeURIComponent(target)}`, { values }, { signal: ctx.signal });
      } catch (error) {
        fill(problem, failed(error));
        return undefined;
      }
      shown.close();
      toast(secret ? `${target} has a new version` : `${target} added`, { tone: "good" });
      load();
      return undefined;
    }

    const form = h(
      "form",
      {
        class: "stack",
        noValidate: true,
        id: "secret-form",
        autocomplete: "off",
        on: { submit: (event) => (event.preventDefault(), work(go, save)) },
      },
      name.node,
      list,
      h("div", {}, add),
      secret ? h("p", { class: "field-hint" }, "A value that is left empty stays as it is.") : null,
      problem,
    );
    go.setAttribute("form", "secret-form");
    for (const key of secret?.keys ?? [""]) addRow(key);
    const shown = dialog({
      title: secret ? `Set values of ${secret.name}` : "Add a secret",
      body: form,
      actions: () => [button({ label: "Cancel", kind: "quiet", onclick: () => shown.close() }), go],
    });
    (secret ? rows[0].value : name).control.focus();
  }

  async function remove(secret) {
    const sure = await confirm({
      title: `Delete ${secret.name}?`,
      text: "Its values are gone for good. Checkpoints and model calls that need it fail from then on.",
      confirm: "Delete the secret",
      danger: true,
      typed: secret.name,
    });
    if (!sure) return;
    await send("DELETE", `/secrets/${encodeURIComponent(secret.name)}`, {}, { signal: ctx.signal });
    toast(`${secret.name} deleted`);
    load();
  }

  load();
  return { title: "Secrets", node };
}
