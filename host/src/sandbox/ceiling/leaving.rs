//! When a flow that pauses may be told to leave, where that changes while it does.

use super::line::Pause;
use super::{NoRoom, Seat};
use crate::mutex::lock;

impl Seat {
    /// The flow, which pauses, may be told to leave, until it [`stays`](Self::stays).
    pub fn may_leave(&self) {
        let Some(number) = self.0.number else { return };
        let mut inner = self.0.shared.lock();
        if inner.pausing.contains_key(&number) {
            inner.line.pause(number, Some(Pause::Free));
            self.0.shared.settle(&mut inner);
        }
    }

    /// From now on the flow cannot leave.
    ///
    /// # Errors
    /// When it was told to, and has to.
    pub fn stays(&self) -> Result<(), NoRoom> {
        let Some(number) = self.0.number else { return Ok(()) };
        let mut inner = self.0.shared.lock();
        if !inner.pausing.contains_key(&number) {
            return Ok(());
        }
        if inner.line.pauses(number) {
            inner.line.pause(number, Some(Pause::Held));
            return Ok(());
        }
        drop(inner);
        Err(NoRoom::PutOff { needs: lock(&self.0.own).held })
    }
}
