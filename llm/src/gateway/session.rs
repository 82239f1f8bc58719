//! One call from its beginning to its record.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::Inner;
use super::answer::{Answer, AnswerUsage};
use super::candidate::Candidate;
use super::failing;
use super::failure::{CallFailure, FailureOrigin};
use super::place::CallPlace;
use super::plan::PlannedCall;
use super::policies;
use super::record::CallRecord;
use super::setup::BUILT_IN_SANITIZERS;
use super::state::{CallState, Sum};
use super::structured::{Schema, unfenced};
use crate::chat::{ChatResponse, RawRequest};
use crate::clock::Timestamp;
use crate::codec::{Api, ResponseCodec as _};
use crate::event::{Category, Event, Profile};
use crate::models::SelectedModel;
use crate::mutex::lock;
use crate::pipeline::{CallError, CallOptions, LlmCall, ScopeStack};
use crate::policy::Redactor;
use crate::price::Pricing;
use crate::provider::Secret;
use crate::usage::CallEntry;

/// The events of one call.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    fn events(&self) -> Vec<Event> {
        lock(&self.0).clone()
    }
}

/// One call that has begun.
pub(super) struct Session {
    inner: Arc<Inner>,
    pub(super) call: PlannedCall,
    pub(super) state: Arc<CallState>,
    pub(super) stack: ScopeStack,
    log: Log,
    policies: Value,
    started_at: Timestamp,
}

/// For what a call is begun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be made, and answered in one piece.
    Whole,
    /// To be made, and answered in pieces.
    Stream,
    /// To be looked at. Nobody needs to be able to answer it.
    Look,
    /// To be recorded: somebody else makes it.
    Manual,
}

impl Session {
    /// Settles who may be asked what. Nothing is recorded or sent yet.
    ///
    /// # Errors
    /// Why the call cannot be made, and the model that it was to call where that could be told.
    pub(super) async fn begin(
        inner: &Arc<Inner>,
        call: PlannedCall,
        place: CallPlace,
        purpose: Purpose,
    ) -> Result<(Self, LlmCall), (CallFailure, Option<SelectedModel>)> {
        let core = &inner.core;
        let started_at = core.services.clock.now();
        let stack = inner.pipeline.stack();
        let streaming = purpose == Purpose::Stream;
        let policies = policies::snapshot(&inner.pipeline, streaming);
        let (first, limit) = call.target(core).map_err(|failure| (failure, None))?;
        let told = |failure: CallFailure| (failure, Some(first.selected.clone()));
        if purpose != Purpose::Manual && !(place.allowed)(&first.selected) {
            return Err(told(not_granted(&first.selected)));
        }
        if matches!(purpose, Purpose::Whole | Purpose::Stream)
            && let Some(failure) = first.unsupported()
            && !call.is_scripted(core, &first)
        {
            return Err(told(failure));
        }
        let raw = call.raw(&first, limit, streaming).map_err(told)?;
        let (fallbacks, refused) = fallbacks(inner, &call, &place);
        let environment = core.services.environment.as_ref();
        let known = std::iter::once(&first).chain(&fallbacks).filter_map(|candidate| candidate.provider);
        let keys =
            known.flat_map(|provider| provider.keys).filter_map(|key| environment.variable(key)).map(Secret::new).collect();
        let candidates = (first.clone(), fallbacks);
        let repairs = call.request.repairs;
        let hooks = &inner.pipeline.registrations().llm;
        let only_built_in = are_built_in(&hooks.request_sanitizers.names());
        let schema = call.schema.clone();
        let state = Arc::new(CallState::new(call.name.clone(), place, candidates, schema, repairs, keys, only_built_in));
        // Of a look nothing is recorded but the guardrails' reasons.
        if purpose != Purpose::Look || !hooks.guardrails.names().is_empty() {
            state.learn_keys(core).await;
        }
        let log = Log::default();
        let metadata = metadata(inner, &call, &state, &refused);
        let llm = llm_call(inner, &state, raw, &log, metadata);
        Ok((Self { inner: Arc::clone(inner), call, state, stack, log, policies, started_at }, llm))
    }

    /// The answer that a provider's document is.
    ///
    /// # Errors
    /// When it is no answer, or does not fit the schema.
    pub(super) fn answer(&self, raw: Value) -> Result<Answer, CallFailure> {
        let read = self.state.effective().decode_response(&raw);
        let read = read.map_err(|error| failing::of_codec(&error, self.model()))?;
        self.answer_of(read, Some(raw))
    }

    pub(super) fn answer_of(&self, read: ChatResponse, raw: Option<Value>) -> Result<Answer, CallFailure> {
        if read.message.is_none() && read.tool_calls.is_empty() {
            let reason = read.finish_reason.as_ref().and_then(|reason| serde_json::to_value(reason).ok());
            let reason = reason.map(|reason| format!(" (it stopped because of {reason})")).unwrap_or_default();
            let message = format!("`{}` answered with neither text nor tool calls{reason}", self.model());
            return Err(CallFailure::new(CallFailure::PROVIDER, FailureOrigin::Runtime, message).with_hint(Some(
                "an answer that is something else is to be asked for by the provider's own SDK, in a checkpoint",
            )));
        }
        let text = read.text();
        let value = match &self.call.schema {
            Some(schema) if read.tool_calls.is_empty() => {
                Some(schema.read(&text).map_err(|complaint| Schema::failure(&complaint, 0))?)
            }
            _ => None,
        };
        let Sum { tokens, cost, cached, .. } = self.state.sum();
        let message = read.to_message();
        let model = read.model.or_else(|| Some(self.state.current().model.clone()));
        Ok(Answer {
            text,
            message,
            tool_calls: read.tool_calls,
            finish_reason: read.finish_reason,
            model,
            usage: AnswerUsage::of(&tokens),
            cost_usd: cost.amount,
            cost_source: cost.amount.map(|_| cost.source),
            value,
            pieces: Vec::new(),
            cached,
            correlation: self.call.request.correlation.clone(),
            raw: raw.filter(|_| self.call.request.raw),
        })
    }

    /// What the call failed of.
    pub(super) fn failure(&self, error: &CallError) -> CallFailure {
        self.without_keys(failing::of_call(error, self.model()))
    }

    /// Keys stand in no text of a failure, whoever wrote it.
    pub(super) fn without_keys(&self, failure: CallFailure) -> CallFailure {
        let redactor = self.state.redactor();
        let clean = |text: &str| redactor.text(text).into_owned();
        CallFailure {
            message: clean(&failure.message),
            hint: failure.hint.as_deref().map(clean),
            details: failure.details.map(|details| redactor.json(details)),
            ..failure
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.core.services.clock.now()
    }

    pub(super) fn pricing(&self) -> &Pricing {
        &self.inner.core.pricing
    }

    /// What records are without, whatever the call.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.inner.core.redactor
    }

    /// Whether nobody but this crate changes what records have of answers.
    pub(super) fn has_only_built_in_sanitizers(&self) -> bool {
        are_built_in(&self.inner.pipeline.registrations().llm.response_sanitizers.names())
    }

    fn model(&self) -> &str {
        &self.state.first.selected.resolved_model
    }

    /// The record of the call, now that it has ended.
    pub(super) async fn record(self, outcome: Result<Answer, CallFailure>) -> CallRecord {
        let ended_at = self.inner.core.services.clock.now();
        let prompt = self.prompt().await;
        let events = self.log.events();
        let Sum { tokens, cost, scripted_ms, .. } = self.state.sum();
        let selected = self.state.first.selected.clone();
        let effective = self.state.effective_model();
        let took = failing::milliseconds(ended_at.since(self.started_at));
        let entry = CallEntry {
            name: &self.call.name,
            selected: &selected,
            effective_model: effective.as_deref(),
            credential_source: self.state.credential_source(),
            // A script says itself how long it takes.
            latency_ms: scripted_ms.map_or(took, |delay| failing::milliseconds(std::time::Duration::from_millis(delay))),
            tokens: &tokens,
            cost: &cost,
            policies_sha256: self.policies.get("sha256").and_then(Value::as_str),
        };
        CallRecord {
            entry: Some(entry.to_json()),
            response: self.response(&events),
            outcome: outcome.map_err(|failure| self.without_keys(failure)),
            name: self.call.name.clone(),
            selected: Some(selected),
            prompt,
            usage: self.state.usage(),
            events,
            policies: self.policies,
            started_at: self.started_at,
            ended_at,
        }
    }

    /// The messages without what nobody is to read.
    async fn prompt(&self) -> Option<Value> {
        // The normalised messages are those of this protocol.
        let content = json!({ "model": self.state.first.model, "messages": self.call.messages });
        let mut call = LlmCall::new(self.state.first.prefix.clone(), RawRequest::new(content)).protocol(Api::OpenAiChat.shared());
        call.options.attached = Some(Arc::clone(&self.state) as _);
        let sanitized = call.sanitized(&self.stack).await?;
        sanitized.content.get("messages").cloned()
    }

    /// What was answered, without what nobody is to read: what the end event shows.
    fn response(&self, events: &[Event]) -> Option<Value> {
        let end = events.iter().rev().find(|event| event.is_end() && event.category() == Some(&Category::Llm))?;
        let shown = end.profile.as_ref().and_then(Profile::response)?;
        let text = shown.text();
        if !shown.tool_calls.is_empty() {
            return Some(json!({ "text": text, "tool_calls": shown.tool_calls }));
        }
        let value = self.call.schema.as_ref().and_then(|_| serde_json::from_str(unfenced(&text)).ok());
        shown.message.is_some().then(|| value.unwrap_or(Value::String(text)))
    }
}

fn are_built_in(sanitizers: &[String]) -> bool {
    sanitizers.iter().all(|name| BUILT_IN_SANITIZERS.contains(&name.as_str()))
}

/// The record of a call that never began.
pub(super) fn unmade(
    inner: &Inner,
    call: &PlannedCall,
    failure: CallFailure,
    selected: Option<SelectedModel>,
    streaming: bool,
) -> CallRecord {
    let now = inner.core.services.clock.now();
    CallRecord {
        outcome: Err(failure),
        name: call.name.clone(),
        selected: selected.or_else(|| call.selected.clone()),
        prompt: None,
        response: None,
        entry: None,
        usage: Vec::new(),
        events: Vec::new(),
        policies: policies::snapshot(&inner.pipeline, streaming),
        started_at: now,
        ended_at: now,
    }
}

fn not_granted(selected: &SelectedModel) -> CallFailure {
    let asked = &selected.requested_model;
    let shown =
        if *asked == selected.resolved_model { format!("`{asked}`") } else { format!("`{asked}` ({})", selected.resolved_model) };
    CallFailure::new(
        CallFailure::CAPABILITY,
        FailureOrigin::Runtime,
        format!("calls of the model {shown} are not granted: --allow-llm={asked}"),
    )
    .with_details(json!({ "flag": format!("--allow-llm={asked}") }))
    .with_hint(Some("--allow-llm without a value grants all models; [grants] llm in kitaru.toml does it for good"))
}

/// The fallbacks that may be asked, and those that may not, with the reason.
fn fallbacks(inner: &Inner, call: &PlannedCall, place: &CallPlace) -> (Vec<Candidate>, Vec<Value>) {
    let core = &inner.core;
    let (mut usable, mut refused) = (Vec::new(), Vec::new());
    for name in &call.fallbacks {
        let found = call.models.select(Some(name)).map_err(|error| CallFailure::usage(error.to_string()));
        let found = found.and_then(|selected| Candidate::of(selected, call.registry(), core.services.environment.as_ref()));
        let reason = match &found {
            Err(failure) => Some(failure.kind),
            Ok(candidate) if candidate.unsupported().is_some() => Some(CallFailure::USAGE),
            Ok(candidate) if !(place.allowed)(&candidate.selected) => Some(CallFailure::CAPABILITY),
            Ok(candidate) => {
                let listed = core.allow.as_ref().is_none_or(|list| list.check(&candidate.selected.resolved_model).is_ok());
                (!listed).then_some(CallFailure::GUARDRAIL_REJECTED)
            }
        };
        match (found, reason) {
            (Ok(candidate), None) => usable.push(candidate),
            (_, reason) => refused.push(json!({ "model": name, "reason": reason })),
        }
    }
    (usable, refused)
}

/// What the call's events say beside its payloads.
fn metadata(inner: &Inner, call: &PlannedCall, state: &CallState, refused: &[Value]) -> Value {
    let (place, first) = (&state.place, &state.first);
    let mut metadata = Map::new();
    let mut put = |key: &str, value: Option<Value>| metadata.extend(value.map(|value| (key.to_owned(), value)));
    put("kitaru.llm.call", Some(json!(call.name)));
    put("kitaru.llm.requested_model", Some(json!(first.selected.requested_model)));
    put("kitaru.llm.alias", first.selected.alias.as_ref().map(|alias| json!(alias)));
    put("kitaru.llm.api", Some(json!(first.api.as_str())));
    put("kitaru.llm.translation", first.translation.map(|translation| json!(translation.as_str())));
    put("kitaru.execution", place.execution.as_ref().map(|id| json!(id)));
    put("kitaru.flow", place.flow.as_ref().map(|name| json!(name)));
    put("kitaru.checkpoint", place.checkpoint.as_ref().map(|checkpoint| json!(checkpoint.name)));
    put("kitaru.attempt", (place.attempt > 1).then(|| json!(place.attempt)));
    put("kitaru.llm.fallbacks_refused", (!refused.is_empty()).then(|| json!(refused)));
    let correlation = call.request.correlation.as_deref().map(|text| inner.core.redactor.text(text).into_owned());
    put("kitaru.llm.correlation", correlation.map(|text| json!(text)));
    if let Ok(endpoint) = first.endpoint(None) {
        let (host, port) = endpoint.host();
        put("server.address", Some(json!(host)));
        put("server.port", port.map(|port| json!(port)));
    }
    Value::Object(metadata)
}

fn llm_call(inner: &Inner, state: &Arc<CallState>, raw: RawRequest, log: &Log, metadata: Value) -> LlmCall {
    let mut llm = LlmCall::new(state.first.prefix.clone(), raw).protocol(Arc::new(state.effective()));
    let kept = Arc::clone(&log.0);
    llm.model_name = Some(state.first.model.clone());
    llm.chunk_marks = inner.core.chunk_marks;
    llm.options = CallOptions {
        parent: state.place.parent,
        metadata,
        uuid: state.place.uuid,
        attached: Some(Arc::clone(state) as _),
        observer: Some(Arc::new(move |event: &Event| lock(&kept).push(event.clone()))),
        ..CallOptions::default()
    };
    llm
}
