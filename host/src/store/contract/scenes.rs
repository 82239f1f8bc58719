//! What the tests start from.

use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use crate::journal::{EncodedEntry, Failure, LogLevel, Payload, chain};
use crate::store::{
    Append, ArtifactRow, Durability, Executions, Lease, Leases, LogRow, LogSource, NewExecution, NewWait, StatusChange,
};

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros)
}

pub(super) fn inline(text: &str) -> Payload {
    Payload::Inline(text.as_bytes().to_vec())
}

pub(super) fn execution_of(flow: &str) -> NewExecution {
    NewExecution {
        id: SystemIds.execution(),
        flow: flow.into(),
        component: ComponentDigest::of(b"component"),
        input: inline(r#"{"topic":"kitaru"}"#),
        seed: [7; 32],
        created_at: at(0),
        flow_epoch: at(0),
        original: None,
        parent: None,
        depth: 0,
        tags: vec![],
        replay_plan: None,
        frozen_spec: "{}".into(),
    }
}

/// A new execution of the flow `flow`.
pub(super) async fn created(store: &impl Executions) -> ExecutionId {
    let execution = execution_of("flow");
    let id = execution.id;
    store.create(execution).await.unwrap();
    id
}

/// A new execution that `store` drives.
pub(super) async fn claimed<S: Executions + Leases>(store: &S) -> Lease {
    let id = created(store).await;
    store.claim(id).await.unwrap()
}

/// A record whose bytes tell its position. The store looks neither into the bytes nor at the chain.
pub(super) fn entry(seq: u64) -> EncodedEntry {
    let bytes = format!("entry {seq}").into_bytes();
    EncodedEntry { seq, link: chain(&[0; 32], &bytes), bytes }
}

pub(super) fn nothing(durability: Durability) -> Append {
    Append {
        entries: vec![],
        status: None,
        metadata: None,
        wait: None,
        child: None,
        cache: None,
        blobs: vec![],
        at: at(1),
        durability,
    }
}

/// A full append of the records at these positions.
pub(super) fn entries(positions: impl IntoIterator<Item = u64>) -> Append {
    Append { entries: positions.into_iter().map(entry).collect(), ..nothing(Durability::Full) }
}

pub(super) fn becomes(change: StatusChange) -> Append {
    Append { status: Some(change), ..nothing(Durability::Full) }
}

pub(super) fn failure() -> Failure {
    Failure::user("error", "it broke").at_call(3)
}

pub(super) fn question(call: u32) -> NewWait {
    NewWait {
        call,
        name: "approve".into(),
        question: Some("Approve?".into()),
        schema: Some(r#"{"type":"boolean"}"#.into()),
        metadata: None,
        deadline: None,
        default: None,
    }
}

pub(super) fn artifact(lease: &Lease, call: u32, attempt: u32, ordinal: u32) -> ArtifactRow {
    ArtifactRow {
        execution: lease.execution,
        call,
        attempt,
        ordinal,
        name: format!("notes {call}.{attempt}.{ordinal}"),
        kind: "context".into(),
        media_type: "application/json".into(),
        is_blob: false,
        tags: vec!["a".into(), "b\"c".into()],
        payload: inline("[1]"),
        at: at(5),
    }
}

pub(super) fn line(execution: ExecutionId, call: u32, ordinal: u32, message: &str) -> LogRow {
    LogRow {
        execution,
        call,
        attempt: 1,
        ordinal,
        at: at(i64::from(ordinal)),
        level: LogLevel::Warn,
        source: LogSource::Step,
        checkpoint: Some(format!("checkpoint_{call}")),
        module: "stderr",
        message: message.into(),
    }
}
