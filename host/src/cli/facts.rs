//! What this process knows of itself, for whoever asks what kind of host it is.

use std::path::Path;

use super::context::{Context, environment};
use super::error::CliError;
use crate::config::LogStore;
use crate::service::HostFacts;

/// What can be found out without the store. What cannot be told is a warning: whoever asks wants to know what is wrong.
pub(super) fn facts(context: &Context) -> Result<HostFacts, CliError> {
    let (log_store, warning) = match context.log_store() {
        Ok(chosen) => {
            let shows_key = matches!(&chosen.store, LogStore::Otlp(collector) if collector.shows_key());
            (Some(chosen.store), shows_key.then(|| "the log store's key is sent without TLS".to_owned()))
        }
        Err(error) => (None, Some(error.chain())),
    };
    Ok(HostFacts {
        folder: context.home()?.folder,
        durability: context.durability().ok(),
        settings: context.host_settings().unwrap_or_default(),
        stack_kib: context.stack().unwrap_or_default().kib(),
        log_store,
        environment_type: environment_type(),
        warning,
        ..HostFacts::default()
    })
}

/// What kind of place this is, as far as a place says that of itself.
fn environment_type() -> &'static str {
    let is_set = |name: &str| environment(name).is_some();
    if is_set("CI") {
        "ci"
    } else if is_set("KUBERNETES_SERVICE_HOST") {
        "kubernetes"
    } else if ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists()) {
        "container"
    } else {
        "native"
    }
}
