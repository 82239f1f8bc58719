//! From settings to a gateway: every policy is made and registered once.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::addresses::PublicAddresses;
use super::attempts::Retried;
use super::config::{GatewayConfig, GatewaySetupError, PriceConfig};
use super::core::Core;
use super::policies::digest;
use super::services::Services;
use super::state::{CallState, Context};
use super::structured::Mended;
use crate::chat::RawRequest;
use crate::models::Environment;
use crate::pipeline::{CallInfo, Cause, Chunks, Draft, ExecutionIntercept, Pipeline, Registration, RequestIntercept, Sanitizer};
use crate::policy::middleware::{
    AllowedModels, Budgeted, Cached, CallContext, Mocked, RateLimitedCalls, RedactedRecords, RewrittenParameters, WithinSize,
};
use crate::policy::{
    Budget, MemoryCache, MockScript, MockTable, ModelAllowList, ParameterRules, Pattern, RateLimiter, Redactor, ResponseCache,
    SizeLimits, TokenEstimate,
};
use crate::price::{EstimatedCosts, PriceCatalog, Pricing};
use crate::provider::{self, AddressPolicy, Transport, TransportConfig};

use serde_json::Value;

/// The variable that says whether costs are computed.
const ESTIMATED_VARIABLE: &str = "KITARU_LLM_ESTIMATED_COSTS";

/// Makes what all calls share.
///
/// # Errors
/// When a setting makes no sense; the error names its key.
pub(super) fn core(config: &GatewayConfig, services: Services) -> Result<Core, GatewaySetupError> {
    let wrong = GatewaySetupError::of;
    if config.retry.attempts == 0 {
        return Err(GatewaySetupError::because("retry.attempts", "there is at least one attempt"));
    }
    for (key, quota) in [("rates.calls", config.rates.calls), ("rates.tokens", config.rates.tokens)] {
        if quota.is_some_and(|quota| quota.amount == 0 || quota.per_seconds == 0) {
            return Err(GatewaySetupError::because(key, "amount and per_seconds are at least 1"));
        }
    }
    let redactor = Redactor::new(&config.redact.patterns).map_err(|error| wrong("redact.patterns", &error))?;
    let redactor = redactor.with_personal_data(&config.redact.personal).map_err(|error| wrong("redact.personal", &error))?;
    let table = MockTable::new(config.mocks.clone()).map_err(|error| wrong("mocks", &error))?;
    let mocks = MockScript::from_environment(services.environment.as_ref()).unwrap_or_else(|| MockScript::new(table));
    let parameters = ParameterRules::new(config.parameters.clone()).map_err(|error| wrong("parameters", &error))?;
    let pricing = Arc::new(pricing(&config.prices, services.environment.as_ref())?);
    let allow = (config.allow.is_some() || !config.deny.is_empty()).then(|| ModelAllowList {
        allow: config.allow.clone().unwrap_or_else(|| vec![Pattern::new("*")]),
        deny: config.deny.clone(),
    });
    Ok(Core {
        transport: transport(config, &services)?,
        services,
        retry: config.retry.policy(),
        pricing,
        allow,
        size: config.size,
        parameters,
        redactor,
        mocks: Arc::new(mocks),
        on_missing: config.on_missing,
        chunk_marks: config.chunk_marks,
    })
}

fn transport(config: &GatewayConfig, services: &Services) -> Result<Transport, GatewaySetupError> {
    let limits = provider::SizeLimits { answer_bytes: config.answers.answer_bytes, event_bytes: config.answers.event_bytes };
    let settings = TransportConfig {
        connect: config.timeouts.connect(),
        timeouts: config.timeouts.timeouts(),
        limits,
        system_proxy: config.system_proxy,
        extra_roots: Vec::new(),
    };
    let addresses = Arc::clone(&services.addresses);
    let addresses: Arc<dyn AddressPolicy> =
        if config.private_addresses { addresses } else { Arc::new(PublicAddresses(addresses)) };
    Transport::new(&settings, Arc::clone(&services.names), addresses).map_err(|error| GatewaySetupError::of("timeouts", &error))
}

fn pricing(config: &PriceConfig, environment: &dyn Environment) -> Result<Pricing, GatewaySetupError> {
    let mut catalogs = Vec::new();
    if let Some(catalog) = &config.catalog {
        catalog.check().map_err(|error| GatewaySetupError::of("prices.catalog", &error))?;
        catalogs.push(catalog.clone());
    }
    if let Some(file) = &config.file {
        let unusable =
            |reason: &dyn std::fmt::Display| GatewaySetupError::because("prices.file", format!("{}: {reason}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| unusable(&error))?;
        catalogs.push(PriceCatalog::from_json(&text).map_err(|error| unusable(&error))?);
    }
    let estimated = match environment.variable(ESTIMATED_VARIABLE).as_deref().map(str::trim) {
        None | Some("") => config.estimated,
        Some(word) if word.eq_ignore_ascii_case("auto") => EstimatedCosts::Auto,
        Some(word) if word.eq_ignore_ascii_case("off") => EstimatedCosts::Off,
        Some(_) => {
            return Err(GatewaySetupError::because("prices.estimated", format!("{ESTIMATED_VARIABLE} is neither auto nor off")));
        }
    };
    Ok(Pricing::new(catalogs, estimated))
}

/// What sanitises answers without anybody's doing.
pub(super) const BUILT_IN_SANITIZERS: [&str; 2] = ["kitaru.credentials", "kitaru.redact"];

/// Registers the policies, in the order in which the crate's documentation names them.
///
/// # Errors
/// As [`core`].
pub(super) fn register(config: &GatewayConfig, core: &Arc<Core>, pipeline: &Pipeline) -> Result<(), GatewaySetupError> {
    let context: Arc<dyn CallContext> = Arc::new(Context);
    let registrations = pipeline.registrations();
    let hooks = &registrations.llm;
    let taken = |error: crate::pipeline::RegistryError| GatewaySetupError::of("policies", &error);
    if let Some(list) = core.allow.clone() {
        let registration = named("kitaru.models", 100, &list);
        hooks
            .guardrails
            .register(registration, Arc::new(AllowedModels { list, context: Arc::clone(&context) }))
            .map_err(taken)?;
    }
    if core.size != SizeLimits::default() {
        let within = WithinSize { limits: core.size, parameters: core.parameters.clone(), context: Arc::clone(&context) };
        hooks.guardrails.register(named("kitaru.size", 200, &core.size), Arc::new(within)).map_err(taken)?;
    }
    if !config.parameters.is_empty() {
        let rules = RewrittenParameters { rules: core.parameters.clone(), context: Arc::clone(&context) };
        let registration = named("kitaru.parameters", 100, &config.parameters);
        hooks.request_intercepts.register(registration, Arc::new(rules)).map_err(taken)?;
    }
    hooks.request_sanitizers.register(plain("kitaru.credentials", 100), Arc::new(WithoutKeys)).map_err(taken)?;
    hooks.response_sanitizers.register(plain("kitaru.credentials", 100), Arc::new(WithoutKeys)).map_err(taken)?;
    hooks.reason_sanitizers.register(plain("kitaru.credentials", 100), Arc::new(WithoutKeys)).map_err(taken)?;
    let redacted = Arc::new(RedactedRecords { redactor: core.redactor.clone() });
    let registration = || named("kitaru.redact", 200, &config.redact);
    hooks.request_sanitizers.register(registration(), Arc::clone(&redacted) as _).map_err(taken)?;
    hooks.response_sanitizers.register(registration(), Arc::clone(&redacted) as _).map_err(taken)?;
    hooks.reason_sanitizers.register(registration(), redacted).map_err(taken)?;

    let both = |registration: Registration, item: Arc<dyn Both>| wrap(pipeline, registration, item).map_err(taken);
    hooks.execution_intercepts.register(plain("kitaru.schema", 50), Arc::new(Mended)).map_err(taken)?;
    if !core.mocks.is_empty() {
        let mocked = Mocked { script: Arc::clone(&core.mocks), context: Arc::clone(&context) };
        both(named("kitaru.mock", 100, &config.mocks), Arc::new(mocked))?;
    }
    let (clock, pricing) = (&core.services.clock, &core.pricing);
    if let Some(policy) = &config.cache {
        let store = core.services.cache.clone().unwrap_or_else(|| Arc::new(MemoryCache::default()));
        let cache = ResponseCache::new(policy.clone(), store).map_err(|error| GatewaySetupError::of("cache.rules", &error))?;
        let cached = Cached {
            cache: Arc::new(cache),
            context: Arc::clone(&context),
            pricing: Arc::clone(pricing),
            clock: Arc::clone(clock),
            chance: Arc::clone(&core.services.chance),
        };
        both(named("kitaru.cache", 200, policy), Arc::new(cached))?;
    }
    both(named("kitaru.retry", 400, &config.retry), Arc::new(Retried(Arc::clone(core))))?;
    if config.rates.calls.is_some() || config.rates.tokens.is_some() {
        // Within the retries: each attempt takes a turn, and a fallback a turn of its own model.
        let limiter = Arc::new(RateLimiter::new(config.rates));
        let limited = RateLimitedCalls { limiter, context: Arc::clone(&context), clock: Arc::clone(clock) };
        both(named("kitaru.rates", 450, &config.rates), Arc::new(limited))?;
    }
    // Where the settings limit nothing, an execution may still have a budget of its own.
    let ledger = Arc::clone(&core.services.ledger);
    let budget = Budget::new(config.budgets, TokenEstimate::SURE, Arc::clone(pricing), ledger);
    // Told before the request is recorded, so that what is recorded is what is sent.
    let limit = DefaultLimit { max_tokens: config.budgets.default_max_tokens, for_all: budget.is_limited(None) };
    let registration = named("kitaru.limit", 1_000, &config.budgets.default_max_tokens);
    hooks.request_intercepts.register(registration, Arc::new(limit)).map_err(taken)?;
    let budgeted = Budgeted::new(budget, Arc::clone(pricing), context, Arc::clone(clock));
    both(named("kitaru.budget", 500, &config.budgets), Arc::new(budgeted))
}

fn plain(name: &str, priority: i32) -> Registration {
    Registration::new(name, priority).version(concat!("v", env!("CARGO_PKG_VERSION")))
}

/// A registration whose version is the digest of its settings.
fn named(name: &str, priority: i32, settings: &impl Serialize) -> Registration {
    let settings = serde_json::to_value(settings).unwrap_or_default();
    Registration::new(name, priority).version(format!("sha256:{}", digest(&settings)))
}

/// Wraps answers whether they come in one piece or in many.
trait Both: ExecutionIntercept<RawRequest> + ExecutionIntercept<RawRequest, Chunks> {}

impl<T: ExecutionIntercept<RawRequest> + ExecutionIntercept<RawRequest, Chunks>> Both for T {}

fn wrap(pipeline: &Pipeline, registration: Registration, item: Arc<dyn Both>) -> Result<(), crate::pipeline::RegistryError> {
    let registrations = pipeline.registrations();
    registrations
        .llm
        .execution_intercepts
        .register(registration.clone(), Arc::clone(&item) as Arc<dyn ExecutionIntercept<RawRequest>>)?;
    registrations.llm_stream_intercepts.register(registration, item as Arc<dyn ExecutionIntercept<RawRequest, Chunks>>)
}

/// Limits the answer of a call that sets no limit: without one a budget knows no most that it can cost.
struct DefaultLimit {
    max_tokens: u64,
    /// Every call has a budget to keep, and not only those whose execution has one.
    for_all: bool,
}

#[async_trait]
impl RequestIntercept<RawRequest> for DefaultLimit {
    async fn rewrite(&self, call: &Arc<CallInfo>, mut draft: Draft<RawRequest>) -> Result<Draft<RawRequest>, Cause> {
        let is_limited = || self.for_all || CallState::of(call).is_some_and(|state| state.place.budget.is_some());
        if let Some(annotated) = draft.annotated.as_mut().filter(|_| is_limited()) {
            annotated.params.max_tokens.get_or_insert(self.max_tokens);
        }
        Ok(draft)
    }
}

/// Takes the keys of a call out of its records, wherever they stand.
struct WithoutKeys;

#[async_trait]
impl Sanitizer<RawRequest> for WithoutKeys {
    async fn sanitize(&self, call: &Arc<CallInfo>, request: RawRequest) -> Result<Option<RawRequest>, Cause> {
        let Some(state) = CallState::of(call) else { return Ok(Some(request)) };
        let redactor = state.redactor();
        let headers = request.headers.into_iter().map(|(name, value)| (name, redactor.json(value))).collect();
        Ok(Some(RawRequest { headers, content: redactor.json(request.content) }))
    }
}

#[async_trait]
impl Sanitizer<String> for WithoutKeys {
    async fn sanitize(&self, call: &Arc<CallInfo>, reason: String) -> Result<Option<String>, Cause> {
        Ok(Some(match CallState::of(call) {
            Some(state) => state.redactor().text(&reason).into_owned(),
            None => reason,
        }))
    }
}

#[async_trait]
impl Sanitizer<Value> for WithoutKeys {
    async fn sanitize(&self, call: &Arc<CallInfo>, payload: Value) -> Result<Option<Value>, Cause> {
        Ok(Some(match CallState::of(call) {
            Some(state) => state.redactor().json(payload),
            None => payload,
        }))
    }
}
