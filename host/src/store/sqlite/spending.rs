//! What model calls cost: the sums of their records, and what is set aside for those that have none yet. How the two go together is told in
//! `traits/models.rs`; here is the one place that writes either.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::errors::{self, DbError};
use super::runner::Runner;
use super::{SqliteStore, columns};
use crate::ids::ExecutionId;
use crate::store::{Durability, ModelCallRow, NewReservation, Reserved, SpendScope, Spending, Spent, StoreError};

pub(super) const SUMS: &str = "SELECT spent, unrecorded FROM model_spend WHERE scope = ?1 AND name = ?2";
pub(super) const RESERVED: &str =
    "SELECT amount FROM model_reserved JOIN model_reservations ON id = reservation WHERE scope = ?1 AND name = ?2";
pub(super) const BY_FLOW: &str = "SELECT name, spent, unrecorded FROM model_spend WHERE scope = 'flow' ORDER BY name";
pub(super) const BY_DAY: &str =
    "SELECT name, spent, unrecorded FROM model_spend WHERE scope = 'day' AND name >= ?1 AND name < ?2 ORDER BY name";
pub(super) const RESERVATION: &str = "SELECT event IS NULL, is_settled FROM model_reservations WHERE id = ?1";
pub(super) const SETTLE: &str = "UPDATE model_reservations SET amount = ?2, is_settled = 1 WHERE id = ?1";
/// What a runner set aside for a call.
pub(super) const OF_CALL: &str = "SELECT id, amount FROM model_reservations WHERE event = ?1 AND runner = ?2 ORDER BY id";
/// The top of the tree of the execution with a key.
pub(super) const TOP: &str = "SELECT coalesce(root, exec_id) AS top FROM executions WHERE id = ?1";
/// Any of the tree with this execution at its top.
pub(super) const LEFT: &str =
    "SELECT 1 FROM executions WHERE exec_id = ?1 UNION ALL SELECT 1 FROM executions WHERE root = ?1 LIMIT 1";
pub(super) const END: [&str; 2] =
    ["DELETE FROM model_reserved WHERE reservation = ?1", "DELETE FROM model_reservations WHERE id = ?1"];
// Sums stop at 2^62: with what is added to them at most, they stay what SQLite can add up.
const ADD: &str = "INSERT INTO model_spend (scope, name, spent, unrecorded) VALUES (?1, ?2, ?3, 0)
     ON CONFLICT (scope, name) DO UPDATE SET spent = min(spent + excluded.spent, 4611686018427387904)";
const ADD_UNRECORDED: &str = "INSERT INTO model_spend (scope, name, spent, unrecorded)
     SELECT scope, name, 0, ?2 FROM model_reserved WHERE reservation = ?1
     ON CONFLICT (scope, name) DO UPDATE SET unrecorded = min(unrecorded + excluded.unrecorded, 4611686018427387904)";

/// The largest amount that is kept.
const MOST: u64 = 1 << 52;

#[async_trait]
impl Spending for SqliteStore {
    async fn reserve(&self, reservation: NewReservation) -> Result<Reserved, StoreError> {
        let me = self.registered().await?;
        // Durable: whatever becomes of this machine while the call is under way, its money counts.
        self.writer.write(Durability::Full, move |db| reserve(db, &me, &reservation)).await
    }

    async fn settle(&self, reservation: u64, spent: u64) -> Result<(), StoreError> {
        // Relaxed: if this is lost, what was set aside counts, or what the record tells.
        self.writer.write(Durability::Relaxed, move |db| settle(db, columns::integer(reservation), amount(spent))).await
    }

    async fn spent(&self, scope: &SpendScope) -> Result<Spent, StoreError> {
        let scope = scope.clone();
        self.readers
            .read(move |db| {
                let _moment = db.unchecked_transaction()?;
                of_account(db, kind(&scope), &name(&scope))
            })
            .await
    }

    async fn spent_by_flow(&self) -> Result<Vec<(String, Spent)>, StoreError> {
        self.readers
            .read(|db| {
                let _moment = db.unchecked_transaction()?;
                let mut statement = db.prepare(BY_FLOW)?;
                columns::collect(statement.query([])?, |row| {
                    let flow: String = row.get("name")?;
                    let spent = of_account(db, "flow", &Value::Text(flow.clone()))?;
                    Ok((flow, spent))
                })
            })
            .await
    }

    async fn spent_by_day(&self, since: Option<u64>, until: Option<u64>) -> Result<Vec<(u64, Spent)>, StoreError> {
        self.readers
            .read(move |db| {
                let _moment = db.unchecked_transaction()?;
                let mut statement = db.prepare(BY_DAY)?;
                let days = [since.unwrap_or(0), until.unwrap_or(u64::MAX)].map(columns::integer);
                columns::collect(statement.query(days)?, |row| {
                    let day = columns::count(row, "name")?;
                    let spent = of_account(db, "day", &Value::Integer(columns::integer(day)))?;
                    Ok((day, spent))
                })
            })
            .await
    }

    async fn close_reservations(&self) -> Result<u64, StoreError> {
        let runner = Arc::clone(&self.runner);
        self.writer.write(Durability::Relaxed, move |db| close_dead(db, &runner)).await
    }
}

/// An amount as a column.
pub(super) fn amount(nanos: u64) -> i64 {
    columns::integer(nanos.min(MOST))
}

fn kind(scope: &SpendScope) -> &'static str {
    match scope {
        SpendScope::Execution(_) => "execution",
        SpendScope::Tree(_) => "tree",
        SpendScope::Flow(_) => "flow",
        SpendScope::Day(_) => "day",
    }
}

fn name(scope: &SpendScope) -> Value {
    match scope {
        SpendScope::Execution(id) | SpendScope::Tree(id) => Value::Blob(id.as_bytes().to_vec()),
        SpendScope::Flow(flow) => Value::Text(flow.clone()),
        SpendScope::Day(day) => Value::Integer(columns::integer(*day)),
    }
}

/// In one transaction: a record that is committed between the two statements would be in neither.
fn of_account(db: &Connection, kind: &str, name: &Value) -> Result<Spent, DbError> {
    let mut sums = db.prepare_cached(SUMS)?;
    let mut rows = sums.query(params![kind, name])?;
    let (recorded, unrecorded) = match rows.next()? {
        Some(row) => (columns::count(row, "spent")?, columns::count(row, "unrecorded")?),
        None => (0, 0),
    };
    let mut open = db.prepare_cached(RESERVED)?;
    let amounts = columns::collect(open.query(params![kind, name])?, |row| columns::count(row, "amount"))?;
    Ok(Spent { recorded, unrecorded, reserved: amounts.into_iter().fold(0, u64::saturating_add) })
}

fn reserve(db: &Connection, runner: &str, new: &NewReservation) -> Result<Reserved, DbError> {
    for account in &new.accounts {
        let Some(limit) = account.limit else { continue };
        let used = of_account(db, kind(&account.scope), &name(&account.scope))?.total();
        if used.saturating_add(new.amount) > limit {
            return Ok(Reserved::Exceeded { account: account.clone(), used });
        }
    }
    // A call of no execution has no record that could take the place of this.
    let is_recorded = new.accounts.iter().any(|account| matches!(account.scope, SpendScope::Execution(_)));
    let event = new.event.as_ref().filter(|_| is_recorded).map(Uuid::as_bytes);
    db.prepare_cached("INSERT INTO model_reservations (runner, event, amount, at) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        runner,
        event,
        amount(new.amount),
        new.at.as_micros()
    ])?;
    let id = db.last_insert_rowid();
    for account in &new.accounts {
        db.prepare_cached("INSERT OR IGNORE INTO model_reserved (scope, name, reservation) VALUES (?1, ?2, ?3)")?
            .execute(params![kind(&account.scope), name(&account.scope), id])?;
    }
    Ok(Reserved::Kept(u64::try_from(id).unwrap_or_default()))
}

fn settle(db: &Connection, id: i64, spent: i64) -> Result<(), DbError> {
    let found: Option<(bool, bool)> =
        db.prepare_cached(RESERVATION)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match found {
        None | Some((_, true)) => Ok(()),
        Some((has_no_record, false)) if has_no_record || spent == 0 => end(db, id, spent),
        Some(_) => {
            db.prepare_cached(SETTLE)?.execute(params![id, spent])?;
            Ok(())
        }
    }
}

/// The top of the tree that the execution with this key stands in.
pub(super) fn tree_of(db: &Connection, key: i64) -> Result<ExecutionId, DbError> {
    let mut statement = db.prepare_cached(TOP)?;
    let mut rows = statement.query([key])?;
    let row = rows.next()?.ok_or_else(|| errors::malformed(format!("the execution with the key {key}")))?;
    columns::bytes(row, "top").map(ExecutionId::from_bytes)
}

/// Adds what a record tells to its accounts, `tree` among them, where it takes the place of what `runner` had set aside for the call. What that held beyond it stays.
pub(super) fn record(db: &Connection, runner: Option<&str>, tree: ExecutionId, row: &ModelCallRow) -> Result<(), DbError> {
    let mut left = amount(row.spent);
    if left > 0 {
        for scope in [SpendScope::Flow(row.flow.clone()), SpendScope::Day(row.day)] {
            add(db, &scope, left)?;
        }
        add_to_its_own(db, tree, row)?;
    }
    let (Some(event), Some(runner)) = (row.event, runner) else { return Ok(()) };
    let mut statement = db.prepare_cached(OF_CALL)?;
    let held = columns::collect(statement.query(params![event.as_bytes(), runner])?, |row| {
        Ok((row.get::<_, i64>("id")?, row.get::<_, i64>("amount")?))
    })?;
    for (id, held) in held {
        let paid = held.min(left);
        left -= paid;
        end(db, id, held - paid)?;
    }
    Ok(())
}

/// Adds what a record tells to the accounts of its execution and of `tree`, and to no others.
pub(super) fn add_to_its_own(db: &Connection, tree: ExecutionId, row: &ModelCallRow) -> Result<(), DbError> {
    let spent = amount(row.spent);
    if spent > 0 {
        for scope in [SpendScope::Execution(row.execution), SpendScope::Tree(tree)] {
            add(db, &scope, spent)?;
        }
    }
    Ok(())
}

fn add(db: &Connection, scope: &SpendScope, spent: i64) -> Result<(), DbError> {
    db.prepare_cached(ADD)?.execute(params![kind(scope), name(scope), spent])?;
    Ok(())
}

/// Ends a reservation, of which so much counts as spent though no record tells.
fn end(db: &Connection, id: i64, unrecorded: i64) -> Result<(), DbError> {
    if unrecorded > 0 {
        db.prepare_cached(ADD_UNRECORDED)?.execute(params![id, unrecorded])?;
    }
    for sql in END {
        db.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

fn close_dead(db: &Connection, me: &Runner) -> Result<u64, DbError> {
    let mut statement = db.prepare("SELECT DISTINCT runner FROM model_reservations")?;
    let runners = columns::collect(statement.query([])?, |row| Ok(row.get::<_, String>("runner")?))?;
    let mut closed = 0;
    for runner in runners.iter().filter(|runner| !me.is_me(runner) && me.living(runner).is_none()) {
        let mut statement = db.prepare("SELECT id, amount FROM model_reservations WHERE runner = ?1")?;
        let left =
            columns::collect(statement.query([runner])?, |row| Ok((row.get::<_, i64>("id")?, row.get::<_, i64>("amount")?)))?;
        for (id, amount) in left {
            end(db, id, amount)?;
            closed += 1;
        }
    }
    Ok(closed)
}

/// Removes an account.
pub(super) const FORGET: [&str; 2] =
    ["DELETE FROM model_spend WHERE scope = ?1 AND name = ?2", "DELETE FROM model_reserved WHERE scope = ?1 AND name = ?2"];

/// Removes what goes with an execution that was deleted: its own account, and with the last of its tree that of the tree. In those of its flow and
/// its days, all stays.
pub(super) fn forget(db: &Connection, execution: ExecutionId, tree: ExecutionId) -> Result<(), DbError> {
    let any_left = db.prepare_cached(LEFT)?.exists([tree.as_bytes()])?;
    let gone = (!any_left).then_some(SpendScope::Tree(tree));
    for scope in [SpendScope::Execution(execution)].into_iter().chain(gone) {
        for sql in FORGET {
            db.prepare_cached(sql)?.execute(params![kind(&scope), name(&scope)])?;
        }
    }
    Ok(())
}
