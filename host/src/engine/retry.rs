//! Failed executions reopened (E9), stopped ones resumed.

use super::events::Observer;
use super::journals::read_journal;
use super::lease::LeaseGuard;
use super::models::is_marked;
use super::recorder::Step;
use super::submit::pick_flow;
use super::{Engine, EngineError};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{Entry, EntryBody};
use crate::store::{Durability, Status, StatusChange, StoreError};

impl Engine {
    /// Reopens a failed execution under its own ID, component and configuration: completed calls are served, the call whose failure the flow
    /// returned runs again. With `component` a fixed version takes over. The caller drives it.
    ///
    /// # Errors
    /// When it has not failed, or the component has no such flow.
    pub async fn reopen(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), EngineError> {
        let row = self.store.execution(id).await?;
        if row.status != Status::Failed {
            return Err(EngineError::only("failed", "retried", id, row.status));
        }
        let component = match component {
            None => None,
            Some(bytes) => {
                pick_flow(self.program(bytes).await?.manifest(), Some(&row.new.flow))?;
                Some(self.keep_component(bytes).await?)
            }
        };
        let guard = LeaseGuard::claim(self, id).await?;
        let reopened = self.reopen_leased(&guard, component).await;
        // From then on it is there to be driven: by the caller, or by whoever is quicker.
        let released = guard.release().await;
        released.and(reopened)
    }

    async fn reopen_leased(&self, guard: &LeaseGuard, component: Option<ComponentDigest>) -> Result<(), EngineError> {
        let id = guard.lease().execution;
        // Somebody may have been quicker.
        let row = self.store.execution(id).await?;
        if row.status != Status::Failed {
            return Err(EngineError::only("failed", "retried", id, row.status));
        }
        let mut journal = read_journal(self.store.as_ref(), id).await?;
        // Only a failure that the journal knows has a call to run again; a divergence left the journal as it was.
        let finished = journal.history.finished.is_some();
        let failure = row.failure.as_ref().filter(|_| finished);
        let rerun = failure.map(|failure| journal.history.to_rerun(failure)).unwrap_or_default();
        let recorder = guard.recorder(Observer::silent(), journal.history.next_seq, journal.link);
        let component_bytes = component.map(|digest| *digest.as_bytes());
        let body = EntryBody::Reopened { rerun: rerun.clone(), component: component_bytes, automatic: false };
        let entry = Entry { seq: journal.history.next_seq, at: self.clock.now(), body: body.clone() };
        journal.history.apply(entry).map_err(|source| EngineError::History { execution: id, source })?;
        // Before anything is written: a source that is gone is not there for the drive either.
        self.replay_source(&row, &journal.history).await?;
        let from_call = (!rerun.is_empty()).then(|| journal.history.len());
        let step = Step::entry(body).with_status(StatusChange::Reopened { component, from_call, rerun, automatic: false });
        recorder.write(step, Durability::Full).await.map(drop)
    }

    /// Checks that an execution can be driven on by hand: it waits with all answers there, or its runner died.
    ///
    /// # Errors
    /// When it has ended, still needs an answer, or is being run.
    pub async fn check_resumable(&self, id: ExecutionId) -> Result<(), EngineError> {
        let row = self.store.execution(id).await?;
        match row.status {
            // An answer has come, or its time: nobody is needed any more.
            Status::Waiting if self.is_due(&row) => Ok(()),
            // Its runner died, and nobody knows what it had to do besides.
            Status::Waiting if row.abandoned => Ok(()),
            Status::Waiting => {
                let open = self.pending_waits(id).await?;
                // A model may be there by now.
                if let Some(wait) = open.iter().find(|wait| !is_marked(wait)) {
                    let name = &wait.wait.name;
                    return Err(EngineError::State {
                        message: format!("Resolve pending wait input before resuming execution '{id}'."),
                        hint: Some(format!("kitaru-host executions input {id} --wait {name} --value <JSON>")),
                    });
                }
                Ok(())
            }
            Status::Running => match row.runner {
                Some(runner) => Err(StoreError::Owned { execution: id, runner }.into()),
                None => Ok(()),
            },
            status => {
                let EngineError::State { message, .. } = EngineError::only("paused", "resumed", id, status) else {
                    return Ok(());
                };
                let hint = (status == Status::Failed).then(|| format!("kitaru-host executions retry {id}"));
                Err(EngineError::State { message, hint })
            }
        }
    }
}
