//! What the tests start from.

use crate::clock::Timestamp;
use crate::ids::{CallId, ComponentDigest, ExecutionId, Ids as _, SystemIds};
use crate::journal::{EncodedEntry, Failure, LogLevel, Payload, PayloadHash, chain};
use crate::store::{
    AccessRow, Append, ArtifactRow, Blobs, Durability, ExecutionRow, Executions, ImportedExecution, Lease, Leases, LogFilter,
    LogRow, LogSource, ModelCallRow, NewExecution, NewWait, Resolution, Status, StatusChange, Store, StoreError, StoredEntry,
    WaitRow,
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
        root: None,
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
    Append::new(at(1), durability)
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

/// The day of the records.
pub(super) const DAY: u64 = 19_675;

/// A record of a call that the execution's flow `flow` made, at its place by call, attempt and ordinal.
pub(super) fn model_call(execution: ExecutionId, place: [u32; 3], spent: u64) -> ModelCallRow {
    let [call, attempt, ordinal] = place;
    ModelCallRow {
        execution,
        call,
        attempt,
        ordinal,
        name: format!("ask_{call}"),
        flow: "flow".into(),
        day: DAY,
        at: at(7),
        event: Some(SystemIds.execution().as_bytes()).map(|bytes| uuid::Uuid::from_bytes(*bytes)),
        usage: format!(r#"[{{"total":{spent}}}]"#),
        events: "{\"kind\":\"start\"}\n{\"kind\":\"end\"}\n".into(),
        policies: r#"{"policies":[]}"#.into(),
        spent,
    }
}

/// What happened on a target, at its place by call and attempt.
pub(super) fn access(execution: ExecutionId, place: [u32; 2], target: &str) -> AccessRow {
    let [call, attempt] = place;
    AccessRow {
        execution,
        call,
        attempt,
        checkpoint: format!("checkpoint_{call}"),
        kind: "net".into(),
        target: target.into(),
        allowed: true,
        count: 2,
        first_at: at(6),
        detail: None,
    }
}

/// An execution created as `new` that ended with `end`, and has something of everything that can belong to one.
pub(super) async fn ended_with_everything(store: &impl Store, new: NewExecution, end: StatusChange) -> ExecutionId {
    let id = new.id;
    store.create(new).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    for (call, seq) in [1, 3, 5, 7].into_iter().zip(0..) {
        let wait = NewWait {
            metadata: Some(r#"{"level":2}"#.into()),
            deadline: Some(at(1000)),
            default: Some(inline("false")),
            ..question(call)
        };
        let metadata = Some(format!(r#"{{"asked":{call}}}"#));
        store.append(&lease, Append { wait: Some(wait), metadata, at: at(5), ..entries([seq]) }).await.unwrap();
    }
    // The last question stays open.
    let answers = [Resolution::Answered(inline("true")), Resolution::Aborted, Resolution::Expired];
    for (index, answer) in [1, 3, 5].into_iter().zip(answers) {
        store.resolve(CallId { execution: id, index }, None, answer, at(9)).await.unwrap();
    }
    for ordinal in 0..2 {
        store.save(&lease, artifact(&lease, 0, 1, ordinal)).await.unwrap();
    }
    store.log(vec![line(id, 2, 0, "first"), line(id, 0, 0, "second"), line(id, 0, 1, "third")]).await.unwrap();
    let model_calls = vec![model_call(id, [2, 1, 0], 5), model_call(id, [0, 1, 1], 7)];
    let accesses = vec![access(id, [2, 1], "a:1"), access(id, [0, 1], "b:2")];
    let end = Append { status: Some(end), model_calls, accesses, at: at(20), ..entries([4]) };
    store.append(&lease, end).await.unwrap();
    store.release(&lease).await.unwrap();
    id
}

/// An execution created as `new` that somebody ended.
pub(super) async fn ended(store: &impl Store, new: NewExecution) -> ExecutionId {
    let id = new.id;
    store.create(new).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    store.append(&lease, becomes(StatusChange::Cancelled)).await.unwrap();
    store.release(&lease).await.unwrap();
    id
}

/// All that a store tells about an execution.
#[derive(Debug)]
pub(super) struct Everything {
    pub(super) row: ExecutionRow,
    pub(super) journal: Vec<StoredEntry>,
    pub(super) waits: Vec<WaitRow>,
    pub(super) artifacts: Vec<ArtifactRow>,
    pub(super) model_calls: Vec<ModelCallRow>,
    pub(super) accesses: Vec<AccessRow>,
    pub(super) logs: Vec<LogRow>,
}

pub(super) async fn everything(store: &impl Store, id: ExecutionId) -> Everything {
    Everything {
        row: store.execution(id).await.unwrap(),
        journal: store.entries(id, 0, u64::MAX).await.unwrap(),
        waits: store.waits(id).await.unwrap(),
        artifacts: store.artifacts(id).await.unwrap(),
        model_calls: store.model_calls(id).await.unwrap(),
        accesses: store.accesses(id).await.unwrap(),
        logs: store.logs(id, &LogFilter::default()).await.unwrap().into_iter().map(|line| line.row).collect(),
    }
}

/// A value that lies in the blob store, as large ones do.
pub(super) async fn blob(store: &impl Blobs, text: &str) -> Payload {
    Payload::Blob { hash: store.put_blob(text.into()).await.unwrap(), len: text.len() as u64 }
}

/// Whether the blob store has what [`blob`] put there.
pub(super) async fn has_blob(store: &impl Blobs, text: &str) -> bool {
    match store.get_blob(&PayloadHash::of(text.as_bytes())).await {
        Ok(bytes) => bytes == text.as_bytes(),
        Err(StoreError::NotFound { what: "blob", .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// An execution as an archive brings it that failed elsewhere, with these calls of models and nothing else.
pub(super) fn failed_elsewhere(new: NewExecution, model_calls: Vec<ModelCallRow>) -> ImportedExecution {
    ImportedExecution {
        new,
        status: Status::Failed,
        status_reason: None,
        ended_at: None,
        result: None,
        failure: None,
        metadata: "{}".into(),
        journal: vec![],
        blobs: vec![],
        waits: vec![],
        artifacts: vec![],
        model_calls,
        accesses: vec![],
        logs: vec![],
    }
}
