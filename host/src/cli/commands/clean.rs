//! `clean project | global | all`: deletes data folders, after a backup.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::context::{Context, current_folder, environment};
use crate::cli::error::CliError;
use crate::cli::prompt::{Keyboard, eprint_prompt};
use crate::cli::terminal::one_line;
use crate::config::{EnvironmentVariable, Home, HomeSource, USER_FILE, masked, platform_folder, user_file};
use crate::service::clean::{CleanPreviewer, CleanScope, CleanView, Places, Plan};

/// Delete data folders. A copy of each database is made first, and it is said where.
#[derive(Debug, Subcommand)]
pub(crate) enum CleanCommand {
    /// Delete the project's data folder, which `init` made
    Project(CleanArgs),
    /// Delete your data folder, and your own configuration file
    Global(CleanArgs),
    /// Delete both
    All(CleanArgs),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CleanArgs {
    /// Only show what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Delete model aliases too, and what cannot be read
    #[arg(long)]
    force: bool,
}

impl CleanCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Project(_) => "clean.project",
            Self::Global(_) => "clean.global",
            Self::All(_) => "clean.all",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let (scope, CleanArgs { dry_run, force }) = match self {
            Self::Project(args) => (CleanScope::Project, args),
            Self::Global(args) => (CleanScope::Global, args),
            Self::All(args) => (CleanScope::All, args),
        };
        let plan = Plan::make(scope, &places(context)?, force)?;
        if !dry_run && !context.global.yes && !context.is_interactive() {
            return Err(CliError::usage("Non-interactive environment requires --yes to proceed.")
                .hint("see what would be deleted: --dry-run"));
        }
        if !dry_run {
            context.output.say(&preview(&plan));
        }
        let cleaned = match dry_run || !(context.global.yes || agrees().await) {
            true => None,
            false => {
                let plan = plan.clone();
                let done = tokio::task::spawn_blocking(move || plan.carry_out()).await;
                Some(done.map_err(|error| CliError::new(format!("the deleting was cut short: {error}")))??)
            }
        };
        let view = plan.view(dry_run, cleaned, overrides());
        context.output.item(&view, || text(&plan, &view))
    }
}

/// What shows an assistant what would be deleted here.
pub(super) fn previewer(context: &Context) -> Result<CleanPreviewer, CliError> {
    Ok(CleanPreviewer { places: places(context)?, overrides: overrides() })
}

/// Where things are for this user, in this folder.
fn places(context: &Context) -> Result<Places, CliError> {
    let current = current_folder()?;
    let found = Home::find(None, &current, environment);
    let project = found.filter(|home| home.source == HomeSource::Project).map(|home| home.folder);
    let platform = platform_folder(environment);
    let given = context.global.home.clone().filter(|folder| !folder.as_os_str().is_empty());
    Ok(Places {
        current,
        user_home: environment(if cfg!(windows) { "USERPROFILE" } else { "HOME" }),
        project,
        global: given.or_else(|| platform.clone()),
        platform,
        // One that a variable names may be anybody's.
        user_file: user_file(|name| environment(name).filter(|_| name != USER_FILE)),
    })
}

async fn agrees() -> bool {
    eprint_prompt("Delete all of this? [y/N] ");
    let typed = Keyboard::open().line().await.unwrap_or_default().to_lowercase();
    matches!(typed.as_str(), "y" | "yes")
}

/// Variables that go on saying where things are when these are gone.
fn overrides() -> Vec<EnvironmentVariable> {
    let set = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    masked(set.filter(|(name, _)| name.starts_with("KITARU_")), &[])
}

fn preview(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for entry in plan.preview() {
        lines.push(format!(
            "{}   {}   ({})",
            one_line(&entry.node.path.to_string_lossy()),
            size(entry.node.size_bytes),
            entry.note
        ));
        for child in &entry.children {
            let name = child.path.file_name().unwrap_or_default().to_string_lossy();
            lines.push(format!("  {}   {}", one_line(&name), size(child.size_bytes)));
        }
    }
    lines.push(format!("Total: {}", size(plan.total_bytes())));
    lines.join("\n")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn text(plan: &Plan, view: &CleanView) -> String {
    if view.dry_run {
        return format!("{}\nNothing was deleted: this was a dry run.", preview(plan));
    }
    if view.aborted {
        return "Nothing was deleted.".into();
    }
    let mut lines: Vec<String> =
        view.deleted_paths.iter().map(|path| format!("Deleted {}", one_line(&path.to_string_lossy()))).collect();
    if let Some(backup) = &view.backup_path {
        lines.push(format!("Backup: {}", one_line(&backup.to_string_lossy())));
    }
    lines.extend(view.warnings.iter().map(|warning| format!("warning: {}", one_line(warning))));
    let still: Vec<&str> = view.active_environment_overrides.iter().map(|it| it.name.as_str()).collect();
    if !still.is_empty() {
        lines.push(format!("Still set: {}", still.join(", ")));
    }
    lines.join("\n")
}
