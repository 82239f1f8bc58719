//! `init`: a data folder for a project.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::store::sqlite::SqliteStore;

#[derive(Debug, Args)]
pub(crate) struct InitCommand {
    /// Project folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl InitCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let folder = self
            .folder
            .canonicalize()
            .map_err(|error| CliError::usage(format!("the folder `{}` cannot be used: {error}", self.folder.display())))?;
        let marker = folder.join(".kitaru");
        if marker.exists() {
            return Err(CliError::new(format!("Already initialized: `{}` exists.", marker.display())).class("KitaruUsageError"));
        }
        SqliteStore::open(&marker)?;
        // What runs leave behind does not belong under version control.
        std::fs::write(marker.join(".gitignore"), "*\n")
            .map_err(|error| CliError::new(format!("cannot write in `{}`: {error}", marker.display())))?;
        context.output.say(&format!("Initialized {}", marker.display()));
        if context.global.home.is_some() {
            context.output.say("KITARU_HOME or --home is given, and goes before it.");
        }
        let item = json!({ "path": folder, "repository_directory": marker });
        context.output.item(&item, || marker.display().to_string())
    }
}
