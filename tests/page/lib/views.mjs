// All views that there are, each as somebody would come to see it.

/** Views with what makes them ready, and what is done then (`act`); `shown` has executions by what they are of. Those that are made for a width are opened `anew`. */
export function viewsOf({ shown }) {
  const at = (id, tab) => `/executions/${id}${tab ? `?tab=${tab}` : ""}`;
  const click = (selector) => (visitor) => visitor.page.click(selector);
  const menuOf = (role, name, item) => async (visitor) => {
    await visitor.click(role, name);
    await visitor.click("menuitem", item);
    await visitor.page.waitForSelector("dialog[open]");
  };
  return [
    { name: "login", path: "/login", open: true, ready: "#login-title" },
    { name: "executions", path: "/executions", ready: ".execution-row .execution-link" },
    { name: "executions-chosen", path: "/executions?flow=hello", ready: ".execution-row .execution-link", act: (visitor) => visitor.press("j", "x", "j", "x") },
    { name: "executions-none", path: "/executions?q=nothing-like-this", ready: ".empty" },
    { name: "execution-timeline", path: at(shown.read), ready: ".virtual-row" },
    { name: "execution-call", path: `${at(shown.read)}?call=0`, ready: ".virtual-row", anew: true, act: async (visitor) => {
      // On a narrow screen a call is shown when it is asked for.
      if (await visitor.count(".inspected") === 0) await visitor.page.click(".virtual-row");
      await visitor.page.waitForSelector(".inspected");
    } },
    { name: "execution-failed", path: at(shown.failed), ready: ".failure" },
    { name: "execution-beside", path: at(shown.beside), ready: ".virtual-row" },
    { name: "execution-waiting", path: at(shown.saved), ready: ".asking-card" },
    { name: "execution-values", path: at(shown.pipeline, "values"), ready: ".panel" },
    { name: "execution-logs", path: at(shown.lines, "logs"), ready: ".log-line" },
    { name: "execution-artifacts", path: at(shown.saved, "artifacts"), ready: ".artifact-name" },
    { name: "execution-models", path: at(shown.written, "models"), ready: ".model-call", act: click(".model-call summary") },
    { name: "execution-access", path: at(shown.read, "access"), ready: ".grants" },
    { name: "execution-lineage", path: at(shown.replay, "lineage"), ready: ".lineage" },
    { name: "execution-details", path: at(shown.read, "details"), ready: ".panel" },
    { name: "replay", path: at(shown.pipeline), ready: ".virtual-row", act: async (visitor) => {
      await visitor.click("button", "Replay");
      await visitor.page.waitForSelector("dialog[open] .replay-plan");
      await visitor.click("button", "Give another output or input");
    } },
    { name: "compare", path: `/compare?execution=${shown.pipeline}&execution=${shown.replay}`, ready: ".compare-columns" },
    { name: "inbox", path: "/inbox", ready: ".inbox-item" },
    { name: "question", path: "/inbox", ready: ".inbox-item", anew: true, act: async (visitor) => {
      await visitor.page.$$eval(".inbox-item", (items) => items.at(-1).click());
      await visitor.page.waitForSelector(".question");
    } },
    { name: "flows", path: "/flows", ready: ".flow-card" },
    { name: "flow", path: "/flows/content_pipeline", ready: ".figure, .table" },
    { name: "flow-start", path: "/flows/content_pipeline?tab=start", ready: ".start-commands" },
    { name: "flow-versions", path: "/flows/hello?tab=versions", ready: ".table" },
    { name: "flow-schema", path: "/flows/content_pipeline?tab=schema", ready: ".table" },
    { name: "models", path: "/models", ready: ".card" },
    { name: "model-register", path: "/models", ready: ".card", act: (visitor) => visitor.click("button", "Register") },
    { name: "secrets", path: "/secrets", ready: ".table" },
    { name: "access", path: "/keys", ready: ".card" },
    { name: "access-account", path: "/keys", ready: ".card", act: (visitor) => visitor.click("button", "Add a service account") },
    { name: "access-audit", path: "/keys?tab=audit", ready: ".table" },
    { name: "system", path: "/system", ready: ".figure-value" },
    { name: "keys", path: "/executions", ready: ".execution-row .execution-link", act: (visitor) => visitor.press("?") },
    { name: "menu", path: at(shown.pipeline), ready: ".virtual-row", anew: true, act: (visitor) => visitor.click("button", "More actions") },
    { name: "confirm", path: at(shown.pipeline), ready: ".virtual-row", act: menuOf("button", "More actions", "Delete With journal, logs and artifacts") },
    { name: "nothing", path: "/nowhere", ready: ".failed" },
  ];
}
