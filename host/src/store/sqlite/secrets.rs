//! Secrets, sealed before they come here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row, params};

use super::SqliteStore;
use super::columns;
use super::errors::DbError;
use crate::clock::Timestamp;
use crate::ids::{KeyId, SecretId, StoreId};
use crate::store::{Durability, SealedValue, SecretRow, Secrets, StoreError};

pub(super) const STORE_ID: &str = "SELECT store_id FROM identity WHERE id = 1";
pub(super) const VERSION: &str = "SELECT version FROM secrets WHERE name = ?1";
// With their values in one statement, so that both are of one moment.
pub(super) const BY_NAME: &str =
    "SELECT * FROM secrets JOIN secret_values ON secret = secrets.id WHERE name = ?1 AND secret_id IS NOT NULL";
pub(super) const BY_ID: &str = "SELECT * FROM secrets JOIN secret_values ON secret = secrets.id WHERE secret_id = ?1";
const ALL: &str = "SELECT * FROM secrets JOIN secret_values ON secret = secrets.id WHERE secret_id IS NOT NULL";
pub(super) const KEY: &str = "SELECT id FROM secrets WHERE name = ?1";
pub(super) const FORGET: &str = "DELETE FROM secret_values WHERE secret = ?1";
pub(super) const BURY: &str =
    "UPDATE secrets SET version = version + 1, secret_id = NULL, sealed_by = NULL, metadata = '{}', updated_at = ?3
     WHERE name = ?1 AND version = ?2 AND secret_id IS NOT NULL";

#[async_trait]
impl Secrets for SqliteStore {
    async fn store_id(&self) -> Result<StoreId, StoreError> {
        self.readers
            .read(|db| db.query_row_and_then(STORE_ID, [], |row| columns::bytes(row, "store_id")).map(StoreId::from_bytes))
            .await
    }

    async fn secret_version(&self, name: &str) -> Result<u64, StoreError> {
        let name = name.to_owned();
        self.readers.read(move |db| version(db, &name)).await
    }

    async fn secret(&self, name: &str) -> Result<Option<SecretRow>, StoreError> {
        let name = name.to_owned();
        self.readers.read(move |db| Ok(read(db, BY_NAME, [name])?.pop())).await
    }

    async fn secret_by_id(&self, id: SecretId) -> Result<Option<SecretRow>, StoreError> {
        self.readers.read(move |db| Ok(read(db, BY_ID, [id.as_bytes()])?.pop())).await
    }

    async fn secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        self.readers.read(|db| read(db, ALL, [])).await
    }

    async fn put_secret(&self, secret: SecretRow) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| put(db, &secret)).await
    }

    async fn delete_secret(&self, name: &str, version: u64, at: Timestamp) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer
            .write(Durability::Full, move |db| {
                if db.execute(BURY, params![name, columns::integer(version), at.as_micros()])? == 0 {
                    return Err(changed(&name));
                }
                let key: i64 = db.query_row(KEY, [&name], |row| row.get(0))?;
                forget(db, key)
            })
            .await
    }
}

fn changed(name: &str) -> DbError {
    StoreError::Conflict { message: format!("the secret `{name}` was changed by somebody else meanwhile") }.into()
}

fn version(db: &Connection, name: &str) -> Result<u64, DbError> {
    let mut statement = db.prepare(VERSION)?;
    let mut rows = statement.query([name])?;
    rows.next()?.map_or(Ok(0), |row| columns::count(row, "version"))
}

/// The secrets that a statement finds, by name, each with its values by key.
fn read(db: &Connection, sql: &str, values: impl Params) -> Result<Vec<SecretRow>, DbError> {
    let mut found: BTreeMap<String, SecretRow> = BTreeMap::new();
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let value = SealedValue { key: row.get("key")?, sealed: row.get("sealed")? };
        match found.entry(row.get("name")?) {
            Entry::Occupied(mut known) => known.get_mut().values.push(value),
            Entry::Vacant(place) => {
                place.insert(secret(row, value)?);
            }
        }
    }
    for secret in found.values_mut() {
        secret.values.sort_by(|one, other| one.key.cmp(&other.key));
    }
    Ok(found.into_values().collect())
}

fn secret(row: &Row<'_>, value: SealedValue) -> Result<SecretRow, DbError> {
    Ok(SecretRow {
        id: SecretId::from_bytes(columns::bytes(row, "secret_id")?),
        name: row.get("name")?,
        version: columns::count(row, "version")?,
        sealed_by: KeyId::from_bytes(columns::bytes(row, "sealed_by")?),
        metadata: row.get("metadata")?,
        created_at: columns::time(row, "created_at")?,
        updated_at: columns::time(row, "updated_at")?,
        values: vec![value],
    })
}

fn put(db: &Connection, new: &SecretRow) -> Result<(), DbError> {
    if version(db, &new.name)?.checked_add(1) != Some(new.version) {
        return Err(changed(&new.name));
    }
    db.execute(
        "INSERT INTO secrets (name, version, secret_id, sealed_by, metadata, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, secret_id = excluded.secret_id, sealed_by = excluded.sealed_by,
             metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at",
        params![
            new.name,
            columns::integer(new.version),
            new.id.as_bytes(),
            new.sealed_by.as_bytes(),
            new.metadata,
            new.created_at.as_micros(),
            new.updated_at.as_micros(),
        ],
    )?;
    let key: i64 = db.query_row(KEY, [&new.name], |row| row.get(0))?;
    forget(db, key)?;
    for value in &new.values {
        db.execute("INSERT INTO secret_values (secret, key, sealed) VALUES (?1, ?2, ?3)", params![key, value.key, value.sealed])?;
    }
    Ok(())
}

/// Removes the values of a secret, and overwrites them: who has the key and an old page of the file could open them else. (The write-ahead log has
/// them until it begins anew.)
fn forget(db: &Connection, secret: i64) -> Result<(), DbError> {
    let overwrite = |whether: &str| db.query_row(&format!("PRAGMA secure_delete = {whether}"), [], |_| Ok(()));
    overwrite("ON")?;
    let removed = db.execute(FORGET, [secret]);
    overwrite("OFF")?;
    removed?;
    Ok(())
}
