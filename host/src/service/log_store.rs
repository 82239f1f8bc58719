//! Where log lines go beside the data folder: who has the collector's key, and whether the collector can be reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::{LocalService, ServiceError};
use crate::config::{ChosenLogStore, LogCollector, LogStore, LogStoreSource};
use crate::engine::Engine;
use crate::secrets::SecretString;
use crate::telemetry::{LogKey, LogStoreSettings, probe};

/// The key of a secret that has several.
const KEY: &str = "API_KEY";

/// The log store.
#[derive(Clone, Debug, Serialize)]
pub struct LogStoreView {
    /// `local`, the data folder alone, or `otlp`, a collector of OpenTelemetry too.
    pub backend: &'static str,
    /// The collector's address.
    pub endpoint: Option<String>,
    /// Whether it is given a key.
    pub api_key_configured: bool,
    /// The stored secret with the key; null where the environment names it, because that may be the key itself by mistake.
    pub api_key_secret: Option<String>,
    /// The header that the key is sent in; null for a bearer token.
    pub header: Option<String>,
    /// Who says so: `environment`, `project`, `data folder`, `user` or `default`.
    pub source: &'static str,
    /// What is in effect: the same, because what is set is what is done.
    pub active_stack_backend: &'static str,
    /// Where it is in effect.
    pub active_stack_name: &'static str,
    /// Whether it can be reached, and takes what is sent. None where nobody has looked.
    pub reachable: Option<bool>,
    /// What a person should know.
    pub warning: Option<String>,
}

impl LogStoreView {
    fn of(chosen: &ChosenLogStore) -> Self {
        let (backend, collector) = (chosen.store.backend(), collector(&chosen.store));
        let is_typed = chosen.source == LogStoreSource::Environment;
        let secret = collector.and_then(|collector| collector.secret.clone());
        let warning = collector.filter(|collector| collector.shows_key());
        Self {
            backend,
            endpoint: collector.map(|collector| collector.endpoint.clone()),
            api_key_configured: secret.is_some(),
            api_key_secret: secret.filter(|_| !is_typed),
            header: collector.and_then(|collector| collector.header.clone()),
            source: chosen.source.as_str(),
            active_stack_backend: backend,
            active_stack_name: "local",
            reachable: None,
            warning: warning.map(|_| "the key is sent without TLS: whoever is on the way can read it".into()),
        }
    }
}

fn collector(store: &LogStore) -> Option<&LogCollector> {
    match store {
        LogStore::Local => None,
        LogStore::Otlp(collector) => Some(collector),
    }
}

/// What sends log lines to the log store, if they go anywhere. `resource` is what is said of this host.
pub fn log_store_settings(engine: &Engine, store: &LogStore, resource: BTreeMap<String, String>) -> Option<LogStoreSettings> {
    let collector = collector(store)?.clone();
    let key = Arc::new(StoredKey { engine: engine.clone(), secret: collector.secret.clone() });
    Some(LogStoreSettings { collector, key, resource })
}

impl LocalService {
    /// The log store, as it is configured and, where it is a collector, as it answers.
    pub async fn log_store(&self, chosen: &ChosenLogStore) -> LogStoreView {
        let mut view = LogStoreView::of(chosen);
        let Some(settings) = log_store_settings(self.engine(), &chosen.store, BTreeMap::new()) else {
            view.reachable = Some(true);
            return view;
        };
        let probed = probe(settings).await;
        view.reachable = Some(probed.is_ok());
        if let Err(why) = probed {
            view.warning = Some(why);
        }
        view
    }

    /// Refuses a log store whose key is not stored: a misspelt name is easier to mend now.
    ///
    /// # Errors
    /// When there is no such secret, or it has no such key.
    pub async fn check_log_store(&self, store: &LogStore) -> Result<(), ServiceError> {
        let Some(name) = collector(store).and_then(|collector| collector.secret.clone()) else { return Ok(()) };
        let key = StoredKey { engine: self.engine().clone(), secret: Some(name.clone()) };
        match key.find(&name).await? {
            Some(_) => Ok(()),
            None => Err(ServiceError::NotFound {
                message: format!("Secret `{name}` was not found, or has no single key."),
                hint: Some(format!("make it first: kitaru-host secrets set {name} --from-prompt {KEY}")),
            }),
        }
    }
}

/// The key of a log store: a stored secret's.
struct StoredKey {
    engine: Engine,
    secret: Option<String>,
}

impl StoredKey {
    /// `NAME` with one key, or with one that is called `API_KEY`; else `NAME.KEY`. Names may have dots too.
    async fn find(&self, name: &str) -> Result<Option<SecretString>, ServiceError> {
        if let Some(row) = self.engine.secret(name).await? {
            let named = row.values.iter().find(|value| value.key == KEY);
            let only = row.values.first().filter(|_| row.values.len() == 1);
            if let Some(value) = named.or(only) {
                return Ok(self.engine.secret_value(name, &value.key).await?.map(|(_, value)| value));
            }
        }
        let Some((name, key)) = name.rsplit_once('.') else { return Ok(None) };
        Ok(self.engine.secret_value(name, key).await?.map(|(_, value)| value))
    }
}

#[async_trait]
impl LogKey for StoredKey {
    async fn key(&self) -> Result<Option<SecretString>, String> {
        let Some(name) = &self.secret else { return Ok(None) };
        match self.find(name).await {
            Ok(Some(key)) => Ok(Some(key)),
            // Without the name: it may be the key itself, in the wrong place.
            Ok(None) => Err("the secret with the log store's key is not there, or has no single key".into()),
            Err(error) => Err(format!("the log store's key cannot be read: {error}")),
        }
    }
}
