//! What the page's scripts ask of the API: each call of `api.js` and of what is built on it, with its method and its path.
//!
//! A path is a text or a template where it is asked for, or a constant or a function of the same file that is one. What stands in a template's
//! `${…}` is a parameter. What cannot be told so is a problem: nobody could tell whether there is such a route.

use std::path::Path;

/// Something that a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Below `/api/v1`, with `{}` for each parameter.
    pub(super) path: String,
    pub(super) file: String,
}

/// What asks, by what it takes first: a path, or a method and a path.
const OF_A_PATH: [&str; 5] = ["get", "all", "whole", "follow", "url"];
const OF_A_METHOD: [&str; 2] = ["send", "upload"];
/// What these are made of: they ask for what they are told.
const PLUMBING: [&str; 3] = ["api.js", "live.js", "lists.js"];

/// What all scripts below a folder ask for, and what cannot be told.
pub(super) fn requests(folder: &Path) -> (Vec<Asked>, Vec<String>) {
    let (mut asked, mut problems) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the page's scripts") {
            let path = entry.expect("a script").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "js") {
                let name = path.strip_prefix(folder).expect("below the folder").display().to_string();
                let text = std::fs::read_to_string(&path).expect("a script is text");
                let (more, unclear) = of_script(&name, &text);
                asked.extend(more);
                problems.extend(unclear);
            }
        }
    }
    (asked, problems)
}

/// What one script asks for, and what cannot be told.
pub(super) fn of_script(file: &str, text: &str) -> (Vec<Asked>, Vec<String>) {
    let text = without_comments(text);
    let is_plumbing = PLUMBING.contains(&file);
    let imported = imported(&text);
    let definitions = definitions(&text);
    let (mut asked, mut problems) = (Vec::new(), Vec::new());
    for name in OF_A_PATH.into_iter().chain(OF_A_METHOD) {
        if !is_plumbing && !imported.iter().any(|one| one == name) {
            continue;
        }
        for at in calls(&text, name) {
            let rest = text[at..].trim_start();
            let (method, rest) = match OF_A_METHOD.contains(&name) {
                false => (Some("GET".to_owned()), rest),
                true => match literal(rest) {
                    Some((parts, end)) => (Some(plain(&parts)), rest[end..].trim_start().trim_start_matches(',').trim_start()),
                    None => (None, rest),
                },
            };
            match (method, argument(rest, at, &definitions)) {
                (Some(method), Some(path)) if path.starts_with('/') => {
                    asked.push(Asked { method, path, file: file.to_owned() });
                }
                _ if is_plumbing => {}
                _ => problems.push(format!(
                    "{file}: what `{name}({}…` asks for cannot be told",
                    rest.chars().take(40).collect::<String>()
                )),
            }
        }
    }
    (asked, problems)
}

fn without_comments(text: &str) -> String {
    let is_comment = |line: &&str| ["//", "/*", "*"].iter().any(|sign| line.trim_start().starts_with(sign));
    text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

/// The names that a script has from what asks.
fn imported(text: &str) -> Vec<String> {
    let statements = text.split("import ").skip(1).filter_map(|rest| rest.split_once(';'));
    let from = statements.filter(|(statement, _)| PLUMBING.iter().any(|file| statement.contains(&format!("/{file}\""))));
    let names = from.filter_map(|(statement, _)| statement.split_once('{')?.1.split_once('}'));
    names.flat_map(|(names, _)| names.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()).collect()
}

/// Where the arguments of each call of a function begin.
fn calls<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(name).filter_map(move |(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), &text[at + name.len()..]);
        let is_whole = before.is_none_or(|c| !is_of_name(c) && c != '.') && after.starts_with('(');
        let is_definition = text[..at].trim_end().ends_with("function");
        (is_whole && !is_definition).then_some(at + name.len() + 1)
    })
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// A piece of a text: as it stands, or what is put in there.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Put(String),
}

fn plain(parts: &[Part]) -> String {
    parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "{}" }).collect()
}

/// The text or template that begins here, and where it ends.
fn literal(rest: &str) -> Option<(Vec<Part>, usize)> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        if c == quote {
            parts.push(Part::Text(text));
            return Some((parts, at + 1));
        }
        if quote == '`' && rest[at..].starts_with("${") {
            let end = closing(&rest[at + 2..])?;
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Put(rest[at + 2..at + 2 + end].trim().to_owned()));
            at += end + 3;
            continue;
        }
        text.push(c);
        at += c.len_utf8();
    }
    None
}

/// Where the brace closes that was opened before.
fn closing(rest: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A constant or a function of a script that is a path.
struct Definition {
    name: String,
    at: usize,
    is_function: bool,
    parts: Vec<Part>,
}

fn definitions(text: &str) -> Vec<Definition> {
    let mut found = Vec::new();
    for (keyword, between) in [("const ", " = "), ("function ", "return ")] {
        for (at, _) in text.match_indices(keyword) {
            let rest = &text[at + keyword.len()..];
            let name: String = rest.chars().take_while(|c| is_of_name(*c)).collect();
            let is_function = keyword == "function ";
            let value = match is_function {
                false => rest[name.len()..].strip_prefix(between),
                // One statement and no more.
                true => rest.split_once("{\n").and_then(|(_, body)| body.trim_start().strip_prefix(between)),
            };
            if let Some((parts, _)) = value.and_then(literal) {
                found.push(Definition { name, at, is_function, parts });
            }
        }
    }
    found
}

/// The path that an argument is.
fn argument(rest: &str, at: usize, definitions: &[Definition]) -> Option<String> {
    match literal(rest) {
        Some((parts, _)) => Some(filled(&parts, at, definitions)),
        None => named(rest, at, definitions),
    }
}

/// The path that a name, or the call of a function, stands for where it is used.
fn named(expression: &str, at: usize, definitions: &[Definition]) -> Option<String> {
    let name: String = expression.chars().take_while(|c| is_of_name(*c)).collect();
    let fits = |one: &&Definition| one.name == name && (one.is_function || one.at < at);
    let found = definitions.iter().filter(fits).max_by_key(|one| one.at)?;
    Some(filled(&found.parts, found.at, definitions))
}

fn filled(parts: &[Part], at: usize, definitions: &[Definition]) -> String {
    let one = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Put(expression) => {
            let is_name = expression.split('(').next().is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name));
            let path = is_name.then(|| named(expression, at, definitions)).flatten();
            path.filter(|path| path.starts_with('/')).unwrap_or_else(|| "{}".to_owned())
        }
    };
    parts.iter().map(one).collect()
}
