//! What one attempt of a checkpoint call came to.

use kitaru_llm::gateway::PlannedCall;

use super::seats::Needs;
use crate::journal::Failure;

/// What an attempt came to.
pub(super) struct Attempted {
    pub(super) outcome: Result<String, Failure>,
    /// What it logged about itself.
    pub(super) metadata: Option<String>,
    /// The model's call that nobody could make.
    pub(super) missing: Option<PlannedCall>,
    /// It asked a model, or was about to: somebody saw that, and may charge for it.
    pub(super) has_asked: bool,
    /// It was put off for others that waited for memory, and needs so much.
    pub(super) put_off: Option<Needs>,
}
