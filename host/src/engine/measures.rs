//! What a host is asked about itself: how much its instances have, what runs, what model calls cost, and which limits they met.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Engine, Occupancy, Spending, spending};
use crate::sandbox::{Held, limits_reached};

/// What a process does now, and what its limits did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Memory of all instances.
    pub memory: Held,
    /// Flows in memory.
    pub flows: Occupancy,
    /// Checkpoint bodies.
    pub bodies: Bodies,
    /// What model calls came to.
    pub models: Spending,
    /// The limits that were reached, by their keys, and how often.
    pub reached: Vec<(&'static str, u64)>,
}

/// Checkpoint bodies of a process: what `parallel` is about, whose excess waits and never fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    /// Those that have a place.
    pub running: usize,
    /// Those that wait for one: of the host, or of their execution.
    pub waiting: usize,
    /// Places of the host.
    pub limit: usize,
}

impl Engine {
    /// What this process does now. Limits and model calls are counted for the whole process, whichever engine met or made them.
    pub fn measures(&self) -> Measures {
        let bodies = Bodies {
            running: self.parallel.saturating_sub(self.bodies.available_permits()),
            waiting: self.waiting_bodies.load(Ordering::Relaxed),
            limit: self.parallel,
        };
        let memory = self.sandbox.ceiling().held();
        Measures { memory, flows: self.occupancy(), bodies, models: spending::so_far(), reached: limits_reached() }
    }
}

/// One that waits.
pub(super) struct Waiting(pub(super) Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
