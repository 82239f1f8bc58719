//! One tracked call of a model, from its author's request to the answer with all records.
//!
//! Everything else of this crate is put together here: the rules of [`models`](crate::models), the protocols of [`codec`](crate::codec), the order
//! of the [`pipeline`](crate::pipeline), the [policies](crate::policy), [`retry`](crate::retry), the [`provider`](crate::provider), prices and
//! records. A [`Gateway`] is made once, from its [settings](GatewayConfig) and the [`Services`] of the program around it, and knows nothing of
//! flows or journals: a call is [planned](Gateway::plan), which asks nobody and gives the same plan every time, and then made.
//!
//! # The order
//!
//! 1. The model is told: the plan's, or the one that the environment's keys give when nothing is configured. The grant of the place is asked.
//! 2. Guardrails: `kitaru.models` (100), `kitaru.size` (200).
//! 3. Request intercepts: `kitaru.parameters` (100), `kitaru.limit` (1000).
//! 4. Sanitisers, for records alone: `kitaru.credentials` (100), `kitaru.redact` (200).
//! 5. Execution intercepts, the outermost first: `kitaru.schema` (50), `kitaru.mock` (100), `kitaru.cache` (200), `kitaru.retry` (400: finds the keys,
//!    repeats, turns to fallbacks), `kitaru.rates` (450: every attempt takes a turn of its model), `kitaru.budget` (500: every attempt sets aside what
//!    it can cost), and the provider.
//!
//! The numbers are priorities; middleware of one's own is registered in [`Gateway::pipeline`] before, between or after them.
//!
//! # What is recorded
//!
//! A [`CallRecord`] has all that is known: the events of the call, a usage record of each attempt that reached a provider (or of the script or the
//! cache in its place), the entry of `llm_calls`, the sanitised prompt and answer, and what governed the call. A credential is in none of it.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use kitaru_llm::gateway::{CallPlace, CallRequest, Gateway, GatewayConfig, Services};
//! use kitaru_llm::models::{CallNames, FrozenModels};
//! use kitaru_llm::policy::MockRule;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A gateway that answers from a script. Without `mocks`, and with a key in the environment, the provider answers.
//! let config = GatewayConfig { mocks: vec![MockRule::always("A fine outline.")], ..GatewayConfig::default() };
//! let gateway = Gateway::new(&config, Services::local(Arc::new(BTreeMap::new())))?;
//!
//! let mut names = CallNames::new();
//! let request = CallRequest::text("Outline a story.").with_model("openai/gpt-4o-mini");
//! let call = gateway.plan(request, names.next(Some("outline"))?, &FrozenModels::default())?;
//! let record = gateway.complete(call, CallPlace::anywhere()).await;
//!
//! assert_eq!(record.outcome?.text, "A fine outline.");
//! assert_eq!(record.events.len(), 2);
//! # Ok(())
//! # }
//! ```

#![expect(clippy::result_large_err, reason = "a failure is made once for a call, and a box would be in its reader's way")]

mod addresses;
mod answer;
mod attempts;
mod candidate;
mod config;
mod core;
mod effective;
mod failing;
mod failure;
mod manual;
mod outgoing;
mod place;
mod plan;
mod policies;
mod record;
mod replayed;
mod request;
mod send;
mod services;
mod session;
mod setup;
mod shown;
mod state;
mod stream;
mod structured;

pub use answer::{Answer, AnswerUsage};
pub use config::{
    AfterCrash, AnswerLimits, GatewayConfig, GatewaySetupError, PriceConfig, RedactConfig, RetryConfig, TimeoutConfig,
};
pub use failure::{CallFailure, FailureOrigin};
pub use manual::{ManualSpan, SpanEnd};
pub use place::{CallPlace, PlaceOfCheckpoint};
pub use plan::PlannedCall;
pub use policies::policies_digest;
pub use record::CallRecord;
pub use replayed::{replayed_events, replayed_usage};
pub use request::{CallRequest, MOST_REPAIRS};
pub use services::{Chance, NoSecrets, Services};
pub use shown::ShownText;
pub use stream::CallStream;

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use self::core::Core;
use self::effective::Gathered;
use self::outgoing::Outgoing;
use self::send::Provider;
use self::session::{Purpose, Session, unmade};
use self::state::credential_of;
use crate::models::{CallName, FrozenModels};
use crate::pipeline::Pipeline;
use crate::policy::middleware::CallContext;
use crate::provider::{Delivery, PreparedRequest};

/// Makes tracked calls. Cheap to clone; clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    pipeline: Pipeline,
    core: Arc<Core>,
}

impl Gateway {
    /// A gateway with these settings. `KITARU_LLM_MOCK_RESPONSE` and `KITARU_LLM_ESTIMATED_COSTS` are read now, for good.
    ///
    /// # Errors
    /// When a setting makes no sense; the error names its key.
    pub fn new(config: &GatewayConfig, services: Services) -> Result<Self, GatewaySetupError> {
        let pipeline = Pipeline::new(Arc::clone(&services.clock), Arc::clone(&services.ids));
        let core = Arc::new(setup::core(config, services)?);
        setup::register(config, &core, &pipeline)?;
        Ok(Self { inner: Arc::new(Inner { pipeline, core }) })
    }

    /// The pipeline that calls go through, to register middleware and subscribers of one's own.
    pub fn pipeline(&self) -> &Pipeline {
        &self.inner.pipeline
    }

    /// What tells middleware of one's own about the calls that go through the pipeline: model, alias, flow.
    pub fn context(&self) -> Arc<dyn CallContext> {
        Arc::new(state::Context)
    }

    /// What can be told of a call without asking anybody. The same request has the same plan every time.
    ///
    /// # Errors
    /// [`CallFailure::USAGE`] where the request or the configuration of the models is wrong.
    pub fn plan(&self, request: CallRequest, name: CallName, models: &FrozenModels) -> Result<PlannedCall, CallFailure> {
        PlannedCall::of(&self.inner.core, request, name, models)
    }

    /// Whether there are a model and a credential for the call. Nothing is sent.
    ///
    /// # Errors
    /// [`CallFailure::NOT_CONFIGURED`] or [`CallFailure::CREDENTIALS`], with what is missing.
    pub async fn is_ready(&self, call: &PlannedCall) -> Result<(), CallFailure> {
        let core = &self.inner.core;
        let (candidate, _) = call.target(core)?;
        if call.is_scripted(core, &candidate) {
            return Ok(());
        }
        let credential = credential_of(core, &candidate).await?;
        candidate.endpoint(credential.key).map(drop).map_err(|error| failing::of_endpoint(&error))
    }

    /// Makes the call. A call that asks for a stream is streamed to its end, so that its answer has the pieces in which it came.
    ///
    /// Whatever happens, there is a record. A future that is dropped gives none; the call's end event is recorded all the same, and what was
    /// set aside for it in budgets counts as spent.
    pub async fn complete(&self, call: PlannedCall, place: CallPlace) -> CallRecord {
        if call.request.stream {
            return match self.stream(call, place).await {
                Ok(stream) => stream.finish().await,
                Err(record) => *record,
            };
        }
        let (session, llm) = match Session::begin(&self.inner, call.clone(), place, Purpose::Whole).await {
            Ok(begun) => begun,
            Err((failure, selected)) => return unmade(&self.inner, &call, failure, selected, false),
        };
        let provider = Arc::new(Provider(Arc::clone(&self.inner.core)));
        let outcome = match llm.run(&session.stack, provider).await {
            Ok(raw) => session.answer(raw),
            Err(error) => Err(session.failure(&error)),
        };
        session.record(outcome).await
    }

    /// Makes the call and gives the answer in pieces, whether the request asks for that or not.
    ///
    /// # Errors
    /// The record of a call that failed before there was a stream.
    pub async fn stream(&self, call: PlannedCall, place: CallPlace) -> Result<CallStream, Box<CallRecord>> {
        let (session, llm) = Session::begin(&self.inner, call.clone(), place, Purpose::Stream)
            .await
            .map_err(|(failure, selected)| Box::new(unmade(&self.inner, &call, failure, selected, true)))?;
        let provider = Arc::new(Provider(Arc::clone(&self.inner.core)));
        let gathered = Box::new(Gathered::new(&session.state));
        match llm.stream(&session.stack, provider, Some(gathered)).await {
            Ok(stream) => Ok(CallStream::new(session, stream)),
            Err(error) => {
                let failure = session.failure(&error);
                Err(Box::new(session.record(Err(failure)).await))
            }
        }
    }

    /// Only asks whether the call may be made: the grant, and the guardrails, each in a scope of its own.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self, call: &PlannedCall, place: &CallPlace) -> Result<(), CallFailure> {
        let begun = Session::begin(&self.inner, call.clone(), place.clone(), Purpose::Look).await;
        let (session, llm) = begun.map_err(|(failure, _)| failure)?;
        llm.check(&session.stack).await.map_err(|error| session.failure(&error))
    }

    /// What would be sent: `api`, `model`, `url` (where that is known), `headers` without credentials, and `body`; of a request that is translated
    /// also `translated`, and its `body` is the translated one. Nothing is sent or recorded.
    ///
    /// # Errors
    /// What the intercepts object to, and what the provider's protocol cannot say.
    pub async fn preview(&self, call: &PlannedCall, place: &CallPlace) -> Result<Value, CallFailure> {
        let purpose = if call.request.stream { Purpose::Stream } else { Purpose::Look };
        let begun = Session::begin(&self.inner, call.clone(), place.clone(), purpose).await;
        let (session, llm) = begun.map_err(|(failure, _)| failure)?;
        let request = llm.preview(&session.stack).await.map_err(|error| session.failure(&error))?.without_credentials();
        let candidate = &session.state.first;
        let streams = candidate.api.protocol().decode(&request).is_ok_and(|chat| chat.stream == Some(true));
        let delivery = if streams { Delivery::Stream } else { Delivery::Whole };
        let endpoint = candidate.endpoint(None).ok();
        let outgoing = match &endpoint {
            Some(endpoint) => Some(Outgoing::of(endpoint, candidate, &request, delivery).await?),
            None => None,
        };
        let prepared = outgoing.as_ref().map(Outgoing::prepared);
        let body = prepared.and_then(|prepared| serde_json::from_slice(prepared.body()).ok());
        let mut preview = json!({
            "api": candidate.api,
            "model": candidate.model,
            "url": prepared.map(PreparedRequest::url),
            "headers": request.headers,
            "body": body.unwrap_or(request.content),
        });
        if let (Some(translation), Some(preview)) = (outgoing.as_ref().and_then(Outgoing::translation), preview.as_object_mut()) {
            preview.insert("translated".to_owned(), translation);
        }
        Ok(preview)
    }

    /// Records the start of a call that somebody else makes. Only sanitisers run: neither a grant nor a guardrail nor a budget is asked.
    pub async fn begin_span(&self, call: PlannedCall, place: CallPlace) -> ManualSpan {
        let (session, llm) = match Session::begin(&self.inner, call.clone(), place, Purpose::Manual).await {
            Ok(begun) => begun,
            Err((failure, selected)) => return ManualSpan::refused(unmade(&self.inner, &call, failure, selected, false)),
        };
        let started = self.inner.core.services.clock.now();
        let manual = llm.start(&session.stack, None).await;
        ManualSpan::new(session, manual, started)
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("transport", &self.inner.core.transport).finish_non_exhaustive()
    }
}
