//! What the journal's tests share: calls, outcomes, journals under construction.

use super::{
    CallKind, CanonicalJson, Descriptor, Entry, EntryBody, Failure, Given, History, Outcome, OverrideRequest, OverrideScope,
    Payload, Provenance, ReplayError, ReplayPlan, ReplayRequest,
};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;

pub(super) fn source_id() -> ExecutionId {
    "01a1fa62-0000-7000-8000-000000000001".parse().unwrap()
}

pub(super) fn call(kind: CallKind, name: &str, invocation: &str, input: &str) -> Descriptor {
    let input = CanonicalJson::parse(input).unwrap();
    Descriptor {
        kind,
        name: name.into(),
        invocation: invocation.into(),
        input_hash: input.hash(),
        input: Payload::Inline(input.into_string().into_bytes()),
        checkpoint_type: None,
    }
}

pub(super) fn checkpoint(name: &str) -> Descriptor {
    call(CallKind::Checkpoint, name, name, "{}")
}

pub(super) fn success(text: &str) -> Outcome {
    Outcome::Success(Payload::Inline(text.as_bytes().to_vec()))
}

pub(super) fn failed() -> Outcome {
    Outcome::Failure(Failure::user("error", "no").at_call(0))
}

/// A journal under construction.
#[derive(Default)]
pub(super) struct Book(pub(super) Vec<Entry>);

impl Book {
    pub(super) fn add(&mut self, body: EntryBody) -> &mut Self {
        let seq = self.0.len() as u64;
        self.0.push(Entry { seq, at: Timestamp::from_micros(1_000 + seq as i64), body });
        self
    }

    pub(super) fn start(&mut self, index: u32, attempt: u32, descriptor: Option<Descriptor>) -> &mut Self {
        self.add(EntryBody::CallStarted { call: index, attempt, descriptor, deadline: None, child: None })
    }

    pub(super) fn end(&mut self, index: u32, attempt: u32, outcome: Outcome) -> &mut Self {
        self.add(EntryBody::CallEnded {
            call: index,
            attempt,
            descriptor: None,
            outcome,
            provenance: Provenance::Ran,
            metadata: None,
            started_at: None,
        })
    }

    /// The end of the flow ended the call.
    pub(super) fn cut_off(&mut self, index: u32) -> &mut Self {
        self.add(EntryBody::CallEnded {
            call: index,
            attempt: 0,
            descriptor: None,
            outcome: failed(),
            provenance: Provenance::Cancelled,
            metadata: None,
            started_at: None,
        })
    }

    pub(super) fn ran(&mut self, index: u32, descriptor: Descriptor, outcome: Outcome) -> &mut Self {
        self.start(index, 1, Some(descriptor)).end(index, 1, outcome)
    }

    pub(super) fn history(&self) -> History {
        History::fold(self.0.clone()).unwrap()
    }
}

pub(super) fn three() -> Book {
    let mut book = Book::default();
    book.ran(0, checkpoint("research"), success("1")).ran(1, checkpoint("draft"), success("2")).ran(
        2,
        checkpoint("publish"),
        success("3"),
    );
    book
}

pub(super) fn plan(book: &Book, request: ReplayRequest) -> Result<ReplayPlan, ReplayError> {
    ReplayPlan::new(source_id(), &book.history(), &request)
}

pub(super) fn output(selector: &str) -> OverrideRequest {
    OverrideRequest { scope: OverrideScope::One, selector: selector.into(), given: Given::Output("9".into()) }
}

pub(super) fn from(selector: &str) -> ReplayRequest {
    ReplayRequest { from: Some(selector.into()), ..ReplayRequest::default() }
}
