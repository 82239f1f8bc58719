//! `completions`: the script that a shell sources.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::cli::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

impl CompletionsCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::command(), "kitaru-host", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let item = serde_json::json!({ "shell": self.shell.to_string(), "script": script });
        context.output.item(&item, || script)
    }
}
