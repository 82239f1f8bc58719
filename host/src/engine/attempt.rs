//! Runs a checkpoint call: attempts, each in an instance of its own, until one decides the call.

use std::sync::{Arc, Mutex, PoisonError};

use super::EngineError;
use super::checkpoint_port::CheckpointCalls;
use super::events::Event;
use super::flow_port::{Answer, Call, FlowCalls};
use super::metadata::Metadata;
use super::recorder::Step;
use crate::journal::{AttemptStatus, EntryBody, Failure, Outcome, Provenance};
use crate::sandbox::{CheckpointOptions, CheckpointRun, Ran};
use crate::store::{Durability, put_bytes};

impl FlowCalls {
    /// Runs `call` from its attempt number `attempt` on. `started` says that the journal knows the call already.
    pub(super) async fn run_checkpoint(
        &self,
        call: &Call,
        options: &CheckpointOptions,
        input: String,
        mut attempt: u32,
        started: bool,
    ) -> Result<Answer, EngineError> {
        let run = &self.run;
        let (index, invocation) = (call.index, call.descriptor.invocation.clone());
        let mut descriptor = (!started).then(|| call.descriptor.clone());
        // An attempt that a dying host interrupted (E4) does not use up a retry.
        let mut failed = run.cursor.own().call(index).map_or(0, |record| {
            let counted = record.attempts.iter().skip(record.attempts_before_reopening);
            counted.filter(|attempt| matches!(attempt.status, AttemptStatus::Failed(_))).count()
        });
        loop {
            let start = EntryBody::CallStarted { call: index, attempt, descriptor: descriptor.take() };
            let step = Step::entry(start).with_metadata(self.metadata_text());
            run.recorder.write(step, Durability::Relaxed).await?;
            run.tell(Event::Running { index, invocation: invocation.clone(), attempt });

            let metadata = Arc::new(Mutex::new(Metadata::default()));
            let port = CheckpointCalls::new(run.clone(), call, attempt, metadata.clone());
            let lines = Arc::new(run.lines.of_attempt(index, attempt, &call.descriptor.name, &invocation));
            let ran = run.program.run_checkpoint(CheckpointRun {
                name: &call.descriptor.name,
                input: &input,
                grants: &run.spec.grants,
                port: Box::new(port),
                log: lines,
                limits: run.spec.limits,
            });
            let outcome: Result<String, Failure> = match ran.await {
                Ran::Returned(value) => Ok(value),
                Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(Failure { call_index: Some(index), ..failure }),
                Ran::Stopped(stop) => return Ok(Err(stop)),
            };
            run.logs.flush().await;
            let metadata = metadata.lock().unwrap_or_else(PoisonError::into_inner).to_text();
            let failure = outcome.as_ref().err().cloned();
            let again = failure.as_ref().is_some_and(|failure| failure.retryable && failed < options.retries as usize);
            run.tell(Event::Ran { index, invocation: invocation.clone(), failure: failure.clone(), again });
            if let (true, Some(failure)) = (again, failure) {
                // E3: the next attempt can tell the world its number.
                run.recorder
                    .write(Step::entry(EntryBody::AttemptFailed { call: index, attempt, failure, metadata }), Durability::Full)
                    .await?;
                failed += 1;
                attempt = attempt.saturating_add(1);
                continue;
            }
            let recorded = match &outcome {
                Ok(value) => Outcome::Success(put_bytes(run.store.as_ref(), value.clone().into_bytes()).await?),
                Err(failure) => Outcome::Failure(failure.clone()),
            };
            let entry = EntryBody::CallEnded {
                call: index,
                attempt,
                descriptor: None,
                outcome: recorded,
                provenance: Provenance::Ran,
                metadata,
            };
            // E3: the flow goes on only when this is on the disk.
            let at = run.recorder.write(Step::entry(entry).with_metadata(self.metadata_text()), Durability::Full).await?;
            run.flow_clock.advance(at);
            return Ok(Ok(outcome));
        }
    }
}
