//! What is changed: parameters of requests, and texts in records.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{CallContext, decode, encode};
use crate::chat::RawRequest;
use crate::pipeline::{CallInfo, Cause, Draft, RequestIntercept, Sanitizer};
use crate::policy::{ParameterRules, Redactor};

/// Applies parameter rules to requests, by their annotation where there is one.
pub struct RewrittenParameters {
    /// The rules.
    pub rules: ParameterRules,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
}

#[async_trait]
impl RequestIntercept<RawRequest> for RewrittenParameters {
    async fn rewrite(&self, call: &Arc<CallInfo>, draft: Draft<RawRequest>) -> Result<Draft<RawRequest>, Cause> {
        let facts = self.context.facts(call);
        let Draft { request, annotated } = draft;
        match annotated {
            Some(annotated) => {
                let annotated = self.rules.apply(&facts.resolved_model, annotated)?;
                Ok(Draft { request, annotated: Some(annotated) })
            }
            None => {
                let changed = self.rules.apply(&facts.resolved_model, decode(call, &request)?)?;
                Ok(Draft { request: encode(call, &changed, &request)?, annotated: None })
            }
        }
    }
}

/// Takes out of records what nobody is to read. What is sent and answered stays as it is.
pub struct RedactedRecords {
    /// What it finds.
    pub redactor: Redactor,
}

#[async_trait]
impl Sanitizer<RawRequest> for RedactedRecords {
    async fn sanitize(&self, _: &Arc<CallInfo>, request: RawRequest) -> Result<Option<RawRequest>, Cause> {
        let headers: Map<String, Value> =
            request.headers.into_iter().map(|(name, value)| (name, self.redactor.json(value))).collect();
        Ok(Some(RawRequest { headers, content: self.redactor.json(request.content) }))
    }
}

#[async_trait]
impl Sanitizer<String> for RedactedRecords {
    async fn sanitize(&self, _: &Arc<CallInfo>, reason: String) -> Result<Option<String>, Cause> {
        Ok(Some(self.redactor.text(&reason).into_owned()))
    }
}

#[async_trait]
impl Sanitizer<Value> for RedactedRecords {
    async fn sanitize(&self, _: &Arc<CallInfo>, payload: Value) -> Result<Option<Value>, Cause> {
        Ok(Some(self.redactor.json(payload)))
    }
}
