//! Calls of models.

use std::sync::Arc;

use serde_json::{Value, json};

use super::chain::Next;
use super::error::CallError;
use super::manual::ManualCall;
use super::middleware::{Chunks, Collector, Execute};
use super::options::{Begun, CallOptions, Naming, begin};
use super::preflight;
use super::registry::merge;
use super::rewrite;
use super::scope::ScopeStack;
use super::span::{End, Span, record_request, sanitize};
use super::stream::LlmStream;
use crate::chat::{ChatRequest, RawRequest};
use crate::codec::{Codec, Protocol, ResponseCodec, StreamCodec};
use crate::event::{Attributes, Category};

/// A call of a model that is to be made.
///
/// ```
/// # use std::sync::Arc;
/// # use kitaru_llm::chat::RawRequest;
/// # use kitaru_llm::pipeline::{FromFn, LlmCall, Pipeline};
/// # use serde_json::json;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let pipeline = Pipeline::default();
/// let stack = pipeline.stack();
/// let model = Arc::new(FromFn(|_: RawRequest| async { Ok(json!({ "text": "hello" })) }));
/// let call = LlmCall::new("example", RawRequest::new(json!({ "prompt": "hi" })));
/// assert_eq!(call.run(&stack, model).await?, json!({ "text": "hello" }));
/// # Ok::<(), kitaru_llm::pipeline::CallError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LlmCall {
    /// The caller's name for the call, such as the provider's name.
    pub name: String,
    /// The request.
    pub request: RawRequest,
    /// What any call can be given.
    pub options: CallOptions,
    /// The model, after aliases are resolved.
    pub model_name: Option<String>,
    /// Annotates the request, for intercepts and in the start event.
    pub codec: Option<Arc<dyn Codec>>,
    /// Annotates the response in the end event.
    pub response_codec: Option<Arc<dyn ResponseCodec>>,
    /// Puts chunks together and sums them up in marks.
    pub stream_codec: Option<Arc<dyn StreamCodec>>,
    /// Whether each chunk of a stream is recorded as a mark `llm.chunk`.
    pub chunk_marks: bool,
}

impl LlmCall {
    /// A call without codecs.
    pub fn new(name: impl Into<String>, request: RawRequest) -> Self {
        Self {
            name: name.into(),
            request,
            options: CallOptions::default(),
            model_name: None,
            codec: None,
            response_codec: None,
            stream_codec: None,
            chunk_marks: true,
        }
    }

    /// With all codecs of a protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Arc<dyn Protocol>) -> Self {
        self.codec = Some(Arc::clone(&protocol) as Arc<dyn Codec>);
        self.response_codec = Some(Arc::clone(&protocol) as Arc<dyn ResponseCodec>);
        self.stream_codec = Some(protocol);
        self
    }

    /// Makes the call: guardrails, request intercepts, start event, execution intercepts around `model`, end event. The response is
    /// returned as it came.
    ///
    /// # Errors
    ///
    /// [`CallError`]. After the start event there is an end event too, even if the future is dropped.
    pub async fn run(self, stack: &ScopeStack, model: Arc<dyn Execute<RawRequest>>) -> Result<Value, CallError> {
        let begun = self.begin(stack);
        let (request, span) = self.before(&begun).await?;
        let Begun { call, chains, .. } = begun;
        match Next::first(call, chains.execution_intercepts, model).run(request).await {
            Ok(response) => {
                // A response that its codec does not know is the caller's all the same.
                let _ = span.finish(&response, End::default()).await;
                Ok(response)
            }
            Err(failure) => {
                span.fail(failure.error_type());
                Err(CallError::Execution(failure))
            }
        }
    }

    /// Makes the call and returns the response in chunks. `collector` puts them together for the end event; without one the stream codec
    /// does, and without that the end event has no output.
    ///
    /// # Errors
    ///
    /// [`CallError`], for all that goes wrong before there is a stream.
    pub async fn stream(
        mut self,
        stack: &ScopeStack,
        model: Arc<dyn Execute<RawRequest, Chunks>>,
        collector: Option<Box<dyn Collector>>,
    ) -> Result<LlmStream, CallError> {
        let attributes = std::mem::take(&mut self.options.attributes);
        self.options.attributes = attributes.with(Attributes::STREAMING);
        let begun = self.begin(stack);
        let (request, span) = self.before(&begun).await?;
        let intercepts = merge(begun.owners.iter().map(|owner| &owner.llm_stream_intercepts));
        match Next::first(begun.call, intercepts, model).run(request).await {
            Ok(chunks) => Ok(LlmStream::new(span, chunks, collector, self.stream_codec, self.chunk_marks)),
            Err(failure) => {
                span.fail(failure.error_type());
                Err(CallError::Execution(failure))
            }
        }
    }

    /// Records the start of a call that somebody else makes. Only sanitisers run. `annotated` is the request as the caller understands it;
    /// it is recorded if no sanitiser changes the request.
    pub async fn start(self, stack: &ScopeStack, annotated: Option<ChatRequest>) -> ManualCall {
        let begun = self.begin(stack);
        let annotated = annotated.or_else(|| self.codec.as_ref().and_then(|codec| codec.decode(&self.request).ok()));
        ManualCall::new(self.record(&begun, &self.request, annotated).await)
    }

    /// Only asks the guardrails, each in its scope. Nothing else is recorded.
    ///
    /// # Errors
    ///
    /// [`CallError::Rejected`], [`CallError::Middleware`], [`CallError::TimedOut`].
    pub async fn check(&self, stack: &ScopeStack) -> Result<(), CallError> {
        let Begun { call, chains, .. } = self.begin(stack);
        Ok(preflight::check(&call, &chains, &self.request, &described()).await?)
    }

    /// Only sends the request through the request intercepts: what would be sent. Nothing is recorded.
    ///
    /// # Errors
    ///
    /// What the intercepts or the codec object to.
    pub async fn preview(self, stack: &ScopeStack) -> Result<RawRequest, CallError> {
        let Begun { call, chains, .. } = self.begin(stack);
        rewrite::run_llm(&call, &chains.request_intercepts, self.codec.as_ref(), self.request).await.map(|(request, _)| request)
    }

    /// Only sends the request through the request sanitisers: what a record may show of it, without credentials. None where one leaves it out
    /// or fails. Nothing is recorded.
    pub async fn sanitized(&self, stack: &ScopeStack) -> Option<RawRequest> {
        let Begun { call, chains, .. } = self.begin(stack);
        let sanitized = sanitize(&call, &chains.request_sanitizers, self.request.without_credentials(), true).await;
        sanitized.payload.map(|payload| payload.without_credentials())
    }

    fn begin(&self, stack: &ScopeStack) -> Begun<RawRequest> {
        let naming = Naming {
            name: self.name.clone(),
            category: Category::Llm,
            model_name: self.model_name.clone(),
            tool_call_id: None,
            codec: self.codec.clone(),
            response_codec: self.response_codec.clone(),
        };
        begin(stack, naming, &self.options, |registrations| &registrations.llm)
    }

    /// Everything up to the start event: the request that is to be sent, and the span that is open.
    async fn before(&self, begun: &Begun<RawRequest>) -> Result<(RawRequest, Span), CallError> {
        let Begun { call, chains, .. } = begun;
        let checked = preflight::check(call, chains, &self.request, &described()).await;
        checked.inspect_err(|refused| preflight::mark_rejection(call, refused))?;
        let (request, annotated) =
            rewrite::run_llm(call, &chains.request_intercepts, self.codec.as_ref(), self.request.clone()).await?;
        let span = self.record(begun, &request, annotated).await;
        Ok((request, span))
    }

    async fn record(&self, begun: &Begun<RawRequest>, request: &RawRequest, annotated: Option<ChatRequest>) -> Span {
        let Begun { call, chains, .. } = begun;
        let input = record_request(call, &chains.request_sanitizers, self.codec.as_ref(), request, annotated).await;
        let sanitizers = Arc::clone(&chains.response_sanitizers);
        Span::begin(call, input, self.options.at, sanitizers, self.response_codec.clone(), self.options.data.clone())
    }
}

fn described() -> Value {
    json!({ "kind": "llm_conditional_execution" })
}
