//! What the tools do, each in a checkpoint of its own: files of the project, and nothing outside of it.

use std::path::{Component, Path, PathBuf};

use kitaru::prelude::*;

use crate::checks;

/// The granted folder, as the agent sees it.
const PROJECT: &str = "project";
/// The kind of failure that the model is told about.
pub(crate) const FAILED: &str = "tool";
/// More would only fill the model's memory.
const MOST_FILES: usize = 500;
const MOST_BYTES: usize = 64 * 1024;

/// The files below a folder, one path on each line.
#[checkpoint(type = "tool_call", read = ["project"])]
pub(crate) fn list_files(_cx: &Checkpoint, folder: Option<String>) -> Result<String> {
    let (mut found, mut folders) = (Vec::new(), vec![inside(folder.as_deref().unwrap_or("."))?]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| told(error.into()))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(name_of(&entry.path())),
            }
        }
    }
    found.sort();
    let left = found.len().saturating_sub(MOST_FILES);
    found.truncate(MOST_FILES);
    if left > 0 {
        found.push(format!("… and {left} more"));
    }
    Ok(if found.is_empty() { "there are no files".into() } else { found.join("\n") })
}

/// The text of a file.
#[checkpoint(type = "tool_call", read = ["project"])]
pub(crate) fn read_file(cx: &Checkpoint, path: String) -> Result<String> {
    let text = cx.read_to_string(inside(&path)?).map_err(told)?;
    if text.len() > MOST_BYTES {
        return Err(failed(format!("{path} has {} bytes, and {MOST_BYTES} are the most that this tool reads", text.len())));
    }
    Ok(text)
}

/// Writes a file, with the folders that it needs.
#[checkpoint(type = "tool_call", write = ["project"])]
pub(crate) fn write_file(cx: &Checkpoint, path: String, content: String) -> Result<String> {
    let file = inside(&path)?;
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        std::fs::create_dir_all(folder).map_err(|error| told(error.into()))?;
    }
    cx.write(&file, &content).map_err(told)?;
    Ok(format!("wrote {} bytes to {path}", content.len()))
}

/// Runs the checks that the project has in `checks.json`.
#[checkpoint(type = "tool_call", read = ["project"])]
pub(crate) fn run_checks(cx: &Checkpoint) -> Result<String> {
    let text = cx.read_to_string(inside("checks.json")?).map_err(told)?;
    let checks = checks::read(&text).map_err(|error| failed(format!("checks.json: {error}")))?;
    let outcomes = checks.iter().map(|check| check.run(|path| cx.read_to_string(inside(path)?)));
    let failures: Vec<String> = outcomes.filter_map(std::result::Result::err).collect();
    cx.log("checks", json!({ "run": checks.len(), "failed": failures.len() }))?;
    Ok(match failures.as_slice() {
        [] => format!("all {} checks pass", checks.len()),
        failures => format!("{} of {} checks fail:\n{}", failures.len(), checks.len(), failures.join("\n")),
    })
}

/// Where a path of the project is. The sandbox lets nobody out either; this says so in words that the model can use.
fn inside(path: &str) -> Result<PathBuf> {
    let mut inside = PathBuf::from(PROJECT);
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            _ => return Err(failed(format!("{path} is not a path in the project"))),
        }
    }
    Ok(inside)
}

/// The path as the model knows it.
fn name_of(path: &Path) -> String {
    path.strip_prefix(PROJECT).unwrap_or(path).display().to_string()
}

/// A failure for the model. Another attempt would be the same.
fn failed(message: String) -> Error {
    Error::new(message).kind(FAILED).retryable(false)
}

/// What went wrong with a file is for the model. A missing grant is for the person who runs the agent.
fn told(error: Error) -> Error {
    match error {
        Error::Capability { .. } => error,
        error => failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_project() {
        assert_eq!(inside("./src/main.rs").unwrap(), Path::new("project/src/main.rs"));
        assert_eq!(name_of(&inside("a/b").unwrap()), "a/b");
        for path in ["../secret", "a/../../b", "/etc/passwd"] {
            assert_eq!(inside(path).unwrap_err().failure().kind, FAILED, "{path}");
        }
    }
}
