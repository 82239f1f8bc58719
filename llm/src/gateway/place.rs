//! Where a call is made.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::models::SelectedModel;
use crate::price::NanoUsd;
use crate::usage::UsageRecord;

/// The checkpoint around a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceOfCheckpoint {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Where a call is made, and what it may do there.
#[derive(Clone)]
pub struct CallPlace {
    /// The execution.
    pub execution: Option<String>,
    /// The execution at the top of its tree: the one that started it, or that started the one that did, and so on. None where it was started by no other.
    pub root: Option<String>,
    /// The flow of the execution.
    pub flow: Option<String>,
    /// The checkpoint around the call; for a call that is durable by itself that is the call.
    pub checkpoint: Option<PlaceOfCheckpoint>,
    /// The number of the attempt of what is around the call, from 1. Usage records of different attempts are different records.
    pub attempt: u32,
    /// The scope around the call in events.
    pub parent: Option<Uuid>,
    /// The call's identifier in events; none for a fresh one. Whoever makes a call again may give the one that it had.
    pub uuid: Option<Uuid>,
    /// The most that the execution may spend, where it has a budget of its own, and the most that its tree may spend together; a budget of the
    /// settings that is lower counts too.
    pub budget: Option<NanoUsd>,
    /// Whether a model may be called here: the grant. Asked for the model and for each fallback.
    pub allowed: Arc<dyn Fn(&SelectedModel) -> bool + Send + Sync>,
}

impl CallPlace {
    /// Nowhere in particular: no execution, and every model may be called.
    pub fn anywhere() -> Self {
        Self {
            execution: None,
            root: None,
            flow: None,
            checkpoint: None,
            attempt: 1,
            parent: None,
            uuid: None,
            budget: None,
            allowed: Arc::new(|_| true),
        }
    }

    /// A usage record of attempt number `attempt` within a call that is made here. Whoever gives a call that is made again the event that it had gets
    /// other records all the same.
    pub(super) fn record(&self, mut record: UsageRecord, attempt: u32) -> UsageRecord {
        if let (true, Some(event)) = (self.attempt > 1, &record.event_id) {
            let again = format!("{event}@{}", self.attempt);
            record.record_id = if attempt > 1 { format!("{again}::{attempt}") } else { again };
        }
        if let Some(checkpoint) = &self.checkpoint {
            record.checkpoint_id = Some(checkpoint.id.clone());
            record.checkpoint_name = Some(checkpoint.name.clone());
        }
        record
    }
}

impl Default for CallPlace {
    fn default() -> Self {
        Self::anywhere()
    }
}

impl fmt::Debug for CallPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPlace")
            .field("execution", &self.execution)
            .field("root", &self.root)
            .field("flow", &self.flow)
            .field("checkpoint", &self.checkpoint)
            .field("attempt", &self.attempt)
            .field("parent", &self.parent)
            .field("uuid", &self.uuid)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
