//! API keys.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::columns;
use super::errors::DbError;
use super::service_accounts;
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId};
use crate::store::{ApiKeyChange, ApiKeyRow, ApiKeys, Durability, NewApiKey, RetainedSecret, SecretHash, StoreError};

/// Keys with their accounts in one statement, so that both are of one moment.
macro_rules! keys_where {
    ($condition:literal) => {
        concat!(
            "SELECT api_keys.*, account_id, service_accounts.name AS account_name, service_accounts.description AS account_description,
                 role, flows, service_accounts.active AS account_active, service_accounts.created_at AS account_created_at,
                 service_accounts.updated_at AS account_updated_at
             FROM api_keys JOIN service_accounts ON service_accounts.id = api_keys.account WHERE ",
            $condition
        )
    };
}

pub(super) const BY_KEY_ID: &str = keys_where!("key_id = ?1");
pub(super) const BY_ROW: &str = keys_where!("api_keys.id = ?1");
pub(super) const OF_ACCOUNT: &str = keys_where!("api_keys.account = ?1 ORDER BY api_keys.name");
pub(super) const KEY: &str = "SELECT id FROM api_keys WHERE key_id = ?1";
pub(super) const CHANGE: &str = "UPDATE api_keys SET name = coalesce(?2, name), description = coalesce(?3, description),
         active = coalesce(?4, active), updated_at = ?5 WHERE key_id = ?1";
// Right of `=` stand the values from before.
pub(super) const ROTATE: &str = "UPDATE api_keys SET retained = iif(?3 IS NULL, NULL, hash), retained_until = ?3, hash = ?2,
         rotated_at = ?4, updated_at = ?4 WHERE key_id = ?1";
pub(super) const USE: &str = "UPDATE api_keys SET used_at = ?2 WHERE key_id = ?1";
/// In this order: each refers to what goes after it.
pub(super) const REMOVE: [&str; 2] = ["DELETE FROM sessions WHERE api_key = ?1", "DELETE FROM api_keys WHERE id = ?1"];

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn create_api_key(&self, key: NewApiKey) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| create(db, &key)).await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKeyRow>, StoreError> {
        self.readers
            .look(|db| {
                let mut statement = db.prepare_cached(BY_KEY_ID)?;
                let mut rows = statement.query([id.as_bytes()])?;
                rows.next()?.map(key).transpose()
            })
            .await
    }

    async fn api_keys(&self, account: AccountId) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.readers
            .read(move |db| {
                let account = service_accounts::key_of(db, account)?;
                columns::collect(db.prepare(OF_ACCOUNT)?.query([account])?, key)
            })
            .await
    }

    async fn change_api_key(&self, id: ApiKeyId, change: ApiKeyChange, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let ApiKeyChange { name, description, active } = &change;
                let changed = db.execute(CHANGE, params![id.as_bytes(), name, description, active, at.as_micros()]);
                match changed.map_err(DbError::from) {
                    Err(error) if error.is_duplicate() => Err(taken(name.as_deref().unwrap_or_default())),
                    changed => found(id, changed?),
                }
            })
            .await
    }

    async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        hash: SecretHash,
        retained_until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let until = retained_until.map(Timestamp::as_micros);
                found(id, db.execute(ROTATE, params![id.as_bytes(), hash, until, at.as_micros()])?)
            })
            .await
    }

    async fn note_api_key_use(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Relaxed, move |db| {
                db.prepare_cached(USE)?.execute(params![id.as_bytes(), at.as_micros()])?;
                Ok(())
            })
            .await
    }

    async fn delete_api_key(&self, id: ApiKeyId) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let row = row_of(db, id)?;
                for step in REMOVE {
                    db.execute(step, [row])?;
                }
                Ok(())
            })
            .await
    }
}

/// The integer key that rows about the API key refer to.
pub(super) fn row_of(db: &Connection, id: ApiKeyId) -> Result<i64, DbError> {
    let row = db.prepare_cached(KEY)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?;
    row.ok_or_else(|| StoreError::not_found("API key", id).into())
}

/// The API key with this integer key.
pub(super) fn by_row(db: &Connection, row: i64) -> Result<Option<ApiKeyRow>, DbError> {
    let mut statement = db.prepare_cached(BY_ROW)?;
    let mut rows = statement.query([row])?;
    rows.next()?.map(key).transpose()
}

fn found(id: ApiKeyId, changed: usize) -> Result<(), DbError> {
    if changed == 0 { Err(StoreError::not_found("API key", id).into()) } else { Ok(()) }
}

fn taken(name: &str) -> DbError {
    StoreError::Conflict { message: format!("the service account has an API key `{name}` already") }.into()
}

fn create(db: &Connection, new: &NewApiKey) -> Result<(), DbError> {
    let account = service_accounts::key_of(db, new.account)?;
    let at = new.created_at.as_micros();
    let inserted = db.execute(
        "INSERT INTO api_keys (key_id, account, name, description, active, hash, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?6)",
        params![new.id.as_bytes(), account, new.name, new.description, new.hash, at],
    );
    match inserted.map_err(DbError::from) {
        Err(error) if error.is_duplicate() => Err(taken(&new.name)),
        inserted => inserted.map(|_| ()),
    }
}

fn key(row: &Row<'_>) -> Result<ApiKeyRow, DbError> {
    let retained = match columns::optional_time(row, "retained_until")? {
        Some(until) => Some(RetainedSecret { hash: columns::bytes(row, "retained")?, until }),
        None => None,
    };
    Ok(ApiKeyRow {
        id: ApiKeyId::from_bytes(columns::bytes(row, "key_id")?),
        account: service_accounts::account(row, "account_")?,
        name: row.get("name")?,
        description: row.get("description")?,
        active: row.get("active")?,
        hash: columns::bytes(row, "hash")?,
        retained,
        created_at: columns::time(row, "created_at")?,
        updated_at: columns::time(row, "updated_at")?,
        rotated_at: columns::optional_time(row, "rotated_at")?,
        used_at: columns::optional_time(row, "used_at")?,
    })
}
