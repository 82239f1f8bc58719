//! Component files as commands take them: read together with the signature beside them, and refused before anything of them runs.

use std::path::{Path, PathBuf};

use super::context::{Chosen, Context};
use super::error::CliError;
use crate::registry::Target;
use crate::service::{ComponentView, LocalService, Service, signature_beside};

/// Reads a component that is to run, and checks that it may, here or on the server, which gets it.
pub(super) async fn admitted(context: &Context, chosen: &Chosen, path: &Path) -> Result<Vec<u8>, CliError> {
    match chosen {
        Chosen::Local(service) => admitted_here(context, service, path).await,
        Chosen::Server(service) => {
            let bytes = Target::read(path)?;
            let _ = sent(service, bytes.clone(), path).await?;
            Ok(bytes)
        }
    }
}

/// The same for this machine.
pub(super) async fn admitted_here(context: &Context, service: &LocalService, path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = Target::read(path)?;
    let warning = service.admit(&bytes, signature_beside(path)).await;
    if let Some(warning) = warning.map_err(|error| super::commands::in_file(error.into(), path))? {
        context.output.say(&format!("warning: {warning}"));
    }
    Ok(bytes)
}

/// Brings a component to where it is to run, with the signature beside its file.
pub(super) async fn sent(service: &dyn Service, bytes: Vec<u8>, path: &Path) -> Result<ComponentView, CliError> {
    let view = service.put_component(bytes, signature_beside(path)).await;
    view.map_err(|error| super::commands::in_file(error.into(), path))
}

/// The same for a component or a project that a command names, if it names one.
pub(super) async fn admitted_if_named(
    context: &Context,
    chosen: &Chosen,
    named: Option<&PathBuf>,
) -> Result<Option<Vec<u8>>, CliError> {
    match named {
        Some(path) => {
            let (component, _) = super::commands::locate(context, path)?;
            admitted(context, chosen, &component).await.map(Some)
        }
        None => Ok(None),
    }
}
