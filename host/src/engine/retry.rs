//! Failed executions reopened (E9), stopped ones resumed.

use super::journals::read_journal;
use super::recorder::{Recorder, Step};
use super::submit::pick_flow;
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::journal::{Cursor, EntryBody};
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
                Some(self.store.put_component(bytes).await?)
            }
        };
        let lease = self.store.claim(id).await?;
        let reopened = async {
            // Somebody may have been quicker.
            let row = self.store.execution(id).await?;
            if row.status != Status::Failed {
                return Err(EngineError::only("failed", "retried", id, row.status));
            }
            let journal = read_journal(self.store.as_ref(), id).await?;
            // Only a failure that the journal knows has a call to run again; a divergence left the journal as it was.
            let finished = journal.history.finished.is_some();
            let rerun = row.failure.as_ref().filter(|_| finished).and_then(|failure| Cursor::culprit(&journal.history, failure));
            let recorder =
                Recorder::new(self.store.clone(), self.clock.clone(), lease.clone(), journal.history.next_seq, journal.link);
            let entry = EntryBody::Reopened { rerun, component: component.map(|digest| *digest.as_bytes()) };
            recorder.write(Step::entry(entry).with_status(StatusChange::Reopened { component }), Durability::Full).await?;
            Ok(())
        };
        let reopened = reopened.await;
        self.store.release(&lease).await?;
        reopened
    }

    /// Checks that an execution can be driven on by hand: it waits with all answers there, or its runner died.
    ///
    /// # Errors
    /// When it has ended, still needs an answer, or is being run.
    pub async fn check_resumable(&self, id: ExecutionId) -> Result<(), EngineError> {
        let row = self.store.execution(id).await?;
        match row.status {
            Status::Waiting => {
                let open = self.pending_waits(id).await?;
                if let Some(wait) = open.first() {
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
