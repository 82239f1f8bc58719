//! What one attempt used and was denied, on its way to the store: with the step that ends the attempt, and now and then before that, so that a
//! crash loses little of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::recorder::Step;
use super::run::Run;
use crate::sandbox::{Access, Audit};
use crate::store::{AccessRow, Durability};

/// How soon after an attempt begins it is looked at first, and how often after that.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LOOKS: Duration = Duration::from_secs(1);

/// The accounts of one attempt. What they have when they are dropped is recorded by somebody else's step.
pub(super) struct Accounts {
    run: Arc<Run>,
    call: u32,
    attempt: u32,
    checkpoint: String,
    audit: Audit,
    /// The attempt has a record. Before that it could be forgotten, and what it did with it: another one would have its number.
    is_recorded: AtomicBool,
}

impl Accounts {
    pub(super) fn new(run: Arc<Run>, call: u32, attempt: u32, checkpoint: &str) -> Self {
        let audit = Audit::new(run.clock.clone());
        Self { run, call, attempt, checkpoint: checkpoint.to_owned(), audit, is_recorded: AtomicBool::new(false) }
    }

    /// Where it is noted what happens.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// What is new, to be recorded with a step of the attempt: that gives it a record, or it has one.
    pub(super) fn let_out(&self) -> Vec<AccessRow> {
        self.is_recorded.store(true, Ordering::Release);
        self.audit.news().into_iter().map(|access| self.row(access)).collect()
    }

    fn row(&self, access: Access) -> AccessRow {
        let Access { kind, target, allowed, count, first_at, detail } = access;
        AccessRow {
            execution: self.run.id(),
            call: self.call,
            attempt: self.attempt,
            checkpoint: self.checkpoint.clone(),
            kind: kind.as_str().to_owned(),
            target,
            allowed,
            count,
            first_at,
            detail,
        }
    }

    /// Waits for a body whose attempt has a record, and lets out what it does meanwhile. Nobody waits for that to be written.
    pub(super) async fn during<T>(&self, body: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            ended = body => ended,
            never = self.keep_up() => match never {},
        }
    }

    async fn keep_up(&self) -> Infallible {
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            pause = LOOKS;
            self.write();
        }
    }

    fn write(&self) {
        let accesses = self.let_out();
        if accesses.is_empty() {
            return;
        }
        let step = Step { accesses, ..Step::default() };
        if let Err(error) = self.run.recorder.cork(step, Durability::Relaxed) {
            tracing::debug!(error = &error as &dyn std::error::Error, "what an attempt used was not recorded");
        }
    }
}

impl Drop for Accounts {
    /// The attempt was cut short, with its call or its flow: what it did happened all the same.
    fn drop(&mut self) {
        if self.is_recorded.load(Ordering::Acquire) {
            self.write();
        }
    }
}
