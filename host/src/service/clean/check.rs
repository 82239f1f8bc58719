//! What may be deleted: data folders of this program alone, and none that somebody stands in.

use std::path::{Path, PathBuf};

use super::{CleanError, CleanScope, Places, Plan, PreviewEntry, Target};
use crate::config::{Configuration, ModelSources, ProcessEnvironment};
use crate::store::sqlite::{is_data_folder, strangers};

const NAME_ANOTHER: &str = "name the data folder itself with --home or KITARU_HOME";

pub(super) fn plan(scope: CleanScope, places: &Places, force: bool) -> Result<Plan, CleanError> {
    let mut targets = Vec::new();
    if scope != CleanScope::Global {
        match &places.project {
            Some(folder) => targets.push(target(folder, "project", places)?),
            None if scope == CleanScope::Project => return Err(CleanError::NoProject),
            None => {}
        }
    }
    let (mut user_file, mut missing) = (None, None);
    if scope != CleanScope::Project {
        let folder = places.global.as_ref().ok_or(CleanError::NoFolder)?;
        let has_store = std::fs::symlink_metadata(folder.join("kitaru.db")).is_ok();
        // The platform's folder is also where projects are noted, and may hold nothing else.
        let only_notes = places.platform.as_ref() == Some(folder) && !has_store;
        if folder.exists() && !only_notes {
            targets.push(target(folder, "global", places)?);
            check_aliases(folder, force)?;
        } else {
            missing = Some(folder.clone());
        }
        user_file = places.user_file.clone().filter(|file| file.is_file());
        if let Some(file) = &user_file {
            check_user_file(file, force)?;
        }
    }
    // Two ways to one folder are one folder.
    targets.dedup_by(|other, one| other.folder == one.folder);
    if let (true, None, Some(folder)) = (targets.is_empty(), &user_file, missing) {
        return Err(CleanError::Nothing(folder));
    }
    let mut preview: Vec<PreviewEntry> = targets
        .iter()
        .map(|target| {
            let whose = if target.name == "project" { "the project's data folder" } else { "the user's data folder" };
            PreviewEntry::of(&target.folder, whose)
        })
        .collect();
    preview.extend(user_file.as_ref().map(|file| PreviewEntry::of(file, "the user's own configuration")));
    let backups = backups_of(places).ok_or(CleanError::NoFolder)?;
    Ok(Plan { scope, targets, user_file, platform: places.platform.clone(), backups, force, preview })
}

/// Copies lie beside the user's data folder, and in no project, where they would be taken for part of it.
fn backups_of(places: &Places) -> Option<PathBuf> {
    let global = places.global.as_ref()?;
    let mut name = global.file_name()?.to_os_string();
    name.push("-backups");
    Some(std::path::absolute(global).ok()?.with_file_name(name))
}

fn target(folder: &Path, name: &'static str, places: &Places) -> Result<Target, CleanError> {
    let refused = |why: String, hint| CleanError::Refused { folder: folder.to_owned(), why, hint };
    if std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
        return Err(refused("it is a link".into(), NAME_ANOTHER));
    }
    let real = folder.canonicalize().map_err(CleanError::io("find", folder))?;
    if real.parent().is_none() {
        return Err(refused("it is the root of the file system".into(), NAME_ANOTHER));
    }
    let holds = |other: &Path| other.canonicalize().is_ok_and(|other| other.starts_with(&real));
    if places.user_home.as_deref().is_some_and(holds) {
        return Err(refused("your home is in it".into(), NAME_ANOTHER));
    }
    let current = places.current.canonicalize().unwrap_or_else(|_| places.current.clone());
    if current.starts_with(&real) {
        return Err(refused("it contains the working directory".into(), "change to another folder first"));
    }
    if !is_data_folder(&real) {
        return Err(refused("it holds no store of this program".into(), NAME_ANOTHER));
    }
    let others = strangers(&real).map_err(CleanError::io("read", &real))?;
    if let Some(first) = others.first() {
        let more = match others.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        return Err(refused(
            format!("it also holds `{first}`{more}, which this program did not make"),
            "move that elsewhere first",
        ));
    }
    Ok(Target { folder: real, name })
}

/// Aliases are work of somebody, and easily forgotten.
fn check_aliases(folder: &Path, force: bool) -> Result<(), CleanError> {
    let sources = ModelSources::new(folder, None, std::sync::Arc::new(ProcessEnvironment));
    let Some(file) = sources.file().filter(|_| !force) else { return Ok(()) };
    let needs_force = |what| CleanError::NeedsForce { file: file.to_owned(), what };
    match sources.own() {
        Ok(own) if own.aliases.is_empty() => Ok(()),
        Ok(_) => Err(needs_force("model aliases")),
        Err(_) => Err(needs_force("something that cannot be read")),
    }
}

fn check_user_file(file: &Path, force: bool) -> Result<(), CleanError> {
    let needs_force = |what| CleanError::NeedsForce { file: file.to_owned(), what };
    match Configuration::read(Some(file), None) {
        _ if force => Ok(()),
        Ok(read) if read.merged.user_models.is_none() => Ok(()),
        Ok(_) => Err(needs_force("model aliases")),
        Err(_) => Err(needs_force("something that cannot be read")),
    }
}
