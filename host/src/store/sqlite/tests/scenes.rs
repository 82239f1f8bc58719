//! What the tests start from.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use crate::journal::{EncodedEntry, Payload};
use crate::store::sqlite::SqliteStore;
use crate::store::{
    Append, Durability, Executions, Journal, Lease, Leases, ModelCallRow, NewExecution, NewReservation, Reserved, SpendAccount,
    SpendScope, Spending,
};

pub(super) fn execution() -> NewExecution {
    NewExecution {
        id: SystemIds.execution(),
        flow: "flow".into(),
        component: ComponentDigest::of(b"component"),
        input: Payload::Inline(b"{}".to_vec()),
        seed: [7; 32],
        created_at: Timestamp::from_micros(1),
        flow_epoch: Timestamp::from_micros(1),
        original: None,
        parent: None,
        root: None,
        depth: 0,
        tags: vec![],
        replay_plan: None,
        frozen_spec: "{}".into(),
    }
}

pub(super) async fn claimed(store: &SqliteStore) -> Lease {
    let new = execution();
    let id = new.id;
    store.create(new).await.unwrap();
    store.claim(id).await.unwrap()
}

/// One record of `size` bytes at `seq`.
pub(super) fn record(seq: u64, size: usize, durability: Durability) -> Append {
    let entries = vec![EncodedEntry { seq, bytes: vec![b'r'; size], link: [1; 32] }];
    Append { entries, ..Append::new(Timestamp::from_micros(2), durability) }
}

pub(super) async fn length(store: &SqliteStore, execution: ExecutionId) -> usize {
    store.entries(execution, 0, u64::MAX).await.unwrap().len()
}

/// The event of a call.
pub(super) fn event() -> Uuid {
    Uuid::from_bytes(*SystemIds.execution().as_bytes())
}

/// The accounts that the calls of an execution draw on.
pub(super) fn accounts(execution: ExecutionId) -> [SpendScope; 4] {
    [SpendScope::Execution(execution), SpendScope::Tree(execution), SpendScope::Flow("flow".into()), SpendScope::Day(1)]
}

/// Sets an amount aside for a call of an execution.
pub(super) async fn set_aside(store: &SqliteStore, execution: ExecutionId, event: Uuid, amount: u64) -> u64 {
    let accounts = accounts(execution).map(|scope| SpendAccount { scope, limit: Some(1_000) }).to_vec();
    let new = NewReservation { event: Some(event), accounts, amount, at: Timestamp::from_micros(1) };
    match store.reserve(new).await.unwrap() {
        Reserved::Kept(id) => id,
        refused => panic!("{refused:?}"),
    }
}

/// The record of a call that cost so much.
pub(super) fn model_call(execution: ExecutionId, spent: u64) -> ModelCallRow {
    ModelCallRow {
        execution,
        call: 0,
        attempt: 1,
        ordinal: 0,
        name: "ask".into(),
        flow: "flow".into(),
        day: 1,
        at: Timestamp::from_micros(1),
        event: None,
        usage: "[]".into(),
        events: String::new(),
        policies: "{}".into(),
        spent,
    }
}
