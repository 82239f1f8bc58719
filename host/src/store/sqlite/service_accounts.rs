//! Service accounts.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::columns;
use super::errors::{self, DbError};
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::store::{AccountChange, AccountRow, Durability, ServiceAccounts, StoreError};

pub(super) const BY_NAME: &str = "SELECT * FROM service_accounts WHERE name = ?1";
pub(super) const BY_ID: &str = "SELECT * FROM service_accounts WHERE account_id = ?1";
pub(super) const KEY: &str = "SELECT id FROM service_accounts WHERE account_id = ?1";
const ALL: &str = "SELECT * FROM service_accounts ORDER BY name";
pub(super) const CHANGE: &str = "UPDATE service_accounts SET name = coalesce(?2, name), description = coalesce(?3, description),
         role = coalesce(?4, role), flows = iif(?5, ?6, flows), active = coalesce(?7, active), updated_at = ?8
     WHERE account_id = ?1 RETURNING *";
/// In this order: each refers to what goes after it.
pub(super) const REMOVE: [&str; 3] = [
    "DELETE FROM sessions WHERE api_key IN (SELECT id FROM api_keys WHERE account = ?1)",
    "DELETE FROM api_keys WHERE account = ?1",
    "DELETE FROM service_accounts WHERE id = ?1",
];

#[async_trait]
impl ServiceAccounts for SqliteStore {
    async fn create_account(&self, account: AccountRow) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| create(db, &account)).await
    }

    async fn account(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        let name = name.to_owned();
        self.readers
            .read(move |db| {
                let mut statement = db.prepare(BY_NAME)?;
                let mut rows = statement.query([name])?;
                rows.next()?.map(|row| account(row, "")).transpose()
            })
            .await
    }

    async fn account_by_id(&self, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare(BY_ID)?;
                let mut rows = statement.query([id.as_bytes()])?;
                rows.next()?.map(|row| account(row, "")).transpose()
            })
            .await
    }

    async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.readers.read(|db| columns::collect(db.prepare(ALL)?.query([])?, |row| account(row, ""))).await
    }

    async fn change_account(&self, id: AccountId, change: AccountChange, at: Timestamp) -> Result<AccountRow, StoreError> {
        self.writer.write(Durability::Full, move |db| self::change(db, id, &change, at)).await
    }

    async fn delete_account(&self, id: AccountId) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let key = key_of(db, id)?;
                for step in REMOVE {
                    db.execute(step, [key])?;
                }
                Ok(())
            })
            .await
    }
}

/// The integer key that rows of the account refer to.
pub(super) fn key_of(db: &Connection, id: AccountId) -> Result<i64, DbError> {
    let key = db.prepare_cached(KEY)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?;
    key.ok_or_else(|| not_found(id))
}

fn not_found(id: AccountId) -> DbError {
    StoreError::not_found("service account", id).into()
}

fn taken(name: &str) -> DbError {
    StoreError::Conflict { message: format!("there is a service account `{name}` already") }.into()
}

fn create(db: &Connection, new: &AccountRow) -> Result<(), DbError> {
    let inserted = db.execute(
        "INSERT INTO service_accounts (account_id, name, description, role, flows, active, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.id.as_bytes(),
            new.name,
            new.description,
            new.role,
            flows_column(new.flows.as_deref())?,
            new.active,
            new.created_at.as_micros(),
            new.updated_at.as_micros(),
        ],
    );
    match inserted.map_err(DbError::from) {
        Err(error) if error.is_duplicate() => Err(taken(&new.name)),
        inserted => inserted.map(|_| ()),
    }
}

fn change(db: &Connection, id: AccountId, change: &AccountChange, at: Timestamp) -> Result<AccountRow, DbError> {
    let AccountChange { name, description, role, flows, active } = change;
    let column = flows_column(flows.as_ref().and_then(Option::as_deref))?;
    let mut statement = db.prepare(CHANGE)?;
    let values = params![id.as_bytes(), name, description, role, flows.is_some(), column, active, at.as_micros()];
    let mut rows = statement.query(values)?;
    match rows.next() {
        Ok(Some(row)) => account(row, ""),
        Ok(None) => Err(not_found(id)),
        Err(error) => match DbError::from(error) {
            error if error.is_duplicate() => Err(taken(name.as_deref().unwrap_or_default())),
            error => Err(error),
        },
    }
}

fn flows_column(flows: Option<&[String]>) -> Result<Option<String>, DbError> {
    let text = flows.map(serde_json::to_string).transpose();
    text.map_err(|error| StoreError::Backend(Box::new(error)).into())
}

/// The account in a row, whose columns are named with this prefix where they would not be unique.
pub(super) fn account(row: &Row<'_>, prefix: &str) -> Result<AccountRow, DbError> {
    let of = |name: &str| format!("{prefix}{name}");
    let flows: Option<String> = row.get("flows")?;
    let flows = flows.map(|text| serde_json::from_str(&text)).transpose();
    Ok(AccountRow {
        id: AccountId::from_bytes(columns::bytes(row, "account_id")?),
        name: row.get(of("name").as_str())?,
        description: row.get(of("description").as_str())?,
        role: row.get("role")?,
        flows: flows.map_err(|error| errors::damaged("column `flows`", error))?,
        active: row.get(of("active").as_str())?,
        created_at: columns::time(row, &of("created_at"))?,
        updated_at: columns::time(row, &of("updated_at"))?,
    })
}
