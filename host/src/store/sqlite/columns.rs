//! Domain values as columns, and back.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::errors::{self, DbError};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{Failure, Payload};
use crate::store::StoreError;

pub(super) const KEY: &str = "SELECT id FROM executions WHERE exec_id = ?1";

/// SQLite's integers are signed; no count of ours comes near the end of either range.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count from a column that only [`integer`] wrote.
pub(super) fn count(row: &Row<'_>, name: &str) -> Result<u64, DbError> {
    let value: i64 = row.get(name)?;
    u64::try_from(value).map_err(|error| errors::damaged(format!("column `{name}`"), error).into())
}

/// A small number, such as a call index.
pub(super) fn index(row: &Row<'_>, name: &str) -> Result<u32, DbError> {
    let value: i64 = row.get(name)?;
    u32::try_from(value).map_err(|error| errors::damaged(format!("column `{name}`"), error).into())
}

/// A moment.
pub(super) fn time(row: &Row<'_>, name: &str) -> Result<Timestamp, DbError> {
    Ok(Timestamp::from_micros(row.get(name)?))
}

/// A moment, where there is one.
pub(super) fn optional_time(row: &Row<'_>, name: &str) -> Result<Option<Timestamp>, DbError> {
    Ok(row.get::<_, Option<i64>>(name)?.map(Timestamp::from_micros))
}

/// Bytes of a fixed length.
pub(super) fn bytes<const N: usize>(row: &Row<'_>, name: &str) -> Result<[u8; N], DbError> {
    let stored: Vec<u8> = row.get(name)?;
    stored.try_into().map_err(|_| errors::malformed(format!("column `{name}`")).into())
}

/// An execution's identifier, where there is one.
pub(super) fn optional_execution(row: &Row<'_>, name: &str) -> Result<Option<ExecutionId>, DbError> {
    match row.get::<_, Option<Vec<u8>>>(name)? {
        Some(_) => bytes(row, name).map(|bytes| Some(ExecutionId::from_bytes(bytes))),
        None => Ok(None),
    }
}

/// A component's digest.
pub(super) fn component(row: &Row<'_>, name: &str) -> Result<ComponentDigest, DbError> {
    bytes(row, name).map(ComponentDigest::from_bytes)
}

/// So many values in a list.
pub(super) fn placeholders(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// A value as a column.
pub(super) fn payload(value: &Payload) -> Result<Vec<u8>, DbError> {
    postcard::to_stdvec(value).map_err(|error| StoreError::Backend(Box::new(error)).into())
}

/// A value from a column.
pub(super) fn optional_payload(row: &Row<'_>, name: &str) -> Result<Option<Payload>, DbError> {
    let Some(stored) = row.get::<_, Option<Vec<u8>>>(name)? else { return Ok(None) };
    match postcard::take_from_bytes(&stored) {
        Ok((value, [])) => Ok(Some(value)),
        Ok(_) => Err(errors::malformed(format!("column `{name}`")).into()),
        Err(error) => Err(errors::damaged(format!("column `{name}`"), error).into()),
    }
}

/// A value that must be there.
pub(super) fn required_payload(row: &Row<'_>, name: &str) -> Result<Payload, DbError> {
    optional_payload(row, name)?.ok_or_else(|| errors::malformed(format!("column `{name}`")).into())
}

/// A failure as a column.
pub(super) fn failure(value: &Failure) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| StoreError::Backend(Box::new(error)).into())
}

/// A failure from a column.
pub(super) fn optional_failure(row: &Row<'_>, name: &str) -> Result<Option<Failure>, DbError> {
    let stored: Option<String> = row.get(name)?;
    let parsed = stored.map(|text| serde_json::from_str(&text)).transpose();
    parsed.map_err(|error| errors::damaged(format!("column `{name}`"), error).into())
}

/// The integer key that rows about `execution` refer to.
pub(super) fn execution_key(db: &Connection, execution: ExecutionId) -> Result<i64, DbError> {
    let mut statement = db.prepare_cached(KEY)?;
    let key = statement.query_row([execution.as_bytes()], |row| row.get(0)).optional()?;
    key.ok_or_else(|| StoreError::not_found("execution", execution).into())
}

/// Reads every row with `read`, which may find a row damaged.
pub(super) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
