//! What a host is asked about itself: how much its instances have, and which limits they met.

use super::{Engine, Occupancy};
use crate::sandbox::{Held, limits_reached};

/// What a process does now, and what its limits did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Memory of all instances.
    pub memory: Held,
    /// Flows in memory.
    pub flows: Occupancy,
    /// The limits that were reached, by their keys, and how often.
    pub reached: Vec<(&'static str, u64)>,
}

impl Engine {
    /// What this process does now. Limits are counted for the whole process, whichever engine met them.
    pub fn measures(&self) -> Measures {
        Measures { memory: self.sandbox.ceiling().held(), flows: self.occupancy(), reached: limits_reached() }
    }
}
