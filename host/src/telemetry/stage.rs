//! What the tests play: an execution whose raw values all have a word in them that must not come out, and the events of its model calls.

use std::sync::Arc;

use kitaru_llm::clock::Timestamp as Moment;
use kitaru_llm::event::{Attributes, Category, Event, Kind, Phase, Profile, atof};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Projection, Values, sort};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{CallKind, CanonicalJson, Descriptor, Entry, EntryBody, Failure, Outcome, Payload, Provenance, encode};
use crate::store::{
    Append, Durability, ExecutionRow, ModelCallRow, NewExecution, Status, StatusChange, Store, StoreOptions, sqlite::SqliteStore,
};

/// In everything that went in or came out, and in no event unless content is asked for.
pub(super) const RAW: &str = "RAWMARKER";

pub(super) fn execution_id(number: u8) -> ExecutionId {
    format!("01a1fa62-0000-7000-8000-0000000000{number:02x}").parse().unwrap()
}

/// So many milliseconds after the execution was created.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + millis * 1_000)
}

pub(super) fn new_execution(number: u8) -> NewExecution {
    NewExecution {
        id: execution_id(number),
        flow: "review".into(),
        component: ComponentDigest::of(b"component"),
        input: inline(&json!({ "topic": RAW }).to_string()),
        seed: [7; 32],
        created_at: at(0),
        flow_epoch: at(0),
        original: None,
        parent: None,
        root: None,
        depth: 0,
        tags: vec!["demo".into()],
        replay_plan: None,
        frozen_spec: "{}".into(),
    }
}

pub(super) fn row(new: NewExecution, status: Status, ended_at: Option<Timestamp>) -> ExecutionRow {
    ExecutionRow {
        new,
        position: 1,
        status,
        wake_at: None,
        status_reason: None,
        ended_at,
        result: None,
        failure: None,
        metadata: r#"{"stage":"final"}"#.into(),
        cancel_requested: false,
        epoch: 1,
        runner: None,
        abandoned: false,
    }
}

pub(super) fn inline(text: &str) -> Payload {
    Payload::Inline(text.as_bytes().to_vec())
}

pub(super) fn called(kind: CallKind, name: &str, invocation: &str, checkpoint_type: Option<&str>) -> Descriptor {
    let input = CanonicalJson::parse(&json!({ "in": RAW }).to_string()).unwrap();
    Descriptor {
        kind,
        name: name.into(),
        invocation: invocation.into(),
        input_hash: input.hash(),
        input: Payload::Inline(input.into_string().into_bytes()),
        checkpoint_type: checkpoint_type.map(str::to_owned),
    }
}

pub(super) fn success() -> Outcome {
    Outcome::Success(inline(&json!({ "text": RAW, "model": "openai/gpt-x" }).to_string()))
}

pub(super) fn started(call: u32, attempt: u32, descriptor: Option<Descriptor>) -> EntryBody {
    EntryBody::CallStarted { call, attempt, descriptor, deadline: None, child: None }
}

pub(super) fn ended(call: u32, attempt: u32, outcome: Outcome, provenance: Provenance) -> EntryBody {
    EntryBody::CallEnded { call, attempt, descriptor: None, outcome, provenance, metadata: None, started_at: None }
}

/// A journal under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(pub(super) Vec<Entry>);

impl Book {
    pub(super) fn add(&mut self, millis: i64, body: EntryBody) -> &mut Self {
        let seq = self.0.len() as u64;
        self.0.push(Entry { seq, at: at(millis), body });
        self
    }

    /// All events, sorted, where the execution ended like this.
    pub(super) fn events(
        &self,
        new: &NewExecution,
        rows: &[ModelCallRow],
        content: bool,
        end: Option<&ExecutionRow>,
    ) -> Vec<Event> {
        let mut projection = Projection::new(new, content);
        projection.note_model_calls(rows.to_vec());
        let mut events = projection.begin(json!({ "topic": RAW }));
        for entry in &self.0 {
            // Even where nobody asked for them, to see that they are not shown.
            let output = json!({ "text": RAW, "model": "openai/gpt-x", "usage": { "input_tokens": 3 } });
            let values = Values { input: json!({ "in": RAW }), output, served: Vec::new() };
            events.extend(projection.apply(entry, values));
        }
        events.extend(end.map(|row| projection.conclude(row, json!(RAW))).into_iter().flatten());
        sort(&mut events);
        events
    }
}

/// A flow with a checkpoint that asks a model at its second attempt, a tool that the model asked for, a model call of its own, and a wait.
pub(super) fn review() -> Book {
    let mut book = Book::default();
    let timeout = Failure::runtime("timeout", format!("took too long with {RAW}")).retryable();
    book.add(10, started(0, 1, Some(called(CallKind::Checkpoint, "research", "research", None))))
        .add(20, EntryBody::AttemptFailed { call: 0, attempt: 1, failure: timeout, metadata: None, retry_at: at(30) })
        .add(30, started(0, 2, None))
        .add(
            60,
            EntryBody::CallEnded {
                call: 0,
                attempt: 2,
                descriptor: None,
                outcome: success(),
                provenance: Provenance::Ran,
                metadata: Some(r#"{"stage":"draft"}"#.into()),
                started_at: None,
            },
        )
        .add(
            80,
            EntryBody::CallEnded {
                call: 1,
                attempt: 1,
                descriptor: Some(called(CallKind::Checkpoint, "search", "call_1", Some("tool_call"))),
                outcome: success(),
                provenance: Provenance::Ran,
                metadata: None,
                started_at: Some(at(70)),
            },
        )
        .add(90, started(2, 1, Some(called(CallKind::Llm, "outline", "outline", Some("llm_call")))))
        .add(120, ended(2, 1, success(), Provenance::Ran))
        .add(130, started(3, 1, Some(called(CallKind::Wait, "approve", "approve", None))))
        .add(500, ended(3, 1, success(), Provenance::Ran))
        .add(510, EntryBody::Finished { outcome: success(), unseen: Vec::new(), learnt_after: None });
    book
}

/// The model calls of [`review`].
pub(super) fn model_calls(execution: ExecutionId) -> Vec<ModelCallRow> {
    vec![model_call(execution, (0, 2, 0), (31, 60), 0xa1), model_call(execution, (2, 1, 0), (95, 119), 0xa2)]
}

/// One model call, recorded between these milliseconds: a guardrail, then the call, sanitised.
pub(super) fn model_call(
    execution: ExecutionId,
    (call, attempt, ordinal): (u32, u32, u32),
    (from, to): (i64, i64),
    uuid: u128,
) -> ModelCallRow {
    // Finer than the journal's clock, and a little after the end that it has.
    let moment = |millis: i64, nanos: i128| Moment::from_nanos(i128::from(at(millis).as_micros()) * 1_000 + nanos);
    let elsewhere = Uuid::from_u128(0xdead);
    let event = |uuid: u128, phase: Phase, category: Category, name: &str, timestamp: Moment| Event {
        uuid: Uuid::from_u128(uuid),
        parent: Some(elsewhere),
        timestamp,
        name: name.into(),
        kind: Kind::Scope { phase, category, attributes: Attributes::none() },
        profile: None,
        data: Value::Null,
        data_schema: None,
        metadata: Value::Null,
    };
    let mut guard =
        [Phase::Start, Phase::End].map(|phase| event(uuid + 0x100, phase, Category::Guardrail, "allow", moment(from, 1)));
    guard[0].data = json!({ "kind": "llm_conditional_execution" });
    (guard[1].data, guard[1].timestamp) = (json!({ "allowed": true, "rejected": false }), moment(from, 2_000));
    let mut start = event(uuid, Phase::Start, Category::Llm, "openai", moment(from, 3_000));
    start.data = json!({ "content": { "messages": "[REDACTED]", "model": "gpt-x" }, "headers": {} });
    let request = json!({ "model": "gpt-x", "messages": [{ "role": "user", "content": "sanitised question" }] });
    start.profile = Some(Profile { model_name: Some("gpt-x".into()), annotated_request: Some(request), ..Profile::default() });
    start.metadata = json!({ "kitaru.llm.api": "openai_chat" });
    let mut end = event(uuid, Phase::End, Category::Llm, "openai", moment(to, 900));
    let response = json!({
        "model": "gpt-x-1", "message": "sanitised answer", "finish_reason": "tool_use",
        "tool_calls": [{ "id": "call_1", "name": "search", "arguments": { "q": "x" } }],
        "usage": { "prompt_tokens": 20, "completion_tokens": 5 },
    });
    end.profile = Some(Profile { model_name: Some("gpt-x".into()), annotated_response: Some(response), ..Profile::default() });
    end.metadata = json!({ "kitaru.llm.asked": true, "kitaru.llm.cost_usd": 0.25 });
    let lines: Vec<String> = guard.iter().chain([&start, &end]).map(atof::to_line).collect();
    ModelCallRow {
        execution,
        call,
        attempt,
        ordinal,
        name: "research_call".into(),
        flow: "review".into(),
        day: 19_675,
        at: at(to),
        event: None,
        usage: "[]".into(),
        events: lines.join("\n"),
        policies: "{}".into(),
        spent: 250_000_000,
    }
}

/// A store in a folder of its own.
pub(super) fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_with(&folder.path().join("home"), StoreOptions::default()).unwrap();
    (folder, Arc::new(store))
}

/// Records a journal in a store, with these model calls, each with the record that ends it.
pub(super) async fn record(store: &Arc<dyn Store>, new: NewExecution, book: &Book, rows: &[ModelCallRow]) {
    let id = new.id;
    store.create(new).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    let mut link = [0; 32];
    for entry in &book.0 {
        let encoded = encode(entry, &link).unwrap();
        link = encoded.link;
        let mut append = Append::new(entry.at, Durability::Full);
        append.entries = vec![encoded];
        match &entry.body {
            EntryBody::CallEnded { call, .. } => {
                append.model_calls = rows.iter().filter(|row| row.call == *call).cloned().collect();
            }
            EntryBody::Finished { .. } => {
                append.status = Some(StatusChange::Completed { result: inline(&json!(RAW).to_string()) });
                append.metadata = Some(r#"{"stage":"final"}"#.into());
            }
            _ => {}
        }
        store.append(&lease, append).await.unwrap();
    }
    store.release(&lease).await.unwrap();
}
