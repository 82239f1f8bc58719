//! What all calls of a gateway share, beside the pipeline.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::services::Services;
use crate::clock::Clock;
use crate::models::OnMissing;
use crate::policy::{MockScript, ModelAllowList, ParameterRules, Redactor, SizeLimits};
use crate::price::Pricing;
use crate::provider::Transport;
use crate::retry::{Pace, RetryPolicy};

use super::services::Chance;

/// What all calls of a gateway share, beside the pipeline. Its middleware has it too.
pub(super) struct Core {
    pub(super) services: Services,
    pub(super) transport: Transport,
    pub(super) retry: RetryPolicy,
    pub(super) pricing: Arc<Pricing>,
    pub(super) allow: Option<ModelAllowList>,
    pub(super) size: SizeLimits,
    pub(super) parameters: ParameterRules,
    pub(super) redactor: Redactor,
    pub(super) mocks: Arc<MockScript>,
    pub(super) on_missing: OnMissing,
    pub(super) chunk_marks: bool,
}

impl Core {
    pub(super) fn pace(&self) -> HostPace {
        HostPace { clock: Arc::clone(&self.services.clock), chance: Arc::clone(&self.services.chance) }
    }
}

/// Time and chance of the program around the gateway.
pub(super) struct HostPace {
    clock: Arc<dyn Clock>,
    chance: Chance,
}

#[async_trait]
impl Pace for HostPace {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.clock.now().as_nanos()).unwrap_or_default()
    }

    fn fraction(&self) -> f64 {
        (self.chance)()
    }
}
