//! What an execution does, told as if it were driven here: from one look at it to the next.

use std::collections::BTreeMap;

use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::engine::{Event, Observer, ServedFrom};
use crate::ids::ExecutionId;
use crate::journal::{CallKind, Failure, LogLevel};
use crate::service::{CheckpointView, FailureView, LogEntry};
use crate::store::{LogRow, LogSource};

/// Tells what is new.
pub(super) struct Steps {
    execution: ExecutionId,
    observer: Observer,
    /// By call, what was told.
    told: BTreeMap<u32, Told>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    begun: usize,
    ended: usize,
    was_served: bool,
}

impl Steps {
    /// From now on; what has happened `before` is no news, but for what still runs.
    pub(super) fn new(execution: ExecutionId, observer: Observer, before: &[CheckpointView]) -> Self {
        let mut steps = Self { execution, observer, told: BTreeMap::new() };
        for checkpoint in before {
            let ended = checkpoint.attempts.iter().take_while(|attempt| attempt.status != "running").count();
            let told = Told { begun: ended, ended, was_served: checkpoint.provenance != "ran" };
            steps.told.insert(checkpoint.call_index, told);
        }
        steps
    }

    /// Tells what is new since the last look.
    pub(super) fn look(&mut self, checkpoints: &[CheckpointView]) {
        for checkpoint in checkpoints {
            let mut told = self.told.get(&checkpoint.call_index).copied().unwrap_or_default();
            if checkpoint.provenance == "ran" {
                self.attempts(checkpoint, &mut told);
            } else if !told.was_served {
                told.was_served = true;
                let (index, invocation) = (checkpoint.call_index, checkpoint.invocation_id.clone());
                self.observer.tell(|| Event::Served { index, kind: kind(checkpoint), invocation, from: origin(checkpoint) });
            }
            self.told.insert(checkpoint.call_index, told);
        }
    }

    fn attempts(&self, checkpoint: &CheckpointView, told: &mut Told) {
        let (execution, index) = (self.execution, checkpoint.call_index);
        for (attempt, number) in checkpoint.attempts.iter().zip(1_u32..).skip(told.ended) {
            let position = number as usize;
            let invocation = || checkpoint.invocation_id.clone();
            if position > told.begun {
                told.begun = position;
                self.observer.tell(|| Event::Running { execution, index, invocation: invocation(), attempt: number });
            }
            if attempt.status == "running" {
                return;
            }
            told.ended = position;
            let again = position < checkpoint.attempts.len() || checkpoint.status == "running";
            let failure = match (&attempt.failure, &*attempt.status) {
                (Some(view), _) => Some(failure(view)),
                (None, "completed") => None,
                (None, status) => Some(Failure::runtime("interrupted", format!("the attempt was {status}"))),
            };
            self.observer.tell(|| Event::Ran { execution, index, invocation: invocation(), failure, again });
        }
    }

    /// Tells a line.
    pub(super) fn line(&self, entry: LogEntry) {
        let execution = self.execution;
        self.observer.tell(|| Event::Log(row(execution, entry)));
    }
}

fn kind(checkpoint: &CheckpointView) -> CallKind {
    if checkpoint.checkpoint_type.as_deref() == Some(CallKind::Llm.as_str()) { CallKind::Llm } else { CallKind::Checkpoint }
}

fn origin(checkpoint: &CheckpointView) -> ServedFrom {
    let source = checkpoint.original_call_id.as_deref().and_then(|id| id.rsplit_once(':'));
    match (&*checkpoint.provenance, source.and_then(|(execution, _)| execution.parse().ok())) {
        ("cached", _) => ServedFrom::Cache,
        ("overridden", _) => ServedFrom::Override,
        (_, Some(source)) => ServedFrom::Source(source),
        (_, None) => ServedFrom::Journal,
    }
}

fn failure(view: &FailureView) -> Failure {
    let made = match &*view.origin {
        "user_code" => Failure::user(&view.exception_type, &view.message),
        _ => Failure::runtime(&view.exception_type, &view.message),
    };
    Failure { retryable: view.retryable, call_index: view.call_index, ..made }
}

fn row(execution: ExecutionId, entry: LogEntry) -> LogRow {
    let now = SystemClock.now();
    LogRow {
        execution,
        // Which call it was is not told, only by which checkpoint.
        call: 0,
        attempt: 0,
        ordinal: 0,
        at: Timestamp::parse_moment(&entry.timestamp, now).unwrap_or(now),
        level: LogLevel::parse(&entry.level).unwrap_or(LogLevel::Info),
        source: LogSource::parse(&entry.source).unwrap_or(LogSource::Runner),
        checkpoint: entry.checkpoint_name,
        module: match entry.module.as_str() {
            "stdout" => "stdout",
            "stderr" => "stderr",
            _ => "log",
        },
        message: entry.message,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::ids::{Ids as _, SystemIds};
    use crate::mutex::lock;

    fn attempt(status: &str) -> Value {
        let failure = json!({ "message": "no", "exception_type": "E", "traceback": null, "origin": "user_code", "retryable": true,
            "call_index": null, "details": null });
        let failure = if status == "failed" { failure } else { Value::Null };
        json!({ "attempt_id": "a", "status": status, "started_at": "", "ended_at": null, "metadata": {}, "failure": failure })
    }

    fn checkpoint(status: &str, provenance: &str, attempts: &[&str]) -> CheckpointView {
        let attempts: Vec<Value> = attempts.iter().map(|status| attempt(status)).collect();
        let value = json!({ "call_id": "c", "name": "n", "invocation_id": "n", "call_index": 0, "checkpoint_type": null,
            "status": status, "started_at": "", "ended_at": null, "metadata": {}, "original_call_id": null,
            "provenance": provenance, "other_input": false, "parent_call_ids": [], "failure": null, "attempts": attempts,
            "capabilities": { "declared": null, "granted": null, "used": [], "denied": [] }, "artifacts": [] });
        serde_json::from_value(value).unwrap()
    }

    fn watched(before: &[CheckpointView]) -> (Steps, Arc<Mutex<Vec<String>>>) {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = told.clone();
        let observer = Observer::new(move |event| {
            lock(&sink).push(match event {
                Event::Running { attempt, .. } => format!("running {attempt}"),
                Event::Ran { failure, again, .. } => format!("ran {} {again}", failure.is_none()),
                Event::Served { from, .. } => format!("{from:?}"),
                other => format!("{other:?}"),
            });
        });
        (Steps::new(SystemIds.execution(), observer, before), told)
    }

    #[test]
    fn every_attempt_is_told_once_however_often_it_is_looked_at() {
        let (mut steps, told) = watched(&[]);
        for (status, attempts) in [
            ("running", vec!["running"]),
            ("running", vec!["running"]),
            ("running", vec!["failed"]),
            ("running", vec!["failed", "running"]),
            ("completed", vec!["failed", "completed"]),
            ("completed", vec!["failed", "completed"]),
        ] {
            steps.look(&[checkpoint(status, "ran", &attempts)]);
        }
        assert_eq!(*lock(&told), ["running 1", "ran false true", "running 2", "ran true false"]);
    }

    #[test]
    fn what_was_before_is_no_news_and_what_is_served_is_told_once() {
        let before = [checkpoint("running", "ran", &["failed", "running"])];
        let (mut steps, told) = watched(&before);
        steps.look(&[checkpoint("completed", "ran", &["failed", "completed"])]);
        assert_eq!(*lock(&told), ["running 2", "ran true false"]);
        let (mut steps, told) = watched(&[]);
        steps.look(&[checkpoint("completed", "cached", &[])]);
        steps.look(&[checkpoint("completed", "cached", &[])]);
        assert_eq!(*lock(&told), ["Cache"]);
    }
}
