//! Guardrails: which models, and how large a request.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CallContext, decode};
use crate::chat::RawRequest;
use crate::pipeline::{CallInfo, Cause, Guardrail, Verdict};
use crate::policy::{ModelAllowList, ParameterRules, SizeLimits};

/// Refuses calls of models that are not allowed.
pub struct AllowedModels {
    /// The list.
    pub list: ModelAllowList,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
}

#[async_trait]
impl Guardrail<RawRequest> for AllowedModels {
    async fn check(&self, call: &Arc<CallInfo>, _: &RawRequest) -> Result<Verdict, Cause> {
        Ok(verdict(self.list.check(&self.context.facts(call).resolved_model)))
    }
}

/// Refuses requests that are too large.
pub struct WithinSize {
    /// The limits.
    pub limits: SizeLimits,
    /// What will change the request's parameters before it is sent: they may set the limit of an answer that the call does not.
    pub parameters: ParameterRules,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
}

#[async_trait]
impl Guardrail<RawRequest> for WithinSize {
    async fn check(&self, call: &Arc<CallInfo>, request: &RawRequest) -> Result<Verdict, Cause> {
        let decoded = self.parameters.apply(&self.context.facts(call).resolved_model, decode(call, request)?)?;
        Ok(verdict(self.limits.check(request, &decoded)))
    }
}

fn verdict<E: std::fmt::Display>(checked: Result<(), E>) -> Verdict {
    match checked {
        Ok(()) => Verdict::Allow,
        Err(refused) => Verdict::Reject { reason: refused.to_string() },
    }
}
