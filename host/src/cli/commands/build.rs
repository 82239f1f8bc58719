//! `build`: compiles a flow project to a component.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::registry::{Target, build_project};
use crate::service::Service as _;

#[derive(Debug, Args)]
pub(crate) struct BuildCommand {
    /// Project folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Copy the component here
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl BuildCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let built = build_project(&self.folder, context.output.is_quiet() || context.output.is_json())?;
        // What was built is checked at once: a component that cannot run should be known here.
        let bytes = Target::read(&built.component)?;
        let view = context.local()?.inspect(&bytes).await.map_err(|error| super::run::in_file(error.into(), &built.component))?;
        let component = match self.to {
            Some(to) => {
                std::fs::write(&to, &bytes)
                    .map_err(|error| CliError::new(format!("cannot write `{}`: {error}", to.display())))?;
                to
            }
            None => built.component,
        };
        let flows: Vec<&str> = view.manifest.flows.iter().map(|flow| flow.name.as_str()).collect();
        let item = json!({
            "component": component, "package": built.package, "digest": view.digest, "size_bytes": view.size_bytes, "flows": flows,
        });
        context.output.say(&format!("Built {} ({} bytes, flows: {})", built.package, view.size_bytes, flows.join(", ")));
        context.output.item(&item, || component.display().to_string())
    }
}
