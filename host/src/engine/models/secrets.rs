//! Secrets, as model calls ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use kitaru_llm::models::{SecretError, SecretSource};
use kitaru_llm::provider::Secret;

use crate::engine::{Engine, EngineError};
use crate::secrets::ExposeSecret as _;

struct OfEngine(Engine);

#[async_trait]
impl SecretSource for OfEngine {
    async fn secret(&self, name: &str) -> Result<BTreeMap<String, Secret>, SecretError> {
        let unavailable = |source: EngineError| SecretError::Unavailable { name: name.to_owned(), source: Box::new(source) };
        let row = self.0.secret(name).await.map_err(unavailable)?;
        let row = row.ok_or_else(|| SecretError::NotFound { name: name.to_owned() })?;
        let values = self.0.secret_values(&row).await.map_err(unavailable)?;
        Ok(values.into_iter().map(|(key, value)| (key, Secret::new(value.expose_secret()))).collect())
    }
}

impl Engine {
    /// The secrets that model aliases name: read anew at each call, opened with the key of this engine, for the requests of the host itself.
    pub fn secret_source(&self) -> Arc<dyn SecretSource> {
        Arc::new(OfEngine(self.clone()))
    }
}
