//! What all parts of one drive share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::FrozenSpec;
use super::events::{Event, Observer};
use super::log_lines::{LogLines, LogWriter};
use super::recorder::Recorder;
use crate::clock::Clock;
use crate::ids::ExecutionId;
use crate::journal::{Cursor, Payload};
use crate::sandbox::{FlowClock, Program};
use crate::store::{ExecutionRow, Store, StoreError, get_text};

/// What a driver does when the flow waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Returns at once; whoever answers drives on.
    Return,
    /// Stays for the wait's polling window, then returns (E8).
    Window,
    /// Stays until the answer comes.
    Stay,
}

/// What all parts of one drive share.
pub(super) struct Run {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) program: Arc<Program>,
    pub(super) row: ExecutionRow,
    pub(super) spec: FrozenSpec,
    pub(super) recorder: Recorder,
    pub(super) logs: LogWriter,
    pub(super) lines: Arc<LogLines>,
    pub(super) cursor: Cursor,
    pub(super) flow_clock: FlowClock,
    pub(super) observer: Observer,
    pub(super) wait_policy: WaitPolicy,
    /// Calls that the flow has made in this run.
    pub(super) made: AtomicU32,
}

impl Run {
    pub(super) fn id(&self) -> ExecutionId {
        self.row.new.id
    }

    pub(super) fn tell(&self, event: Event) {
        (self.observer)(event);
    }

    /// The value of a payload that the engine wrote, as text.
    pub(super) async fn text(&self, payload: &Payload) -> Result<String, StoreError> {
        get_text(self.store.as_ref(), payload).await
    }
}
