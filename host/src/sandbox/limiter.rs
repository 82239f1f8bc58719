//! Watches what an instance has: memory and tables, the sums over all that its component has. What it may have by itself is its limit, and
//! reaching it ends it; of what all instances may have together it gets its part in turn.
//!
//! An asynchronous limiter costs nothing where memory is used, and a boxed future where it is made or grows: once for each memory and table of
//! an instance, and at each `memory.grow`.

use std::time::Duration;

use wasmtime::ResourceLimiterAsync;

use super::ceiling::Seat;
use super::fault::HostFault;
use super::limits::{LimitReached, Limits};
use super::port::Stop;
use super::reached::reached;

/// What an element of a table takes, in bytes.
const ELEMENT: u64 = size_of::<usize>() as u64;

/// Watches one instance.
#[derive(Debug)]
pub(super) struct InstanceLimiter {
    memory_left: u64,
    tables_left: u64,
    limits: Limits,
    seat: Seat,
    /// How long it waited in line and nobody has asked for yet.
    waited: Duration,
}

impl InstanceLimiter {
    pub(super) fn new(limits: &Limits, seat: Seat) -> Self {
        let memory_left = limits.memory_mib.saturating_mul(1024 * 1024);
        Self { memory_left, tables_left: limits.table_elements, limits: *limits, seat, waited: Duration::ZERO }
    }

    /// How long the instance waited for memory since this was asked last: that is no time of its own.
    pub(super) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    async fn take(&mut self, bytes: u64) -> wasmtime::Result<()> {
        let before = self.seat.waited();
        let taken = self.seat.grow(bytes).await;
        self.waited += self.seat.waited().saturating_sub(before);
        taken.map_err(|no_room| Stop::NoRoom(no_room).into())
    }
}

#[async_trait::async_trait]
impl ResourceLimiterAsync for InstanceLimiter {
    async fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        match self.memory_left.checked_sub(more) {
            Some(left) => self.memory_left = left,
            None => {
                reached("memory_mib");
                let text = format!("it needs more memory than the limit `memory_mib` of {} MiB", self.limits.memory_mib);
                return Err(LimitReached(text).into());
            }
        }
        self.take(more).await?;
        Ok(true)
    }

    /// The machine refuses: a guest that saw it could act on it, and another run would not see it (E6).
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error.context(HostFault("the machine has no memory for it")))
    }

    async fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        match self.tables_left.checked_sub(more) {
            Some(left) => self.tables_left = left,
            None => {
                reached("table_elements");
                let limit = self.limits.table_elements;
                return Err(
                    LimitReached(format!("it needs tables of more elements than the limit `table_elements` of {limit}")).into()
                );
            }
        }
        self.take(more.saturating_mul(ELEMENT)).await?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error.context(HostFault("the machine has no memory for it")))
    }

    fn instances(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        self.instances()
    }

    fn memories(&self) -> usize {
        self.instances()
    }
}
