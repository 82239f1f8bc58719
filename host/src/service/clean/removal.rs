//! The deleting itself: folders lose their names before they lose their files.

use std::path::{Path, PathBuf};

use super::{CleanError, CleanScope, Cleaned, Plan, Target, backup};
use crate::config::{keep_projects, noted_projects};
use crate::ids::{Ids as _, SystemIds};
use crate::store::StoreError;
use crate::store::sqlite::Retiring;

pub(super) fn carry_out(plan: &Plan) -> Result<Cleaned, CleanError> {
    // All of them before anything is touched.
    let mut held = Vec::new();
    for target in &plan.targets {
        let retiring = match Retiring::take(&target.folder) {
            Err(StoreError::Damaged { .. }) if plan.force => None,
            taken => Some(taken?),
        };
        held.push((target, retiring));
    }
    let backup = backup::make(plan, &held)?;
    let notes = plan.platform.as_deref().map(noted_projects).unwrap_or_default();
    if cfg!(windows) {
        // Nobody can rename a folder there with open files in it.
        held.iter_mut().for_each(|(_, retiring)| drop(retiring.take()));
    }
    let moved = move_away(&plan.targets)?;
    // Nobody finds them any more.
    drop(held);
    let mut cleaned = Cleaned { backup: Some(backup), ..Cleaned::default() };
    for (target, trash) in plan.targets.iter().zip(&moved) {
        cleaned.deleted.push(target.folder.clone());
        if let Err(error) = std::fs::remove_dir_all(trash) {
            cleaned
                .warnings
                .push(format!("`{}` could not be deleted in full, and can be deleted by hand: {error}", trash.display()));
        }
    }
    if let Some(file) = &plan.user_file {
        match std::fs::remove_file(file) {
            Ok(()) => cleaned.deleted.push(file.clone()),
            Err(error) => cleaned.warnings.push(format!("`{}` could not be deleted: {error}", file.display())),
        }
    }
    if let Some(platform) = &plan.platform {
        keep_notes(plan, platform, &notes, &mut cleaned);
    }
    Ok(cleaned)
}

/// Gives all folders names that nobody looks for, or none of them.
fn move_away(targets: &[Target]) -> Result<Vec<PathBuf>, CleanError> {
    let mut moved: Vec<PathBuf> = Vec::new();
    for target in targets {
        let name = target.folder.file_name().unwrap_or_default().to_string_lossy();
        let trash = target.folder.with_file_name(format!(".{}.deleted-{}", name.trim_start_matches('.'), SystemIds.execution()));
        if let Err(source) = std::fs::rename(&target.folder, &trash) {
            for (target, trash) in targets.iter().zip(&moved) {
                // They were there a moment ago.
                let _ = std::fs::rename(trash, &target.folder);
            }
            return Err(CleanError::Io { what: "move", path: target.folder.clone(), source });
        }
        moved.push(trash);
    }
    Ok(moved)
}

/// Other projects' data folders stay known, and those that went do not: what lies there one day is somebody else's.
fn keep_notes(plan: &Plan, platform: &Path, notes: &[PathBuf], cleaned: &mut Cleaned) {
    let gone = |folder: &PathBuf| cleaned.deleted.contains(folder);
    let kept: Vec<PathBuf> = notes.iter().filter(|folder| !gone(folder)).cloned().collect();
    let platform_went = !platform.exists();
    let is_as_it_was = if platform_went { kept.is_empty() } else { kept.len() == notes.len() };
    if is_as_it_was {
        return;
    }
    match keep_projects(platform, &kept) {
        Ok(()) if platform_went && plan.scope != CleanScope::Project => {
            let what = if kept.len() == 1 { "1 project".to_owned() } else { format!("{} projects", kept.len()) };
            cleaned
                .warnings
                .push(format!("`{}` still notes {what}, whose data folders stay", platform.join("projects").display()));
        }
        Ok(()) => {}
        Err(error) => cleaned.warnings.push(format!(
            "the note of projects in `{}` could not be written: {error}; use `kitaru-host init --trust` in those that stay",
            platform.display()
        )),
    }
}
