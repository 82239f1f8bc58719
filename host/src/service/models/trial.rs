//! Whether a model works: asks its provider for its models, which costs nothing, and makes one small call where that does not tell.

use std::sync::Arc;
use std::time::Duration;

use kitaru_llm::gateway::{Answer, CallFailure, CallPlace, CallRequest, FailureOrigin};
use kitaru_llm::models::{
    Alias, CallName, CredentialError, CredentialSource, Environment, FrozenModels, ModelAlias, OnMissing, Provider,
    ProviderError, RegistryError, SelectError, SelectedModel, choose_credential, default_executor, provider_of,
};
use kitaru_llm::policy::MOCK_VARIABLE;
use kitaru_llm::price::NanoUsd;
use kitaru_llm::provider::{
    AnyAddress, AuthScheme, Endpoint, EndpointError, ModelPresence, PreflightError, Secret, SystemNames, Timeouts, Transport,
    TransportConfig, known_provider, preflight,
};
use tokio::time::Instant;

use super::views::{ModelCheck, ModelTestView, RouteView, keys_in};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ModelSources, ModelsError};
use crate::engine::{Engine, EngineError};
use crate::service::ServiceError;

/// How long a provider may take to list its models.
const LONGEST_LIST: Duration = Duration::from_secs(30);
/// How many tokens the answer may have: enough for a model that thinks first, and hardly any of them are used.
const MOST_TOKENS: u64 = 256;

/// Looks whether calls of a model work; of the one that a call means that names none, where none is requested. Makes a call in any case
/// `with_call`.
pub(in crate::service) async fn try_out(
    engine: &Engine,
    sources: &ModelSources,
    requested: Option<&str>,
    with_call: bool,
) -> Result<ModelTestView, ServiceError> {
    let known = super::known(sources).await?;
    let environment = sources.environment().as_ref();
    let selected = select(&known.frozen, requested, environment)?;
    let alias = selected.alias.as_ref().and_then(|alias| known.frozen.registry.aliases.get(alias));
    let model = alias.cloned().unwrap_or_else(|| ModelAlias::of(selected.resolved_model.clone()));
    let (provider, parts) = provider_of(&selected.resolved_model).map_err(|error| unusable(&selected, &error))?;
    let route = RouteView::of(&model, environment);

    let mut trial = Trial::default();
    let look = Look { provider, name: &parts.model, model: &model, selected: &selected, address: route.address.as_deref() };
    if let Some(undecided) = trial.look(engine, environment, &look).await
        && (undecided.needs_call || with_call)
    {
        trial.call(engine, environment, &known.frozen, &selected, undecided.hint).await;
    }
    Ok(ModelTestView {
        works: trial.checks.iter().all(|check| check.ok),
        requested_model: selected.requested_model,
        alias: selected.alias.map(|alias| alias.to_string()),
        resolved_model: selected.resolved_model,
        route,
        checks: trial.checks,
        cost_usd: trial.cost_usd,
    })
}

fn select(models: &FrozenModels, requested: Option<&str>, environment: &dyn Environment) -> Result<SelectedModel, ServiceError> {
    match models.select(requested) {
        // As calls do it that name no model while there is none.
        Err(SelectError::NoneConfigured { .. }) => match default_executor(environment, OnMissing::Fail) {
            Ok(executor) => Ok(executor.selected),
            Err(error) => Err(ServiceError::Usage { message: error.to_string(), hint: Some(error.hint().to_owned()) }),
        },
        selected => selected.map_err(|error| ServiceError::usage(error.to_string())),
    }
}

/// What cannot be taken apart is mostly an alias that is not there.
fn unusable(selected: &SelectedModel, error: &ProviderError) -> ServiceError {
    let name = &selected.resolved_model;
    match error {
        ProviderError::NoPrefix { .. } if selected.alias.is_none() && name.parse::<Alias>().is_ok() => {
            ModelsError::from(RegistryError::Unknown { alias: name.clone() }).into()
        }
        error => ServiceError::Usage { message: error.to_string(), hint: error.hint().map(Into::into) },
    }
}

/// What is looked at.
struct Look<'a> {
    provider: &'static Provider,
    /// The provider's own name of the model.
    name: &'a str,
    model: &'a ModelAlias,
    selected: &'a SelectedModel,
    address: Option<&'a str>,
}

/// The provider answers. Only a call may tell the rest.
struct Undecided {
    needs_call: bool,
    /// What to do if the call fails.
    hint: Option<String>,
}

#[derive(Default)]
struct Trial {
    checks: Vec<ModelCheck>,
    cost_usd: Option<NanoUsd>,
}

impl Trial {
    fn good(&mut self, name: &'static str, detail: String, latency: Option<Duration>) {
        self.checks.push(ModelCheck { name: name.into(), ok: true, detail, latency_ms: latency.map(milliseconds), hint: None });
    }

    fn bad(&mut self, name: &'static str, detail: String, latency: Option<Duration>, hint: Option<String>) {
        self.checks.push(ModelCheck { name: name.into(), ok: false, detail, latency_ms: latency.map(milliseconds), hint });
    }

    /// Everything that costs nothing. None when something is wrong.
    async fn look(&mut self, engine: &Engine, environment: &dyn Environment, look: &Look<'_>) -> Option<Undecided> {
        let Look { provider, selected, .. } = *look;
        let own_address = look.model.base_url.is_some();
        let chosen = choose_credential(provider, selected, own_address, environment, engine.secret_source().as_ref()).await;
        let key = match chosen {
            Ok(credential) => {
                let detail = match (credential.source, &credential.key, &selected.secret) {
                    (_, None, _) => "none is needed".to_owned(),
                    (CredentialSource::Secret, _, Some(secret)) => format!("from the secret `{secret}`"),
                    _ => format!("from the environment variable `{}`", keys_in(provider, environment).next().unwrap_or_default()),
                };
                self.good("key", detail, None);
                credential.key
            }
            Err(error) => {
                let hint = match (&error, provider.keys.first()) {
                    (CredentialError::Missing { .. }, Some(key)) => Some(format!(
                        "kitaru-host secrets set {0}-creds --from-prompt {key}, and register an alias with --secret {0}-creds",
                        provider.prefix
                    )),
                    _ => None,
                };
                self.bad("key", chain(&error), None, hint);
                return None;
            }
        };
        let endpoint = match endpoint(look, key) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.bad("address", error.to_string(), None, None);
                return None;
            }
        };
        self.ask_for_models(&endpoint, look).await
    }

    async fn ask_for_models(&mut self, endpoint: &Endpoint, look: &Look<'_>) -> Option<Undecided> {
        let patient = Timeouts { first_byte: LONGEST_LIST, idle: LONGEST_LIST, total: LONGEST_LIST };
        let config = TransportConfig { timeouts: patient, ..TransportConfig::default() };
        let transport = match Transport::new(&config, Arc::new(SystemNames), Arc::new(AnyAddress)) {
            Ok(transport) => transport,
            Err(error) => {
                self.bad("address", error.to_string(), None, None);
                return None;
            }
        };
        let started = Instant::now();
        let answer = preflight(&transport, endpoint, look.name).await;
        let latency = Some(started.elapsed());
        let (host, _) = endpoint.host();
        let undecided = |hint| Some(Undecided { needs_call: true, hint });
        match answer {
            Ok(found) => {
                self.good("address", format!("{host} answers"), latency);
                match (found.model, found.listed) {
                    (ModelPresence::Listed, listed) => {
                        self.good("model", format!("its provider lists it, among {}", listed.unwrap_or(1)), None);
                        Some(Undecided { needs_call: false, hint: None })
                    }
                    (ModelPresence::Missing { similar }, listed) => {
                        undecided(Some(missing(&similar, listed.unwrap_or_default())))
                    }
                    (ModelPresence::Unknown, _) => undecided(None),
                }
            }
            Err(PreflightError::Endpoint(error)) => {
                self.bad("address", error.to_string(), None, None);
                None
            }
            Err(PreflightError::Transport(error)) => match error.status() {
                Some(401) => {
                    self.good("address", format!("{host} answers"), latency);
                    self.bad("key", error.to_string(), None, Some("the provider does not take this key".into()));
                    None
                }
                // The list may be closed, or broken, where calls are not.
                Some(status) => {
                    self.good("address", format!("{host} answers, and gives no list of models ({status})"), latency);
                    undecided(None)
                }
                None => {
                    self.bad("address", error.to_string(), latency, None);
                    None
                }
            },
        }
    }

    /// One small call, made and recorded as every other.
    async fn call(
        &mut self,
        engine: &Engine,
        environment: &dyn Environment,
        models: &FrozenModels,
        selected: &SelectedModel,
        hint: Option<String>,
    ) {
        // The time, so that no cache has the answer.
        let prompt = format!("It is {}. Answer with the single word: ok", SystemClock.now().to_rfc3339());
        let request = CallRequest {
            max_tokens: Some(MOST_TOKENS),
            ..CallRequest::text(prompt).with_model(selected.requested_model.clone())
        };
        let started = Instant::now();
        let outcome = outcome(engine, request, models).await;
        let latency = Some(started.elapsed());
        match outcome {
            Ok(answer) => {
                self.good("call", told(&answer, environment), latency);
                self.cost_usd = answer.cost_usd;
            }
            Err(failure) => self.bad("call", failure.message, latency, hint.or(failure.hint)),
        }
    }
}

async fn outcome(engine: &Engine, request: CallRequest, models: &FrozenModels) -> Result<Answer, CallFailure> {
    let unusable = |error: EngineError| CallFailure::new(CallFailure::NOT_CONFIGURED, FailureOrigin::Runtime, error.to_string());
    let gateway = engine.models().await.map_err(unusable)?;
    let name = CallName::normalise("model_test").map_err(|error| CallFailure::usage(error.to_string()))?;
    let planned = gateway.plan(request, name, models)?;
    gateway.complete(planned, CallPlace::anywhere()).await.outcome
}

fn milliseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)
}

fn endpoint(look: &Look<'_>, key: Option<Secret>) -> Result<Endpoint, EndpointError> {
    let prefix = look.provider.prefix;
    let Some(api) = look.model.api else { return Endpoint::of_provider(prefix, look.address, key) };
    let address = look.address.ok_or_else(|| EndpointError::NoBaseUrl { provider: prefix.to_owned() })?;
    let endpoint = Endpoint::new(api, address)?;
    let usual = known_provider(prefix).map(|known| known.auth).filter(|auth| *auth != AuthScheme::None);
    match key {
        Some(key) => endpoint.with_key(usual.unwrap_or(AuthScheme::Bearer), key),
        None => Ok(endpoint),
    }
}

fn missing(similar: &[String], listed: usize) -> String {
    let others = if similar.is_empty() { String::new() } else { format!("; most like it: {}", similar.join(", ")) };
    format!("its provider lists {listed} models, and not this one{others}")
}

fn told(answer: &Answer, environment: &dyn Environment) -> String {
    if environment.variable(MOCK_VARIABLE).is_some() {
        return format!("{MOCK_VARIABLE} answers; nobody was asked");
    }
    let who = answer.model.as_deref().unwrap_or("the model");
    let tokens = answer.usage.as_ref().and_then(|usage| usage.total_tokens);
    let tokens = tokens.map(|count| format!(", with {count} tokens")).unwrap_or_default();
    let cost = answer.cost_usd.map(|cost| format!(", for {cost}")).unwrap_or_default();
    format!("{who} answers{tokens}{cost}")
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text = format!("{}: {said}", text.trim_end_matches('.'));
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn selected(name: &str) -> SelectedModel {
        SelectedModel { requested_model: name.into(), alias: None, resolved_model: name.into(), secret: None }
    }

    #[test]
    fn a_name_that_is_no_alias_is_told_as_that() {
        let error = |name: &str| unusable(&selected(name), &provider_of(name).unwrap_err());
        let unknown = error("smart");
        assert_eq!(
            (unknown.to_string().as_str(), unknown.class()),
            ("Model alias `smart` is not registered.", "KitaruRuntimeError")
        );
        assert!(unknown.hint().is_some_and(|hint| hint.contains("model list")));
        assert_eq!(error("gpt-4.1 x").class(), "KitaruUsageError");
        assert!(error("acme/big").to_string().contains("is not supported"));
    }

    #[test]
    fn where_nothing_is_configured_the_environments_keys_decide() {
        let nothing = BTreeMap::<String, String>::new();
        assert!(select(&FrozenModels::default(), None, &nothing).unwrap_err().hint().is_some());
        let keyed = BTreeMap::from([("ANTHROPIC_API_KEY".to_owned(), "k".to_owned())]);
        let chosen = select(&FrozenModels::default(), None, &keyed).unwrap();
        assert!(chosen.resolved_model.starts_with("anthropic/"), "{chosen:?}");
        assert_eq!(select(&FrozenModels::default(), Some("x/y"), &nothing).unwrap().resolved_model, "x/y");
    }

    #[test]
    fn another_protocol_goes_to_the_same_place_with_the_usual_header() {
        let model = ModelAlias { api: Some(kitaru_llm::codec::Api::AnthropicMessages), ..ModelAlias::of("openrouter/a/b") };
        let (provider, parts) = provider_of(&model.model).unwrap();
        let chosen = selected(&model.model);
        let look =
            Look { provider, name: &parts.model, model: &model, selected: &chosen, address: Some("https://gateway.example/api") };
        let made = endpoint(&look, Some(Secret::new("k"))).unwrap();
        assert_eq!((made.api(), made.base_url()), (kitaru_llm::codec::Api::AnthropicMessages, "https://gateway.example/api"));
        assert!(matches!(endpoint(&Look { address: None, ..look }, None), Err(EndpointError::NoBaseUrl { .. })));
    }

    #[test]
    fn what_a_provider_lists_instead_is_told() {
        assert_eq!(missing(&["a".into(), "b".into()], 7), "its provider lists 7 models, and not this one; most like it: a, b");
        assert_eq!(missing(&[], 1), "its provider lists 1 models, and not this one");
    }
}
