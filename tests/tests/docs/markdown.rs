//! Reads Markdown as far as the tests of the documentation need it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A block of code.
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) language: String,
    pub(super) directive: String,
    pub(super) lines: Vec<String>,
}

impl Block {
    /// The commands, each with the output that is shown for it.
    pub(super) fn commands(&self) -> Result<Vec<(String, Vec<String>)>, String> {
        let has_prompt = self.lines.iter().any(|line| line.starts_with("$ "));
        let mut commands: Vec<(String, Vec<String>)> = Vec::new();
        let mut continued = false;
        for line in &self.lines {
            let start =
                if has_prompt { line.strip_prefix("$ ") } else { Some(line.as_str()).filter(|line| !line.trim().is_empty()) };
            match (commands.last_mut(), start) {
                (Some((command, _)), _) if continued => {
                    command.push_str(&format!(" {}", line.trim().trim_end_matches('\\').trim()))
                }
                (_, Some(start)) => commands.push((start.trim_end_matches('\\').trim().to_owned(), Vec::new())),
                (Some((_, output)), None) => output.push(line.clone()),
                (None, None) if line.trim().is_empty() => {}
                (None, None) => return Err(format!("output without a command: {line}")),
            }
            continued = (continued || start.is_some()) && line.ends_with('\\');
        }
        Ok(commands)
    }
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    let mut directive = String::new();
    for (index, line) in text.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Block { line: index + 1, language, directive: std::mem::take(&mut directive), lines: Vec::new() });
            }
            (None, None) => {
                let comment = line.trim().strip_prefix("<!-- docs-test:").and_then(|rest| rest.strip_suffix("-->"));
                match comment {
                    Some(comment) => directive = comment.trim().to_owned(),
                    None if line.trim().is_empty() => {}
                    None => directive.clear(),
                }
            }
        }
    }
    blocks
}

/// The lines outside of blocks, with their numbers.
pub(super) fn prose(text: &str) -> Vec<(&str, usize)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((line, index + 1));
        }
    }
    lines
}

/// The targets of a line's links. What stands in code is no link.
pub(super) fn links(line: &str) -> Vec<&str> {
    let parts: Vec<&str> = line.split('`').collect();
    // A link's text may itself be code: then its target begins the next part.
    parts.iter().step_by(2).flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

/// The anchors of a file's headings.
pub(super) fn anchors(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let headings = prose(&text).into_iter().filter_map(|(line, _)| line.strip_prefix('#'));
    let anchor = |title: &str| {
        let kept = title.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Markdown files at or below a folder, without what tools put there.
pub(super) fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            found.extend(markdown_below(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}
