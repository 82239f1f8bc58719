//! API keys: made, shown once, given another secret, taken back.

use std::time::Duration;

use super::accounts::{check_description, check_name, not_found};
use super::credential::{ApiKeyText, Secret};
use super::{Access, AccessError, Invalid};
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId};
use crate::secrets::SecretString;
use crate::store::{ApiKeyChange, ApiKeyRow, NewApiKey};

/// The longest that a secret counts after it was replaced.
const LONGEST_RETAINED_MINUTES: u64 = 7 * 24 * 60;

/// What is known of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identifier, which is part of its text.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub account: AccountId,
    /// The name of whose it is.
    pub account_name: String,
    /// What it is for.
    pub description: String,
    /// Whether it counts.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When somebody last came with it, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it got another secret.
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before that counts.
    pub retained_until: Option<Timestamp>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            account: row.account.id,
            account_name: row.account.name,
            description: row.description,
            active: row.active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            used_at: row.used_at,
            rotated_at: row.rotated_at,
            retained_until: row.retained.map(|retained| retained.until),
        }
    }
}

/// An API key with its text, which nobody gets to see again.
#[derive(Debug)]
pub struct MadeApiKey {
    /// What is known of it.
    pub key: ApiKey,
    /// Its text.
    pub text: SecretString,
}

impl Access {
    /// Makes a key for an account.
    ///
    /// # Errors
    /// [`AccessError::NotFound`], [`AccessError::Invalid`]; a conflict in the store when the account has a key of this name.
    pub async fn create_api_key(&self, account: &str, name: &str, description: &str) -> Result<MadeApiKey, AccessError> {
        check_name(name, "an API key")?;
        check_description(description)?;
        let account = self.account(account).await?;
        let [a, b, c, d, e, f, g, h, ..] = self.shared.ids.credential();
        let made =
            ApiKeyText { id: ApiKeyId::from_bytes([a, b, c, d, e, f, g, h]), secret: Secret::new(self.shared.ids.as_ref()) };
        let new = NewApiKey {
            id: made.id,
            account: account.id,
            name: name.to_owned(),
            description: description.to_owned(),
            hash: made.secret.hash(),
            created_at: self.now(),
        };
        self.store().create_api_key(new).await?;
        self.made(&made).await
    }

    /// The keys of an account, by name.
    ///
    /// # Errors
    /// [`AccessError::NotFound`].
    pub async fn api_keys(&self, account: &str) -> Result<Vec<ApiKey>, AccessError> {
        let account = self.account(account).await?;
        Ok(self.store().api_keys(account.id).await?.into_iter().map(ApiKey::from).collect())
    }

    /// The key of an account that a text names: by its name first, then by its ID.
    ///
    /// # Errors
    /// [`AccessError::NotFound`].
    pub async fn api_key(&self, account: &str, name_or_id: &str) -> Result<ApiKey, AccessError> {
        let keys = self.api_keys(account).await?;
        let by_name = keys.iter().position(|key| key.name == name_or_id);
        let found = by_name.or_else(|| keys.iter().position(|key| key.id.to_string() == name_or_id));
        found.and_then(|at| keys.into_iter().nth(at)).ok_or_else(|| not_found("API key", name_or_id))
    }

    /// Changes a key.
    ///
    /// # Errors
    /// [`AccessError::NotFound`], [`AccessError::Invalid`]; a conflict in the store when another key of the account has the name.
    pub async fn update_api_key(&self, account: &str, name_or_id: &str, change: ApiKeyChange) -> Result<ApiKey, AccessError> {
        if change == ApiKeyChange::default() {
            return Err(Invalid::Nothing.into());
        }
        change.name.as_deref().map_or(Ok(()), |name| check_name(name, "an API key"))?;
        change.description.as_deref().map_or(Ok(()), check_description)?;
        let key = self.api_key(account, name_or_id).await?;
        self.store().change_api_key(key.id, change, self.now()).await?;
        self.by_id(key.id).await
    }

    /// Gives a key another secret. The one before counts for so many minutes more.
    ///
    /// # Errors
    /// [`AccessError::NotFound`], [`AccessError::Invalid`].
    pub async fn rotate_api_key(&self, account: &str, name_or_id: &str, retain_minutes: u64) -> Result<MadeApiKey, AccessError> {
        if retain_minutes > LONGEST_RETAINED_MINUTES {
            return Err(Invalid::Span { what: "the minutes to retain a key", least: 0, most: LONGEST_RETAINED_MINUTES }.into());
        }
        let key = self.api_key(account, name_or_id).await?;
        let (made, now) = (ApiKeyText { id: key.id, secret: Secret::new(self.shared.ids.as_ref()) }, self.now());
        let until = (retain_minutes > 0).then(|| now.after(Duration::from_secs(retain_minutes * 60)));
        self.store().rotate_api_key(key.id, made.secret.hash(), until, now).await?;
        self.made(&made).await
    }

    /// Removes a key with its tokens, sessions and links. The key as it was.
    ///
    /// # Errors
    /// [`AccessError::NotFound`].
    pub async fn delete_api_key(&self, account: &str, name_or_id: &str) -> Result<ApiKey, AccessError> {
        let key = self.api_key(account, name_or_id).await?;
        self.store().delete_api_key(key.id).await?;
        Ok(key)
    }

    async fn made(&self, made: &ApiKeyText) -> Result<MadeApiKey, AccessError> {
        Ok(MadeApiKey { key: self.by_id(made.id).await?, text: SecretString::from(made.text().as_str()) })
    }

    async fn by_id(&self, id: ApiKeyId) -> Result<ApiKey, AccessError> {
        let row = self.store().api_key(id).await?;
        row.map(ApiKey::from).ok_or_else(|| not_found("API key", &id.to_string()))
    }
}
