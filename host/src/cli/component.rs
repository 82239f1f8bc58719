//! Component files as commands take them: read together with the signature beside them, and refused before anything of them runs.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::CliError;
use crate::registry::Target;
use crate::service::{LocalService, signature_beside};

/// Reads a component that is to run, and checks that it may.
pub(super) async fn admitted(context: &Context, service: &LocalService, path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = Target::read(path)?;
    let warning = service.admit(&bytes, signature_beside(path)).await;
    if let Some(warning) = warning.map_err(|error| super::commands::in_file(error.into(), path))? {
        context.output.say(&format!("warning: {warning}"));
    }
    Ok(bytes)
}

/// The same for a component or a project that a command names, if it names one.
pub(super) async fn admitted_if_named(
    context: &Context,
    service: &LocalService,
    named: Option<&PathBuf>,
) -> Result<Option<Vec<u8>>, CliError> {
    match named {
        Some(path) => {
            let (component, _) = super::commands::locate(context, path)?;
            admitted(context, service, &component).await.map(Some)
        }
        None => Ok(None),
    }
}
