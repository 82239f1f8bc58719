//! What is called otherwise than its verb, and what is deliberately absent, each with its reason. Whatever is not here has to be there.

/// Verbs whose command is not their name with spaces for dots: the command, or why there is none.
pub(super) const COMMANDS: &[(&str, Result<&str, &str>)] = &[
    ("executions.run", Ok("run")),
    ("executions.events", Ok("executions export")),
    ("executions.trajectory", Ok("executions export")),
    ("executions.delete-many", Ok("executions delete")),
    ("executions.ended-before", Ok("executions delete")),
    (
        "executions.changes",
        Err("`executions get` and `executions journal` show what there is, `executions logs --follow` what comes"),
    ),
    ("executions.governed", Ok("executions journal")),
    ("executions.events.stream", Ok("executions export")),
    ("deploy-many", Ok("deploy")),
    ("executions.summary", Ok("status")),
    ("executions.logs.stream", Ok("executions logs")),
    ("components.inspect", Ok("inspect")),
    ("components.put", Err("`run`, `deploy` and whatever else takes a component keep it by themselves")),
    ("components.content", Err("a command that takes code takes it from a file, and never from a server")),
    ("artifacts.content", Ok("artifacts get")),
    ("waits.link", Ok("executions waits link")),
    ("executions.stream", Ok("executions logs")),
    ("stream", Err("`serve` tells what it drives; a terminal that wants a list asks for one")),
];

/// Commands that are no verbs: what they do is about this machine, and nobody can ask for it from elsewhere; or they show a part of what a verb gives.
pub(super) const LOCAL: &[(&str, &str)] = &[
    ("init", "makes a data folder here"),
    ("new", "makes a project here"),
    ("build", "runs compilers here"),
    ("sign", "the secret key stays where its owner is"),
    ("keys generate", "the secret key stays where its owner is"),
    ("serve", "is what others ask"),
    ("mcp", "is what an assistant asks"),
    ("login", "says with which server commands of this machine work"),
    ("logout", "says that they work with none"),
    ("flow deployments list", "shows the versions of `flow.show`, without the flow"),
    ("log-store show", "says how this machine's process is set up"),
    ("log-store set", "where logs go is for whoever has the machine to say"),
    ("log-store reset", "where logs go is for whoever has the machine to say"),
    ("config show", "says what is set for commands in this folder"),
    ("config path", "says which files of this machine are read"),
    ("config schema", "describes a file that is read on this machine"),
    ("clean project", "deletes folders of this machine"),
    ("clean global", "deletes folders of this machine"),
    ("clean all", "deletes folders of this machine"),
    ("doctor", "looks at this machine"),
    ("completions", "is for this machine's shell"),
];

/// Verbs that the page does not ask for, and why.
pub(super) const NOT_ON_THE_PAGE: &[(&str, &str)] = &[
    ("executions.latest", "it is the first of the list"),
    ("executions.run", "the page starts what is published; it publishes a component first"),
    ("executions.logs", "the page follows them: `executions.logs.stream`"),
    ("executions.diff-matrix", "the page compares each with the one that was chosen: `executions.diff`"),
    ("executions.cohort", "a batch of replays is planned at a terminal or by an assistant"),
    ("executions.upgrade", "moves many executions to other code at once: planned at a terminal, with `executions verify` before"),
    ("executions.summary", "`status` tells it, and more"),
    ("executions.governed", "what governed a call is for audits, at a terminal or by the API"),
    ("executions.events.stream", "the page hears of changes by `executions.stream`, and looks"),
    ("executions.ended-before", "the page removes what was chosen in its list"),
    ("components.content", "the page shows what a component is, and runs none"),
    ("deploy-many", "the page publishes flow after flow, and says which it could not"),
    ("artifacts.list", "the execution has them: `executions.get`"),
    ("flow.deployments.show", "the flow has all of its versions: `flow.show`"),
    ("flow.deployments.curl", "the page writes the commands of several languages by itself, with what is in its form"),
    ("secrets.show", "the list has all that is known of a secret"),
    ("auth.token", "a browser has a session, and gives nobody a token"),
    ("auth.service-accounts.show", "the list has all that is known of an account"),
    ("auth.api-keys.show", "the list has all that is known of a key"),
];

/// What the page asks for beside the verbs.
pub(super) const BESIDE: &[(&str, &str, &str)] = &[
    ("POST", "/session", "a browser logs in"),
    ("DELETE", "/session", "a browser logs out"),
    ("GET", "/answers/{}", "whoever has a link to a question sees it"),
    ("POST", "/answers/{}", "whoever has a link to a question answers it"),
];
