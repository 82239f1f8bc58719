//! `init`: a data folder for a project.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::context::{Context, environment};
use crate::cli::error::CliError;
use crate::config::{note_project, platform_folder};
use crate::store::sqlite::SqliteStore;

#[derive(Debug, Args)]
pub(crate) struct InitCommand {
    /// Project folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Use the `.kitaru` that is there, which came from elsewhere: its executions keep the grants that they have
    #[arg(long)]
    trust: bool,
}

impl InitCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let folder = self
            .folder
            .canonicalize()
            .map_err(|error| CliError::usage(format!("the folder `{}` cannot be used: {error}", self.folder.display())))?;
        let marker = folder.join(".kitaru");
        match (marker.exists(), self.trust) {
            (true, false) => {
                return Err(
                    CliError::new(format!("Already initialized: `{}` exists.", marker.display())).class("KitaruUsageError")
                );
            }
            (true, true) => check_owner(&marker)?,
            (false, _) => make(&folder, &marker)?,
        }
        let platform = platform_folder(environment).ok_or_else(|| {
            CliError::new("this user has no data folder in which to note the project's")
                .hint("set HOME, or use KITARU_HOME instead")
        })?;
        note_project(&platform, &marker)
            .map_err(|error| CliError::new(format!("cannot write in `{}`: {error}", platform.display())))?;
        context.output.say(&format!("Initialized {}", marker.display()));
        if context.global.home.is_some() {
            context.output.say("KITARU_HOME or --home is given, and goes before it.");
        }
        let item = json!({ "path": folder, "repository_directory": marker });
        context.output.item(&item, || marker.display().to_string())
    }
}

/// Made beside and renamed, so that a failure leaves nothing half made.
fn make(folder: &Path, marker: &Path) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::new(format!("cannot make `{}`: {error}", marker.display()));
    let made = tempfile::Builder::new().prefix(".kitaru-init-").tempdir_in(folder).map_err(failed)?;
    drop(SqliteStore::open(made.path())?);
    // What runs leave behind does not belong under version control.
    std::fs::write(made.path().join(".gitignore"), "*\n").map_err(failed)?;
    std::fs::rename(made.path(), marker).map_err(failed)
}

/// Another user could change under us what we are about to trust.
#[cfg(unix)]
fn check_owner(marker: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::metadata(path).map(|found| (found.uid(), found.mode()));
    let mine = tempfile::tempdir().and_then(|probe| owner(probe.path()));
    match (owner(marker), mine) {
        (Ok((uid, mode)), Ok((me, _))) if uid == me && mode & 0o022 == 0 => Ok(()),
        _ => Err(CliError::usage(format!("`{}` can be changed by other users", marker.display()))
            .hint(format!("make it yours: chown -R \"$USER\" {0}; chmod -R go-w {0}", marker.display()))),
    }
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> Result<(), CliError> {
    Ok(())
}
