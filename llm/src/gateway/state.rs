//! What one call's own middleware knows of it, and what it has done so far.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use uuid::Uuid;

use super::candidate::Candidate;
use super::core::Core;
use super::effective::Effective;
use super::failing;
use super::failure::{CallFailure, FailureOrigin};
use super::place::CallPlace;
use super::structured::Schema;
use crate::chat::ChatResponse;
use crate::codec::ResponseCodec as _;
use crate::models::{CallName, Credential, CredentialError, CredentialSource, SelectedModel, choose_credential};
use crate::mutex::lock;
use crate::pipeline::CallInfo;
use crate::policy::Redactor;
use crate::policy::middleware::{AnsweredBy, CallContext, CallFacts};
use crate::price::{Cost, CostSource, NanoUsd};
use crate::provider::{Endpoint, Secret};
use crate::usage::{CacheStatus, Recorded, TokenCounts, UsageRecord};

/// One call on its way. The pipeline carries it along, so that middleware that is registered once finds it.
pub(super) struct CallState {
    pub(super) name: CallName,
    pub(super) place: CallPlace,
    /// The model that is wanted, and after it its fallbacks. Never empty.
    pub(super) first: Candidate,
    pub(super) fallbacks: Vec<Candidate>,
    pub(super) schema: Option<Schema>,
    pub(super) repairs: u32,
    /// Whether nobody but this crate changes what records have of requests.
    only_built_in: bool,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Position of the candidate that is asked now.
    current: usize,
    /// Attempts that reached a provider or what stood in for it.
    attempts: u32,
    usage: Vec<UsageRecord>,
    /// Of each answer: an answer that is sent back to be mended is one of them.
    answers: Vec<(TokenCounts, Cost, By)>,
    endpoints: Vec<(usize, Endpoint)>,
    /// Found before anything was recorded.
    credentials: Vec<(usize, Credential)>,
    credential_source: Option<CredentialSource>,
    keys: Vec<Secret>,
    /// What the chunks of a stream made together.
    whole: Option<Value>,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Provider,
    Cache,
    /// With the delay of the script, in milliseconds.
    Script(u64),
}

/// What all answers of a call make together.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) tokens: TokenCounts,
    pub(super) cost: Cost,
    /// Whether nothing but the cache answered.
    pub(super) cached: bool,
    /// The delay of the script in milliseconds, if nothing but a script answered.
    pub(super) scripted_ms: Option<u64>,
}

impl CallState {
    pub(super) fn new(
        name: CallName,
        place: CallPlace,
        candidates: (Candidate, Vec<Candidate>),
        schema: Option<Schema>,
        repairs: u32,
        keys: Vec<Secret>,
        only_built_in: bool,
    ) -> Self {
        let progress = Mutex::new(Progress { keys, ..Progress::default() });
        let (first, fallbacks) = candidates;
        Self { name, place, first, fallbacks, schema, repairs, only_built_in, progress }
    }

    /// The state of a call, if it is a gateway's.
    pub(super) fn of(call: &CallInfo) -> Option<Arc<Self>> {
        call.attached.clone()?.downcast().ok()
    }

    pub(super) fn candidate(&self, position: usize) -> &Candidate {
        position.checked_sub(1).and_then(|fallback| self.fallbacks.get(fallback)).unwrap_or(&self.first)
    }

    /// The candidate that is asked now.
    pub(super) fn current(&self) -> &Candidate {
        self.candidate(lock(&self.progress).current)
    }

    pub(super) fn turn_to(&self, position: usize) {
        lock(&self.progress).current = position;
    }

    /// The first candidate is asked again: requests are in its words.
    pub(super) fn rewind(&self) {
        self.turn_to(0);
    }

    /// The protocol of the candidate that is asked now.
    pub(super) fn effective(self: &Arc<Self>) -> Effective {
        Effective(Arc::clone(self))
    }

    /// The model that answered, if it is another than was wanted.
    pub(super) fn effective_model(&self) -> Option<String> {
        let position = lock(&self.progress).current;
        (position > 0).then(|| self.candidate(position).selected.resolved_model.clone())
    }

    /// Learns the keys of all candidates before anything is recorded, so that not even the start event has one. What has none is left to
    /// [`prepare`](Self::prepare), which says so where it matters: a script and the cache need none.
    pub(super) async fn learn_keys(&self, core: &Core) {
        for position in 0..=self.fallbacks.len() {
            let Ok(credential) = credential_of(core, self.candidate(position)).await else { continue };
            let mut progress = lock(&self.progress);
            progress.keys.extend(credential.key.clone());
            progress.credentials.push((position, credential));
        }
    }

    /// Finds the key of a candidate, and so where it is asked. Once per call: a repair and another attempt use what was found.
    pub(super) async fn prepare(&self, core: &Core, position: usize) -> Result<(), CallFailure> {
        if lock(&self.progress).endpoints.iter().any(|(known, _)| *known == position) {
            return Ok(());
        }
        let candidate = self.candidate(position);
        let learned =
            lock(&self.progress).credentials.iter().find(|(known, _)| *known == position).map(|(_, found)| found.clone());
        let credential = match learned {
            Some(credential) => credential,
            None => {
                let credential = credential_of(core, candidate).await?;
                lock(&self.progress).keys.extend(credential.key.clone());
                credential
            }
        };
        let endpoint = candidate.endpoint(credential.key).map_err(|error| failing::of_endpoint(&error))?;
        let mut progress = lock(&self.progress);
        progress.endpoints.push((position, endpoint));
        if position == 0 || progress.credential_source.is_none() {
            progress.credential_source = Some(credential.source);
        }
        Ok(())
    }

    /// Where the candidate that is asked now is.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        let progress = lock(&self.progress);
        progress.endpoints.iter().find(|(position, _)| *position == progress.current).map(|(_, endpoint)| endpoint.clone())
    }

    /// What the chunks of a stream made together, without the key of whoever answers: each was without it, and it may have come in pieces that are one
    /// text only to whoever puts the answer together.
    pub(super) fn without_key(&self, whole: Value) -> Value {
        match self.endpoint() {
            Some(endpoint) => endpoint.without_key(whole),
            None => whole,
        }
    }

    /// Whether an answer has that key: in what was put together, or in what is read of it.
    fn has_key(&self, read: &ChatResponse, response: &Value) -> bool {
        let Ok(read) = serde_json::to_value(read) else { return true };
        self.without_key(read.clone()) != read || self.without_key(response.clone()) != *response
    }

    pub(super) fn credential_source(&self) -> Option<CredentialSource> {
        lock(&self.progress).credential_source
    }

    /// Takes the call's keys out of texts.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::default().with_secrets(lock(&self.progress).keys.clone())
    }

    /// Whether records may have all of a request with this content: nobody takes anything out of it. `redactor` is that of all calls.
    pub(super) fn is_recorded_whole(&self, redactor: &Redactor, content: &Value) -> bool {
        self.only_built_in && redactor.json(self.redactor().json(content.clone())) == *content
    }

    /// The number of an attempt that begins.
    pub(super) fn next_attempt(&self) -> u32 {
        let mut progress = lock(&self.progress);
        progress.attempts = progress.attempts.saturating_add(1);
        progress.attempts
    }

    /// The record of an attempt of the current candidate.
    pub(super) fn usage_record(
        &self,
        event: Option<Uuid>,
        attempt: u32,
        model: Option<String>,
        tokens: TokenCounts,
        cost: Cost,
    ) -> UsageRecord {
        let current = self.current();
        let event = event.map(|uuid| uuid.to_string()).unwrap_or_default();
        let requested_model = self.first.selected.requested_model.clone();
        let selected = SelectedModel { requested_model, ..current.selected.clone() };
        let about = Recorded { name: &self.name, event_id: &event, attempt, selected: &selected };
        self.place.record(UsageRecord::of(about, model, tokens, cost), attempt)
    }

    pub(super) fn keep_usage(&self, record: UsageRecord) {
        lock(&self.progress).usage.push(record);
    }

    pub(super) fn usage(&self) -> Vec<UsageRecord> {
        lock(&self.progress).usage.clone()
    }

    /// What policies have to know of the call now.
    pub(super) fn facts(&self) -> CallFacts {
        let current = self.current();
        CallFacts {
            call_name: Some(self.name.to_string()),
            requested_model: self.first.selected.requested_model.clone(),
            resolved_model: current.selected.resolved_model.clone(),
            alias: self.first.selected.alias.as_ref().map(ToString::to_string),
            endpoint: current.base_url.clone().unwrap_or_default(),
            execution: self.place.execution.clone(),
            root: self.place.root.clone(),
            flow: self.place.flow.clone(),
            api: Some(current.api),
            budget: self.place.budget,
        }
    }

    /// Counts an answer that nobody is to be told of.
    pub(super) fn add_answer(&self, tokens: TokenCounts, cost: Cost) {
        lock(&self.progress).answers.push((tokens, cost, By::Provider));
    }

    /// Counts an answer of the provider.
    pub(super) fn count_answer(&self, call: &CallInfo, tokens: TokenCounts, cost: Cost) {
        self.count(call, tokens, cost, By::Provider);
    }

    /// An attempt failed. What answers before it cost was said already, and may be less than all by now.
    pub(super) fn count_failure(&self, call: &CallInfo) {
        if !lock(&self.progress).answers.is_empty() {
            self.say(call);
        }
    }

    fn count(&self, call: &CallInfo, tokens: TokenCounts, cost: Cost, from: By) {
        lock(&self.progress).answers.push((tokens, cost, from));
        self.say(call);
    }

    /// Notes for the call's end what it cost by now, and who answered.
    fn say(&self, call: &CallInfo) {
        let Sum { cost, .. } = self.sum();
        call.note("kitaru.llm.cost_usd", json!(cost.amount));
        call.note("kitaru.llm.cost_source", json!(cost.source));
        if let Some(model) = self.effective_model() {
            call.note("kitaru.llm.effective_model", json!(model));
        }
        if let Some(source) = self.credential_source() {
            call.note("kitaru.llm.credential_source", json!(source));
        }
    }

    /// What all answers so far make together.
    pub(super) fn sum(&self) -> Sum {
        let progress = lock(&self.progress);
        let answers = &progress.answers;
        let Some((_, first, _)) = answers.first() else { return Sum::default() };
        let add = |field: fn(&TokenCounts) -> Option<u64>| {
            answers.iter().filter_map(|(tokens, ..)| field(tokens)).reduce(u64::saturating_add)
        };
        let tokens = TokenCounts {
            input: add(|tokens| tokens.input),
            output: add(|tokens| tokens.output),
            total: add(|tokens| tokens.total),
            cached_input: add(|tokens| tokens.cached_input),
            cache_write: add(|tokens| tokens.cache_write),
            long_cache_write: add(|tokens| tokens.long_cache_write),
            reasoning: add(|tokens| tokens.reasoning),
        };
        // An attempt without an answer may be charged too, and then the answers are not all that is paid for.
        let is_known = progress.usage.iter().all(|record| !record.is_incurred() || record.cost.amount.is_some());
        let amount = answers.iter().map(|(_, cost, _)| cost.amount).sum::<Option<NanoUsd>>().filter(|_| is_known);
        let same = answers.iter().all(|(_, cost, _)| cost.source == first.source);
        let source = if same { first.source } else { CostSource::Calculator };
        let warnings = answers.iter().flat_map(|(_, cost, _)| cost.warnings.clone()).collect();
        let cost = match amount {
            Some(_) => Cost { amount, source, warnings, ..first.clone() },
            None => Cost { amount, source: CostSource::None, warnings, ..Cost::default() },
        };
        let delays = answers.iter().map(|(.., from)| match from {
            By::Script(delay) => Some(*delay),
            By::Provider | By::Cache => None,
        });
        let cached = answers.iter().all(|(.., from)| *from == By::Cache);
        Sum { tokens, cost, cached, scripted_ms: delays.sum() }
    }

    pub(super) fn set_whole(&self, whole: Value) {
        lock(&self.progress).whole = Some(whole);
    }

    pub(super) fn take_whole(&self) -> Option<Value> {
        lock(&self.progress).whole.take()
    }
}

/// The credential of a candidate.
pub(super) async fn credential_of(core: &Core, candidate: &Candidate) -> Result<Credential, CallFailure> {
    if let Some(failure) = candidate.unsupported() {
        return Err(failure);
    }
    let Some(provider) = candidate.provider else {
        return Err(CallFailure::new(CallFailure::CREDENTIALS, FailureOrigin::User, "the provider is not known"));
    };
    let (environment, secrets) = (core.services.environment.as_ref(), core.services.secrets.as_ref());
    let found = choose_credential(provider, &candidate.selected, candidate.own_address, environment, secrets).await;
    found.map_err(|error: CredentialError| failing::of_credential(&error))
}

/// Knows the calls of a gateway.
pub(super) struct Context;

impl CallContext for Context {
    fn facts(&self, call: &CallInfo) -> CallFacts {
        CallState::of(call).map(|state| state.facts()).unwrap_or_default()
    }

    fn answered(&self, call: &CallInfo, from: AnsweredBy<'_>) {
        let Some(state) = CallState::of(call) else { return };
        let attempt = state.next_attempt();
        match from {
            AnsweredBy::Script { response, delay_ms } => {
                lock(&state.progress).credential_source = Some(CredentialSource::Environment);
                let read = state.effective().decode_response(response).unwrap_or_default();
                let tokens = TokenCounts::from_response(&read);
                let reported = read.usage.as_ref().and_then(|usage| usage.reported_cost_nanodollars);
                // Nobody is paid for a script, unless it says so.
                let cost = reported.map_or_else(Cost::nothing, |nanos| Cost::reported(NanoUsd::from_nanos(nanos)));
                let mut record = state.usage_record(call.uuid(), attempt, read.model, tokens.clone(), cost.clone());
                record.latency_ms = Some(failing::milliseconds(std::time::Duration::from_millis(delay_ms)));
                state.keep_usage(record);
                state.count(call, tokens, cost, By::Script(delay_ms));
            }
            AnsweredBy::Cache(entry) => {
                let cost = Cost { amount: entry.cost, ..Cost::default() };
                let record = state.usage_record(call.uuid(), attempt, entry.model.clone(), entry.tokens.clone(), cost);
                state.keep_usage(record.reused(CacheStatus::ResponseCacheHit));
                state.count(call, entry.tokens.clone(), Cost::nothing(), By::Cache);
            }
        }
    }

    fn may_keep(&self, call: &CallInfo, read: &ChatResponse, response: &Value) -> bool {
        let Some(state) = CallState::of(call) else { return true };
        // A policy puts a stream together by itself.
        if state.has_key(read, response) {
            return false;
        }
        let Some(schema) = &state.schema else { return true };
        !read.tool_calls.is_empty() || schema.read(&read.text()).is_ok()
    }
}
