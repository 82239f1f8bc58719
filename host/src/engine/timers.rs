//! Points in time: durable sleeps, exact to the timer of the runtime, and fired at once when the host starts late (E8).

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::calls::Ended;
use super::patience::Parked;
use super::recorder::Step;
use super::run::Run;
use crate::clock::{Clock, Timestamp};
use crate::journal::{EntryBody, Outcome, Payload};
use crate::sandbox::Stop;
use crate::store::Durability;

/// The host's clock may be set while somebody waits, so it is looked at again this often.
const LOOK: Duration = Duration::from_secs(60);

/// Returns at `due`.
pub(super) async fn until(clock: &dyn Clock, due: Timestamp) {
    loop {
        let left = due.since(clock.now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

impl Run {
    /// Sleeps until the call's time has come, counted from when the call was first made.
    pub(super) async fn sleep(self: &Arc<Self>, call: Call, milliseconds: u64, attempt: u32) -> Result<Ended, Stop> {
        let index = call.index;
        let record = self.cursor.own().call(index).filter(|record| record.has_started());
        let (deadline, step) = match record.and_then(|record| record.deadline) {
            Some(deadline) => (deadline, Step::default()),
            None => {
                let deadline = self.clock.now().after(Duration::from_millis(milliseconds));
                let start =
                    EntryBody::CallStarted { call: index, attempt, descriptor: None, deadline: Some(deadline), child: None };
                (deadline, Step::entry(start))
            }
        };
        let durability = if step.entries.is_empty() { Durability::Relaxed } else { Durability::Full };
        self.calls.park(&self.recorder, index, Parked::Timer { deadline }, step, durability)?;
        self.recorder.settle().await?;
        until(self.clock.as_ref(), deadline).await;
        let outcome = Outcome::Success(Payload::Inline(b"null".to_vec()));
        Ok(self.finish_ran(index, attempt, outcome).await?)
    }
}
