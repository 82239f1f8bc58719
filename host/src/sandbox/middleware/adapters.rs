//! A component in the pipeline's places. Calls that are not its business go past it untouched.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kitaru_llm::chat::RawRequest;
use kitaru_llm::gateway::{CallFailure, FailureOrigin};
use kitaru_llm::pipeline::{
    CallInfo, Cause, Chunks, Draft, ExecutionIntercept, Failure, Guardrail, Next, RequestIntercept, Sanitizer, Verdict,
};
use kitaru_llm::policy::middleware::{CallContext, CallFacts};
use serde_json::Value;

use super::answers::{NextCalls, kind};
use super::bindings::kitaru::llm_middleware::types;
use super::component::MiddlewareComponent;
use super::error::{MiddlewareError, MiddlewareProblem};
use super::manifest::Surface;
use super::one_use::{MiddlewarePort, OneUse};
use super::texts::{ShownAnnotation, ShownRequest, json, read_annotation, short};

/// A component that stands in a pipeline.
pub(super) struct Placed {
    pub(super) component: MiddlewareComponent,
    /// Knows the calls.
    pub(super) context: Arc<dyn CallContext>,
}

impl Placed {
    /// The call as the component is told of it; none if it is not its business.
    fn told(&self, call: &CallInfo) -> Option<types::Call> {
        let CallFacts { resolved_model, alias, flow, .. } = self.context.facts(call);
        let model = if resolved_model.is_empty() { call.model_name.clone().unwrap_or_default() } else { resolved_model };
        self.component.is_for(flow.as_deref()).then(|| types::Call {
            name: call.name.clone(),
            model,
            alias,
            flow,
            metadata: call.metadata.to_string(),
            config: self.component.config().to_owned(),
        })
    }

    async fn begin(&self, call: &Arc<CallInfo>, next: Option<NextCalls>) -> Result<OneUse, MiddlewareProblem> {
        // The pipeline interrupts it sooner. Where nothing can be awaited, this is the limit.
        let time = self.component.timeout().saturating_mul(2).saturating_add(Duration::from_millis(100));
        self.component.begin(MiddlewarePort { call: Some(call.clone()), next }, time).await
    }

    fn error(&self, surface: Surface) -> impl Fn(MiddlewareProblem) -> MiddlewareError + '_ {
        move |problem| self.component.error(surface, problem)
    }

    async fn checked(
        &self,
        call: &Arc<CallInfo>,
        told: &types::Call,
        request: &RawRequest,
    ) -> Result<Verdict, MiddlewareProblem> {
        let shown = ShownRequest::new(request.clone());
        let mut one = self.begin(call, None).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_check(store, told, &shown.text).await;
        match one.end(said)?.0.map_err(said_itself)? {
            None => Ok(Verdict::Allow),
            Some(reason) => Ok(Verdict::Reject { reason: short(reason) }),
        }
    }

    async fn rewritten(
        &self,
        call: &Arc<CallInfo>,
        told: &types::Call,
        draft: Draft<RawRequest>,
    ) -> Result<Draft<RawRequest>, MiddlewareProblem> {
        let Draft { request, annotated } = draft;
        let shown = ShownRequest::new(request);
        let annotated = annotated.map(ShownAnnotation::new).transpose().map_err(MiddlewareProblem::Host)?;
        let mut one = self.begin(call, None).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_rewrite(store, told, &shown.text, annotated.as_ref().map(|shown| &shown.text)).await;
        let types::Outcome { request, annotated: returned } = one.end(said)?.0.map_err(said_itself)?;
        let limits = self.component.limits();
        let request = shown.read(request, &limits).map_err(MiddlewareProblem::Answer)?;
        let annotated = read_annotation(annotated, returned, &limits).map_err(MiddlewareProblem::Answer)?;
        Ok(Draft { request, annotated })
    }

    async fn sanitized_request(
        &self,
        call: &Arc<CallInfo>,
        told: &types::Call,
        request: RawRequest,
    ) -> Result<Option<RawRequest>, MiddlewareProblem> {
        let shown = ShownRequest::new(request);
        let mut one = self.begin(call, None).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_sanitize_request(store, told, &shown.text).await;
        let returned = one.end(said)?.0.map_err(said_itself)?;
        let read = |request| shown.read(request, &self.component.limits()).map_err(MiddlewareProblem::Answer);
        returned.map(read).transpose()
    }

    async fn sanitized_response(
        &self,
        call: &Arc<CallInfo>,
        told: &types::Call,
        response: Value,
    ) -> Result<Option<Value>, MiddlewareProblem> {
        let shown = response.to_string();
        let mut one = self.begin(call, None).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_sanitize_response(store, told, &shown).await;
        let Some(returned) = one.end(said)?.0.map_err(said_itself)? else { return Ok(None) };
        if returned == shown {
            return Ok(Some(response));
        }
        let fits = self.component.limits().check_value("the response", returned.len());
        fits.map_err(|over| MiddlewareProblem::Answer(over.message))?;
        json("the response", &returned).map(Some).map_err(MiddlewareProblem::Answer)
    }

    async fn executed(
        &self,
        call: &Arc<CallInfo>,
        told: &types::Call,
        request: RawRequest,
        next: Next<RawRequest>,
    ) -> Result<Result<Value, Failure>, MiddlewareProblem> {
        let shown = ShownRequest::new(request);
        let text = shown.text.clone();
        let mut one = self.begin(call, Some(NextCalls::new(next, shown))).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_execute(store, told, &text).await;
        let (returned, port) = one.end(said)?;
        let next = port.next.ok_or_else(|| MiddlewareProblem::Host("what comes next is lost".into()))?;
        let failure = match returned {
            Ok(text) => {
                return next.response(&text, &self.component.limits()).map(Ok).map_err(MiddlewareProblem::Answer);
            }
            Err(failure) => failure,
        };
        Ok(Err(next.failure(&failure).unwrap_or_else(|| {
            let error = self.component.error(Surface::Execute, said_itself(failure.message));
            Failure::of_middleware(kind(failure.kind), error)
        })))
    }
}

fn said_itself(message: String) -> MiddlewareProblem {
    MiddlewareProblem::Said(short(message))
}

#[async_trait]
impl Guardrail<RawRequest> for Placed {
    async fn check(&self, call: &Arc<CallInfo>, request: &RawRequest) -> Result<Verdict, Cause> {
        let Some(told) = self.told(call) else { return Ok(Verdict::Allow) };
        Ok(self.checked(call, &told, request).await.map_err(self.error(Surface::Check))?)
    }
}

#[async_trait]
impl RequestIntercept<RawRequest> for Placed {
    async fn rewrite(&self, call: &Arc<CallInfo>, draft: Draft<RawRequest>) -> Result<Draft<RawRequest>, Cause> {
        let Some(told) = self.told(call) else { return Ok(draft) };
        Ok(self.rewritten(call, &told, draft).await.map_err(self.error(Surface::Rewrite))?)
    }
}

#[async_trait]
impl Sanitizer<RawRequest> for Placed {
    async fn sanitize(&self, call: &Arc<CallInfo>, request: RawRequest) -> Result<Option<RawRequest>, Cause> {
        let Some(told) = self.told(call) else { return Ok(Some(request)) };
        Ok(self.sanitized_request(call, &told, request).await.map_err(self.error(Surface::SanitizeRequest))?)
    }
}

/// What it would leave of a reason, nobody can ask it: where it is to keep something out of the record, reasons are left out.
#[async_trait]
impl Sanitizer<String> for Placed {
    async fn sanitize(&self, call: &Arc<CallInfo>, reason: String) -> Result<Option<String>, Cause> {
        Ok(Some(reason).filter(|_| self.told(call).is_none()))
    }
}

#[async_trait]
impl Sanitizer<Value> for Placed {
    async fn sanitize(&self, call: &Arc<CallInfo>, response: Value) -> Result<Option<Value>, Cause> {
        let Some(told) = self.told(call) else { return Ok(Some(response)) };
        Ok(self.sanitized_response(call, &told, response).await.map_err(self.error(Surface::SanitizeResponse))?)
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Placed {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let Some(told) = self.told(call) else { return next.run(request).await };
        let executed = self.executed(call, &told, request, next).await;
        let failed = |problem| Failure::of_middleware("middleware", self.component.error(Surface::Execute, problem));
        executed.unwrap_or_else(|problem| Err(failed(problem)))
    }
}

/// In the place of middleware that wraps executions, where a response is streamed: nothing is to go past it.
pub(super) struct NoStreams(pub(super) Placed);

#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for NoStreams {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        if self.0.told(call).is_none() {
            return next.run(request).await;
        }
        let problem =
            MiddlewareProblem::Said("it wraps whole responses only, and refuses calls whose response is streamed".into());
        let error = self.0.component.error(Surface::Execute, problem).to_string();
        // It is the author's to know, and no fault of a provider's.
        let told = CallFailure::new(CallFailure::GUARDRAIL_REJECTED, FailureOrigin::Runtime, error)
            .with_hint(Some("ask for the whole response, or let streams past it: streams = \"pass\" in its [[llm.middleware]]"));
        Err(Failure::new("middleware", told))
    }
}
