//! Compares the table of verbs with what the surfaces have. Knows no surface: what each has was found out before.

use std::collections::{BTreeMap, BTreeSet};

use kitaru_host::service::verbs::About;

use super::page::Asked;

/// What was found on the surfaces.
#[derive(Default)]
pub(super) struct Found {
    /// Commands without subcommands, as they are typed.
    pub(super) commands: BTreeSet<String>,
    /// Operations of the API's description: their verbs, by method and path.
    pub(super) operations: BTreeMap<(String, String), String>,
    /// Tools that an assistant is offered.
    pub(super) tools: BTreeSet<String>,
    /// What the page asks for.
    pub(super) requests: Vec<Asked>,
    /// Sections of docs/cli.md, by their commands.
    pub(super) sections: BTreeSet<String>,
    /// Rows of docs/api.md: method and path, verb, role.
    pub(super) rows: BTreeSet<(String, String, String)>,
    /// What docs/mcp.md has as code.
    pub(super) code: BTreeSet<String>,
}

/// What is said of surfaces that have not all verbs, or more than verbs.
pub(super) struct Said {
    pub(super) commands: &'static [(&'static str, Result<&'static str, &'static str>)],
    pub(super) local: &'static [(&'static str, &'static str)],
    pub(super) not_on_the_page: &'static [(&'static str, &'static str)],
    pub(super) beside: &'static [(&'static str, &'static str, &'static str)],
    pub(super) tools: &'static [(&'static str, &'static str)],
}

impl Said {
    /// The command of a verb, or why there is none.
    fn command(&self, verb: &str) -> Result<String, &'static str> {
        let said = self.commands.iter().find(|(name, _)| *name == verb).map(|(_, command)| *command);
        said.unwrap_or(Ok("")).map(|command| if command.is_empty() { verb.replace('.', " ") } else { command.to_owned() })
    }
}

/// A path whose parameters have no names.
pub(super) fn nameless(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Everything that one surface has and another has not, without a reason.
pub(super) fn problems(verbs: &[About], found: &Found, said: &Said) -> Vec<String> {
    let mut problems = of_reasons(verbs, said);
    problems.extend(of_commands(verbs, found, said));
    problems.extend(of_operations(verbs, found, said));
    problems.extend(of_tools(verbs, found, said));
    problems.extend(of_the_page(verbs, found, said));
    problems.extend(of_rows(verbs, found));
    problems
}

/// A reason is one, and is about something that is there.
fn of_reasons(verbs: &[About], said: &Said) -> Vec<String> {
    let absent = verbs.iter().filter_map(|about| Some((about.name, about.tool.err()?)));
    let commands = said.commands.iter().filter_map(|(verb, command)| Some((*verb, command.err()?)));
    let reasons = absent.chain(commands).chain(said.local.iter().copied()).chain(said.not_on_the_page.iter().copied());
    let beside = said.beside.iter().map(|(_, path, reason)| (*path, *reason)).chain(said.tools.iter().copied());
    let mut problems: Vec<String> = reasons
        .chain(beside)
        .filter(|(_, why)| why.len() < 10)
        .map(|(what, _)| format!("`{what}` is absent for no reason"))
        .collect();
    let listed = said.commands.iter().map(|(verb, _)| verb).chain(said.not_on_the_page.iter().map(|(verb, _)| verb));
    let unknown = listed.filter(|verb| !verbs.iter().any(|about| about.name == **verb));
    problems.extend(unknown.map(|verb| format!("`{verb}` is listed, and is no verb")));
    problems
}

fn of_commands(verbs: &[About], found: &Found, said: &Said) -> Vec<String> {
    let (mut problems, mut known) = (Vec::new(), BTreeSet::new());
    for about in verbs {
        let Ok(command) = said.command(about.name) else { continue };
        if !found.commands.contains(&command) {
            problems.push(format!("`{}` has no command `{command}`", about.name));
        } else if !found.sections.contains(&command) {
            problems.push(format!("docs/cli.md has no section on `{command}`"));
        }
        known.insert(command);
    }
    for (command, _) in said.local {
        if !found.commands.contains(*command) {
            problems.push(format!("`{command}` is listed as a command, and is none"));
        }
        if !known.insert((*command).to_owned()) {
            problems.push(format!("`{command}` is listed as no verb, and is one"));
        }
    }
    problems.extend(found.commands.difference(&known).map(|command| format!("the command `{command}` is no verb's")));
    problems
}

fn of_operations(verbs: &[About], found: &Found, said: &Said) -> Vec<String> {
    let mut problems = Vec::new();
    let mut others = found.operations.clone();
    for about in verbs {
        let place = (about.method.as_str().to_owned(), about.path.to_owned());
        if others.remove(&place).as_deref() != Some(about.name) {
            problems.push(format!("`{}` is not described as {} {}", about.name, place.0, place.1));
        }
    }
    let is_beside =
        |place: &(String, String)| said.beside.iter().any(|(method, path, _)| *method == place.0 && *path == nameless(&place.1));
    others.retain(|place, _| !is_beside(place));
    problems.extend(
        others.into_iter().map(|((method, path), verb)| format!("{method} {path} is described as `{verb}`, which is no verb")),
    );
    problems
}

fn of_tools(verbs: &[About], found: &Found, said: &Said) -> Vec<String> {
    let mut problems = Vec::new();
    let mut others = found.tools.clone();
    for (about, tool) in verbs.iter().filter_map(|about| Some((about, about.tool.ok()?))) {
        if !others.remove(tool) {
            problems.push(format!("`{}` has no tool `{tool}`", about.name));
        } else if !found.code.contains(tool) {
            problems.push(format!("docs/mcp.md does not have `{tool}`"));
        }
    }
    for (tool, _) in said.tools {
        if !others.remove(*tool) {
            problems.push(format!("`{tool}` is listed as a tool that is no verb's, and is none"));
        } else if !found.code.contains(*tool) {
            problems.push(format!("docs/mcp.md does not have `{tool}`"));
        }
    }
    problems.extend(others.iter().map(|tool| format!("the tool `{tool}` is no verb's")));
    problems
}

fn of_the_page(verbs: &[About], found: &Found, said: &Said) -> Vec<String> {
    let mut problems = Vec::new();
    let is = |asked: &Asked, about: &About| asked.method == about.method.as_str() && asked.path == nameless(about.path);
    for about in verbs {
        let is_absent = said.not_on_the_page.iter().any(|(verb, _)| *verb == about.name);
        match (found.requests.iter().find(|asked| is(asked, about)), is_absent) {
            (None, false) => problems.push(format!("the page does not ask for `{}`", about.name)),
            (Some(asked), true) => problems.push(format!("`{}` is listed as absent, and {} asks for it", about.name, asked.file)),
            _ => {}
        }
    }
    for asked in &found.requests {
        let is_beside = said.beside.iter().any(|(method, path, _)| *method == asked.method && *path == asked.path);
        if !is_beside && !verbs.iter().any(|about| is(asked, about)) {
            problems.push(format!("{} asks for {} {}, which is nothing", asked.file, asked.method, asked.path));
        }
    }
    problems
}

fn of_rows(verbs: &[About], found: &Found) -> Vec<String> {
    let row = |about: &About| {
        (format!("{} {}", about.method.as_str(), about.path), about.name.to_owned(), about.role.as_str().to_owned())
    };
    let wanted: BTreeSet<_> = verbs.iter().map(row).collect();
    let missing = wanted.difference(&found.rows).map(|row| format!("docs/api.md has no row {row:?}"));
    missing.chain(found.rows.difference(&wanted).map(|row| format!("docs/api.md has {row:?}, which is no verb"))).collect()
}
