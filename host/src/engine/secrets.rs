//! Secrets: sealed before the store has them, opened for whoever asks, which no guest can.
//!
//! A value is in memory from when it is asked for to when the caller lets go of it. A journal, a log or an event may name a secret and its
//! version, and nothing else of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Engine, EngineError};
use crate::ids::{SecretId, StoreId};
use crate::sandbox::Grants;
use crate::secrets::{FoundKey, KeySource, Keys, Place, SecretString, SecretsError, open, seal};
use crate::store::{SealedValue, SecretRow, StoreError};

/// How often a change is tried that others are quicker with.
const TRIES: usize = 16;

/// What a new version of a secret has that the one before has not. What is not named stays.
#[derive(Clone, Debug, Default)]
pub struct SecretChange {
    /// Which secret; made if it is not there.
    pub name: String,
    /// Values to add or replace.
    pub values: Vec<(String, SecretString)>,
    /// Metadata to add or replace; null takes away.
    pub metadata: Map<String, Value>,
}

/// What became of a [`SecretChange`].
#[derive(Clone, Debug)]
pub struct SecretSet {
    /// The new version.
    pub secret: SecretRow,
    /// There was no such secret before.
    pub is_new: bool,
    /// Where the key is that was made for it, if there was none.
    pub new_key: Option<KeySource>,
}

impl Engine {
    /// The same engine, which looks for the key of secrets there.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    /// Checks that no grant reaches what nobody is given: the host's own data folder, and the key of all secrets.
    pub(super) fn check_grants(&self, grants: &Grants) -> Result<(), EngineError> {
        self.sandbox.check_grants(grants)?;
        // On some systems the case of a name does not matter.
        if grants.variables().any(|name| name.eq_ignore_ascii_case(Keys::VARIABLE)) {
            return Err(EngineError::KeyGrant);
        }
        Ok(())
    }

    /// The secret that `name_or_id` names, sealed: by its name first, then by its identifier.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn secret(&self, name_or_id: &str) -> Result<Option<SecretRow>, EngineError> {
        if let Some(found) = self.store.secret(name_or_id).await? {
            return Ok(Some(found));
        }
        match name_or_id.parse::<SecretId>() {
            Ok(id) => Ok(self.store.secret_by_id(id).await?),
            Err(_) => Ok(None),
        }
    }

    /// The value that a secret has under a key, and the secret's version, for a request that the host itself makes. None where there is no such
    /// secret, or it has no such key.
    ///
    /// The value goes into that request and nowhere else: it is not for a guest, a journal, a log, an event, an error or a trace. Those may have
    /// the secret's name and version. It is read anew at each call, so that a version that was set meanwhile counts; let go of it soon.
    ///
    /// # Errors
    /// When there is no key to open it with, or another one than it was sealed with, or what is stored was changed; none of these has the value
    /// in it.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(engine: kitaru_host::engine::Engine) -> Result<(), kitaru_host::engine::EngineError> {
    /// use kitaru_host::secrets::ExposeSecret as _;
    ///
    /// if let Some((version, value)) = engine.secret_value("openai-creds", "OPENAI_API_KEY").await? {
    ///     let header = format!("Bearer {}", value.expose_secret());
    ///     # let _ = (version, header);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn secret_value(&self, name: &str, key: &str) -> Result<Option<(u64, SecretString)>, EngineError> {
        let Some(row) = self.secret(name).await? else { return Ok(None) };
        let Some(value) = row.values.iter().find(|value| value.key == key) else { return Ok(None) };
        let (store, found) = (self.store.store_id().await?, self.key_of(&row).await?);
        let value = open(&found.key, &place(store, &row, &value.key), &value.sealed)?;
        Ok(Some((row.version, value)))
    }

    /// All values of a secret.
    ///
    /// # Errors
    /// As [`Engine::secret_value`].
    pub async fn secret_values(&self, row: &SecretRow) -> Result<BTreeMap<String, SecretString>, EngineError> {
        let (store, found) = (self.store.store_id().await?, self.key_of(row).await?);
        Ok(opened(store, row, &found)?)
    }

    /// Makes the next version of a secret.
    ///
    /// # Errors
    /// When the values that it has already cannot be opened, so that they cannot be sealed anew; when there is no key, though secrets are there
    /// that need one; when others keep changing the secret.
    pub async fn set_secret(&self, change: &SecretChange) -> Result<SecretSet, EngineError> {
        for _ in 1..TRIES {
            match self.try_to_set(change).await {
                Err(EngineError::Store(StoreError::Conflict { .. })) => {}
                outcome => return outcome,
            }
        }
        self.try_to_set(change).await
    }

    async fn try_to_set(&self, change: &SecretChange) -> Result<SecretSet, EngineError> {
        // First: whatever others change from here on makes this version one that does not follow.
        let version = self.store.secret_version(&change.name).await?.saturating_add(1);
        let before = self.store.secret(&change.name).await?;
        let found = self.key_to_seal_with().await?;
        let store = self.store.store_id().await?;
        let (mut values, mut metadata) = match &before {
            Some(row) => (opened(store, row, &found)?, metadata_of(row)?),
            None => Default::default(),
        };
        values.extend(change.values.iter().cloned());
        for (name, note) in &change.metadata {
            if note.is_null() {
                metadata.remove(name)
            } else {
                metadata.insert(name.clone(), note.clone())
            };
        }
        let now = self.clock.now();
        let mut secret = SecretRow {
            id: before.as_ref().map_or_else(|| self.ids.secret(), |row| row.id),
            name: change.name.clone(),
            version,
            sealed_by: found.key.id(),
            metadata: Value::Object(metadata).to_string(),
            created_at: before.as_ref().map_or(now, |row| row.created_at),
            updated_at: now,
            values: Vec::with_capacity(values.len()),
        };
        for (key, value) in &values {
            let sealed = seal(&found.key, &place(store, &secret, key), value)?;
            secret.values.push(SealedValue { key: key.clone(), sealed });
        }
        self.store.put_secret(secret.clone()).await?;
        Ok(SecretSet { secret, is_new: before.is_none(), new_key: found.is_new.then_some(found.source) })
    }

    /// Removes a secret, whoever can open it.
    ///
    /// # Errors
    /// When somebody changed it meanwhile.
    pub async fn delete_secret(&self, row: &SecretRow) -> Result<(), EngineError> {
        Ok(self.store.delete_secret(&row.name, row.version, self.clock.now()).await?)
    }

    /// The key that a secret was sealed with.
    async fn key_of(&self, row: &SecretRow) -> Result<FoundKey, EngineError> {
        let found = self.look_for_key(Keys::find).await?.ok_or(SecretsError::NoKey)?;
        check_key(row, &found)?;
        Ok(found)
    }

    /// The key for a new version. One is made only where nothing was sealed yet: otherwise the one that is missing may come back. And all secrets
    /// have one key: a variable that was set by mistake would seal what nobody can open afterwards.
    async fn key_to_seal_with(&self) -> Result<FoundKey, EngineError> {
        let sealed = self.store.secrets().await?;
        if sealed.is_empty() {
            return self.look_for_key(Keys::find_or_make).await;
        }
        let found = self.look_for_key(Keys::find).await?.ok_or(SecretsError::NoKey)?;
        sealed.iter().try_for_each(|row| check_key(row, &found))?;
        Ok(found)
    }

    /// Files and keyrings may block.
    async fn look_for_key<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Keys) -> Result<T, SecretsError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let keys = Arc::clone(&self.keys);
        let looked = tokio::task::spawn_blocking(move || look(&keys)).await;
        Ok(looked.unwrap_or_else(|error| Err(SecretsError::Interrupted(Box::new(error))))?)
    }
}

fn place<'a>(store: StoreId, row: &'a SecretRow, key: &'a str) -> Place<'a> {
    Place { store, secret: &row.name, version: row.version, key }
}

/// Told from the row, so that another key and a damaged value are two things.
fn check_key(row: &SecretRow, found: &FoundKey) -> Result<(), SecretsError> {
    if row.sealed_by == found.key.id() {
        return Ok(());
    }
    Err(SecretsError::WrongKey { secret: row.name.clone(), found: found.source.clone() })
}

fn opened(store: StoreId, row: &SecretRow, found: &FoundKey) -> Result<BTreeMap<String, SecretString>, SecretsError> {
    check_key(row, found)?;
    let open = |value: &SealedValue| Ok((value.key.clone(), open(&found.key, &place(store, row, &value.key), &value.sealed)?));
    row.values.iter().map(open).collect()
}

/// What people noted about a secret.
fn metadata_of(row: &SecretRow) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(&row.metadata).map_err(|error| StoreError::Damaged {
        what: format!("the metadata of the secret `{}`", row.name),
        source: Some(Box::new(error)),
    })
}
