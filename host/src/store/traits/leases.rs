//! Who runs what (E12), and how one process learns what another did.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Appending, NewExecution};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// The right to drive one execution. Every append is checked against its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which execution.
    pub execution: ExecutionId,
    /// The fencing epoch: greater than that of every earlier lease of the execution.
    pub epoch: u64,
    /// Whether its last holder never gave it back: it died in the middle, and what it had to do is still to be done.
    pub inherited: bool,
}

/// Leases. An embedded store proves a runner dead at once (its operating-system lock is free); nobody waits for a lease to run out.
#[async_trait]
pub trait Leases {
    /// Takes the lease of an execution that no live runner holds.
    ///
    /// # Errors
    /// [`StoreError::Owned`] when a live runner (of this process or another) holds it.
    async fn claim(&self, execution: ExecutionId) -> Result<Lease, StoreError>;
    /// Creates an execution and takes its lease in one step, which is written before all steps under the lease, as soon as somebody waits for
    /// one of them. Nobody else may be told of the execution before it is.
    ///
    /// # Errors
    /// Those of [`Executions::create`](super::Executions::create) are in the answer; then every step under the lease fails too.
    async fn begin(&self, execution: NewExecution) -> Result<(Lease, Appending), StoreError>;
    /// Gives the lease back. A lease that was lost is given back without complaint.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
    /// The lease was given back by [`Append::gives_back`](super::Append::gives_back): this store drives the execution no more.
    fn was_given_back(&self, lease: &Lease);
    /// Gives the lease back after a drive that was cut off: an execution that waits then counts as running with no runner, because nobody
    /// knows what it had to do besides what it waits for.
    async fn abandon(&self, lease: &Lease) -> Result<(), StoreError>;
}

/// What is told of runners that die.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deaths {
    /// Grows when a runner has died; also for one of which nobody knew.
    pub count: u64,
    /// Whether the next death will be told. Where it will not, whoever needs to know has to look.
    pub are_told: bool,
}

/// Wake-ups across tasks and processes. A wake-up carries no news: whoever is woken looks at the store. None is lost: whoever watches first and
/// then looks at the store sees what was there, or is woken for it.
#[async_trait]
pub trait Wakeups {
    /// A receiver that changes whenever the execution was woken since. Spurious wake-ups happen.
    async fn watch(&self, execution: ExecutionId) -> Result<watch::Receiver<u64>, StoreError>;
    /// A receiver that changes whenever any execution was woken since, here or elsewhere: created, answered, asked to end, let go of, or
    /// anything else for which somebody woke it. One that is begun with its lease is woken first when that is given back.
    async fn watch_all(&self) -> Result<watch::Receiver<u64>, StoreError>;
    /// A receiver that changes whenever a runner has died since, and when it is another matter than before whether that will be told.
    async fn watch_deaths(&self) -> Result<watch::Receiver<Deaths>, StoreError>;
    /// Wakes everybody who watches the execution, in this process and others.
    async fn wake(&self, execution: ExecutionId) -> Result<(), StoreError>;
    /// A folder in which processes leave each other what happens while it happens, and is kept nowhere. It need not be there.
    fn relays(&self) -> PathBuf;
}
