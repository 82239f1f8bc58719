//! Calls of tools: the same pipeline, without codecs and streams.

use std::sync::Arc;

use serde_json::{Value, json};

use super::chain::Next;
use super::error::CallError;
use super::manual::ManualCall;
use super::middleware::{Draft, Execute};
use super::options::{Begun, CallOptions, Naming, begin};
use super::preflight;
use super::rewrite;
use super::scope::ScopeStack;
use super::span::{End, Input, Recorded, Span, sanitize};
use crate::event::Category;

/// A call of a tool that is to be made.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// The model's name for this call.
    pub tool_call_id: Option<String>,
    /// What any call can be given.
    pub options: CallOptions,
}

impl ToolCall {
    /// A call of the tool `name`.
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self { name: name.into(), arguments, tool_call_id: None, options: CallOptions::default() }
    }

    /// Makes the call: guardrails, request intercepts, start event, execution intercepts around `tool`, end event. The result is returned
    /// as it came.
    ///
    /// # Errors
    ///
    /// [`CallError`]. After the start event there is an end event too, even if the future is dropped.
    pub async fn run(self, stack: &ScopeStack, tool: Arc<dyn Execute<Value>>) -> Result<Value, CallError> {
        let begun = self.begin(stack);
        let Begun { call, chains, .. } = &begun;
        let checked = preflight::check(call, chains, &self.arguments, &self.described()).await;
        checked.inspect_err(|refused| preflight::mark_rejection(call, refused))?;
        let draft = Draft { request: self.arguments.clone(), annotated: None };
        let arguments = rewrite::run(call, &chains.request_intercepts, draft).await?.request;
        let span = self.record(&begun, arguments.clone()).await;
        let Begun { call, chains, .. } = begun;
        match Next::first(call, chains.execution_intercepts, tool).run(arguments).await {
            Ok(result) => {
                // There is no codec that could object.
                let _ = span.finish(&result, End::default()).await;
                Ok(result)
            }
            Err(failure) => {
                span.fail(failure.error_type());
                Err(CallError::Execution(failure))
            }
        }
    }

    /// Records the start of a call that somebody else makes. Only sanitisers run.
    pub async fn start(self, stack: &ScopeStack) -> ManualCall {
        let begun = self.begin(stack);
        ManualCall::new(self.record(&begun, self.arguments.clone()).await)
    }

    /// Only asks the guardrails, each in its scope. Nothing else is recorded.
    ///
    /// # Errors
    ///
    /// [`CallError::Rejected`], [`CallError::Middleware`], [`CallError::TimedOut`].
    pub async fn check(&self, stack: &ScopeStack) -> Result<(), CallError> {
        let Begun { call, chains, .. } = self.begin(stack);
        Ok(preflight::check(&call, &chains, &self.arguments, &self.described()).await?)
    }

    /// Only sends the arguments through the request intercepts: what the tool would get. Nothing is recorded.
    ///
    /// # Errors
    ///
    /// What the intercepts object to.
    pub async fn preview(self, stack: &ScopeStack) -> Result<Value, CallError> {
        let Begun { call, chains, .. } = self.begin(stack);
        let draft = Draft { request: self.arguments, annotated: None };
        rewrite::run(&call, &chains.request_intercepts, draft).await.map(|draft| draft.request)
    }

    fn begin(&self, stack: &ScopeStack) -> Begun<Value> {
        let naming = Naming {
            name: self.name.clone(),
            category: Category::Tool,
            model_name: None,
            tool_call_id: self.tool_call_id.clone(),
            codec: None,
            response_codec: None,
        };
        begin(stack, naming, &self.options, |registrations| &registrations.tool)
    }

    fn described(&self) -> Value {
        json!({ "kind": "tool_conditional_execution", "target_name": self.name })
    }

    async fn record(&self, begun: &Begun<Value>, arguments: Value) -> Span {
        let Begun { call, chains, .. } = begun;
        let Recorded { payload, omitted_by } = sanitize(call, &chains.request_sanitizers, arguments, true).await;
        let input = Input { data: payload.unwrap_or_default(), annotated: None, omitted_by };
        let sanitizers = Arc::clone(&chains.response_sanitizers);
        Span::begin(call, input, self.options.at, sanitizers, None, self.options.data.clone())
    }
}
