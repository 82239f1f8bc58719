//! Which model a call means, and with which credentials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kitaru_llm::gateway::{CallFailure, CallPlace, CallRequest, FailureOrigin, Gateway, GatewayConfig, Services};
use kitaru_llm::models::{CallName, Environment, FrozenModels, OnMissing, SecretError, SecretSource};
use kitaru_llm::provider::Secret;
use serde_json::{Value, json};

use crate::bench::*;

fn name() -> CallName {
    CallName::normalise("c").unwrap()
}

fn bare(variables: &[(&str, &str)]) -> Services {
    let environment: BTreeMap<String, String> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Services::local(Arc::new(environment))
}

/// One secret `creds` with these values.
struct Vault(Vec<(&'static str, &'static str)>);

#[async_trait]
impl SecretSource for Vault {
    async fn secret(&self, name: &str) -> Result<BTreeMap<String, Secret>, SecretError> {
        match name {
            "creds" => Ok(self.0.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect()),
            _ => Err(SecretError::NotFound { name: name.into() }),
        }
    }
}

#[tokio::test]
async fn l10_to_l13_where_the_key_comes_from() {
    let peer = peer("a").await;
    // An alias without an address of its own would ask the provider itself, so OpenAI is told apart by its base URL here.
    let models = |secret: &str| models_of(json!({ "fast": { "model": "groq/m", "secret": secret, "base_url": peer.url() } }));
    let ask_with = |services: Services, secret: &'static str| {
        let (gateway, models) = (Gateway::new(&config(), services).unwrap(), models(secret));
        async move { ask(&gateway, &models, request("fast")).await }
    };
    let vault = || Arc::new(Vault(vec![("GROQ_API_KEY", KEY)]));
    let record = ask_with(Services { secrets: vault(), ..bare(&[]) }, "creds").await;
    assert!(record.outcome.is_ok());
    assert_eq!(record.entry.as_ref().unwrap()["credential_source"], "secret", "l11");
    assert!(!all_of(&record).contains(KEY), "l11");
    assert_eq!(peer.seen()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));

    let other = Services { secrets: Arc::new(Vault(vec![("OTHER", "x"), ("MORE", "y")])), ..bare(&[]) };
    let failure = ask_with(other, "creds").await.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.origin), (CallFailure::CREDENTIALS, FailureOrigin::Runtime), "l13");
    assert!(failure.message.contains("GROQ_API_KEY"), "{failure}");
    let failure = ask_with(bare(&[]), "creds").await.outcome.unwrap_err();
    assert_eq!(failure.message, "Secret `creds` was not found.");
    assert_eq!(peer.seen().len(), 1);
}

/// Whoever knows the key and writes it into a prompt does not get it into a record, nor to who hears of the call while it is made: also where the key is
/// another candidate's, or nobody is asked.
#[tokio::test]
async fn l11_a_key_of_a_secret_is_in_no_event_from_the_start_on() {
    let peer = peer("a").await;
    let alias =
        |fallbacks: Value| json!({ "model": "groq/m", "secret": "creds", "base_url": peer.url(), "fallbacks": fallbacks });
    let other = json!({ "model": "openai/m", "base_url": peer.url(), "fallbacks": ["fast"] });
    let models = models_of(json!({ "fast": alias(json!([])), "other": other }));
    let scripted = bare(&[("KITARU_LLM_MOCK_RESPONSE", "a")]);
    for (services, model) in
        [(bare(&[]), "fast"), (bare(&[("OPENAI_API_KEY", "another-key-of-mine")]), "other"), (scripted, "fast")]
    {
        let services = Services { secrets: Arc::new(Vault(vec![("GROQ_API_KEY", KEY)])), ..services };
        let gateway = Gateway::new(&config(), services).unwrap();
        let heard = watch(&gateway);
        let prompt = CallRequest::text(format!("My key is {KEY}.")).with_model(model);
        for request in [prompt.clone(), CallRequest { stream: true, ..prompt }] {
            let record = ask(&gateway, &models, request).await;
            assert_eq!(record.outcome.as_ref().unwrap().text, "a");
            assert!(lines(&record.events[..1]).contains("My key is [redacted]."), "{}", lines(&record.events));
            assert!(!all_of(&record).contains(KEY));
        }
        let heard = lines(&heard.lock().unwrap());
        assert!(heard.contains("My key is [redacted].") && !heard.contains(KEY), "{heard}");
    }
    assert!(
        peer.seen().iter().all(|seen| String::from_utf8_lossy(&seen.body).contains(KEY)),
        "what is sent is what the author wrote"
    );
    assert_eq!(peer.seen().len(), 4, "and a script asks nobody");
}

#[tokio::test]
async fn l10_the_environments_key_goes_before_a_secret() {
    let environment = bare(&[("OPENAI_API_KEY", KEY)]);
    let gateway = Gateway::new(&config(), environment).unwrap();
    let models = models_of(json!({ "fast": { "model": "openai/m", "secret": "none-such" } }));
    let call = gateway.plan(request("fast"), name(), &models).unwrap();
    assert_eq!(gateway.is_ready(&call).await, Ok(()), "the secret is not even read");
}

#[tokio::test]
async fn l12_no_key_names_what_would_do_and_nothing_is_sent() {
    let peer = peer("a").await;
    let gateway = Gateway::new(&config(), bare(&[])).unwrap();
    let record = ask(&gateway, &models(&peer), request("chat")).await;
    let failure = record.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.origin), (CallFailure::CREDENTIALS, FailureOrigin::Runtime));
    assert!(failure.message.contains("OPENAI_API_KEY") && failure.message.contains("--secret"), "{failure}");
    assert!(peer.seen().is_empty() && record.usage.is_empty());
    let call = gateway.plan(request("chat"), name(), &models(&peer)).unwrap();
    assert_eq!(gateway.is_ready(&call).await.unwrap_err().kind, CallFailure::CREDENTIALS);
}

#[tokio::test]
async fn l14_and_l15_providers() {
    let none = FrozenModels::default();
    let plain = Gateway::new(&config(), bare(&[])).unwrap();
    let failure = plain.plan(request("nobody/m"), name(), &none).unwrap_err();
    assert!(failure.kind == CallFailure::USAGE && failure.message.contains("`nobody`"), "{failure}");
    assert!(plain.plan(request("gpt"), name(), &none).unwrap_err().message.contains("missing a provider prefix"), "l15");
    assert!(plain.plan(request("openai/"), name(), &none).is_err());
    let mocked = Gateway::new(&config(), bare(&[("KITARU_LLM_MOCK_RESPONSE", "")])).unwrap();
    let record = ask(&mocked, &none, request("nobody/m")).await;
    assert_eq!(record.outcome.unwrap().text, "", "an empty answer is one too");
    let entry = record.entry.unwrap();
    assert_eq!((&entry["latency_ms"], &entry["credential_source"]), (&json!(0.0), &json!("environment")));
    assert!(entry.get("tokens_input").is_none());
}

#[test]
fn l16_to_l18_prompts() {
    let gateway = Gateway::new(&config(), bare(&[])).unwrap();
    let plan = |request: CallRequest| gateway.plan(request, name(), &FrozenModels::default());
    let wrong = |request: CallRequest| {
        let failure = plan(request).unwrap_err();
        assert_eq!((failure.kind, failure.origin), (CallFailure::USAGE, FailureOrigin::User));
        failure.message
    };
    let to = |request: CallRequest| request.with_model("anthropic/claude");
    assert_eq!(wrong(to(CallRequest::text("  "))), "Prompt cannot be empty.");
    assert_eq!(
        wrong(CallRequest { system: Some(" ".into()), ..to(CallRequest::text("x")) }),
        "System prompt cannot be empty when provided."
    );
    assert_eq!(wrong(to(CallRequest::messages(vec![]))), "Prompt message list cannot be empty.");
    assert_eq!(
        wrong(to(CallRequest::messages(vec![json!({ "content": "x" })]))),
        "Each prompt message must contain `role` and `content` keys."
    );
    let interleaved = vec![json!({ "role": "user", "content": "a" }), json!({ "role": "system", "content": "b" })];
    assert!(wrong(to(CallRequest::messages(interleaved.clone()))).starts_with("System messages must appear at the beginning"));
    assert!(plan(CallRequest::messages(interleaved).with_model("openai/m")).is_ok(), "only Anthropic minds");
    let call = plan(CallRequest {
        system: Some(" s ".into()),
        ..to(CallRequest::messages(vec![json!({ "role": "user", "content": "u" })]))
    })
    .unwrap();
    assert_eq!(call.messages()[0], json!({ "role": "system", "content": "s" }), "l17");
    assert_eq!(call.request().name.as_deref(), Some("c"));
    assert!(wrong(CallRequest { repairs: 6, ..to(CallRequest::text("x")) }).contains("repairs"));
    for key in ["model", "models", "preset", "fallbacks", "Model", "MESSAGES", "system_instruction"] {
        let mut own = to(CallRequest::text("x"));
        own.extra.insert(key.into(), json!(["other"]));
        assert_eq!(wrong(own), format!("`extra` cannot set `{key}`"));
    }
}

#[tokio::test]
async fn l18_anthropic_gets_a_limit_and_newer_models_of_openai_its_new_name() {
    let gateway = Gateway::new(&config(), bare(&[])).unwrap();
    let preview = async |request: CallRequest| {
        let call = gateway.plan(request, name(), &FrozenModels::default()).unwrap();
        gateway.preview(&call, &CallPlace::anywhere()).await.unwrap()
    };
    let claude = preview(CallRequest::text("x").with_model("anthropic/claude")).await;
    assert_eq!((&claude["body"]["max_tokens"], &claude["url"]), (&json!(4096), &json!("https://api.anthropic.com/v1/messages")));
    let limited = |model: &str| CallRequest { max_tokens: Some(9), ..CallRequest::text("x").with_model(model) };
    assert_eq!(preview(limited("openai/gpt-5-mini")).await["body"]["max_completion_tokens"], 9);
    assert_eq!(preview(limited("openrouter/openai/gpt-5")).await["body"]["max_tokens"], 9);
    let gemini = preview(limited("gemini/g")).await;
    assert!(gemini["body"].get("model").is_none() && gemini["url"].as_str().unwrap().ends_with("/models/g:generateContent"));
}

#[tokio::test]
async fn l19_ollama_is_where_its_variable_says_and_needs_no_key() {
    let peer = peer("a").await;
    let gateway = Gateway::new(&config(), bare(&[("OLLAMA_HOST", &peer.url())])).unwrap();
    let record = ask(&gateway, &FrozenModels::default(), request("ollama/llama3")).await;
    assert_eq!(record.outcome.unwrap().text, "a");
    assert_eq!(peer.seen()[0].path, "/v1/chat/completions");
    assert!(peer.seen()[0].header("authorization").is_none());
}

#[tokio::test]
async fn a7_without_any_model_the_environments_keys_decide() {
    let none = FrozenModels::default();
    let pending = GatewayConfig { on_missing: OnMissing::Pending, ..config() };
    let gateway = Gateway::new(&pending, bare(&[])).unwrap();
    let call = gateway.plan(CallRequest::text("x"), name(), &none).unwrap();
    assert!(call.selected().is_none());
    let failure = gateway.is_ready(&call).await.unwrap_err();
    assert_eq!((failure.kind, failure.origin), (CallFailure::NOT_CONFIGURED, FailureOrigin::User));
    assert_eq!(gateway.complete(call, CallPlace::anywhere()).await.outcome.unwrap_err().kind, CallFailure::NOT_CONFIGURED);
    let preview = async |variables: &[(&str, &str)]| {
        let gateway = Gateway::new(&config(), bare(variables)).unwrap();
        let call = gateway.plan(CallRequest::text("x"), name(), &none).unwrap();
        gateway.preview(&call, &CallPlace::anywhere()).await.unwrap()
    };
    let router = preview(&[("OPENROUTER_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")]).await;
    assert_eq!((&router["model"], &router["body"]["max_tokens"]), (&json!("anthropic/claude-haiku-4-5"), &json!(1024)));
    assert_eq!(preview(&[("ANTHROPIC_API_KEY", "b")]).await["model"], "claude-haiku-4-5-20251001");
}

/// A variable that is set later.
#[derive(Default)]
struct Later(std::sync::Mutex<Option<String>>);

impl Environment for Later {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "ANTHROPIC_API_KEY").then(|| self.0.lock().unwrap().clone()).flatten()
    }
}

#[tokio::test]
async fn a7_a_key_that_appears_makes_a_planned_call_ready() {
    let later = Arc::new(Later::default());
    let gateway = Gateway::new(&config(), Services::local(later.clone())).unwrap();
    let call = gateway.plan(CallRequest::text("x"), name(), &FrozenModels::default()).unwrap();
    assert!(gateway.is_ready(&call).await.is_err());
    *later.0.lock().unwrap() = Some(KEY.into());
    assert_eq!(gateway.is_ready(&call).await, Ok(()));
}

#[test]
fn wrong_settings_name_their_key() {
    let error = |settings: Value| Gateway::new(&config_of(settings), bare(&[])).unwrap_err();
    assert_eq!(error(json!({ "retry": { "attempts": 0 } })).key, "retry.attempts");
    assert_eq!(error(json!({ "mocks": [{ "replies": [] }] })).to_string(), "llm.mocks: mock rule 0 has no replies");
    assert_eq!(error(json!({ "cache": { "rules": { "namespace": " " } } })).key, "cache.rules");
    assert_eq!(error(json!({ "redact": { "patterns": [{ "pattern": "(" }] } })).key, "redact.patterns");
    assert_eq!(error(json!({ "parameters": [{ "set": { "model": "x" } }] })).key, "parameters");
    assert_eq!(error(json!({ "rates": { "calls": { "amount": 0, "per_seconds": 1 } } })).key, "rates.calls");
    assert_eq!(error(json!({ "prices": { "file": "/no/such/file" } })).key, "prices.file");
    assert!(serde_json::from_value::<GatewayConfig>(json!({ "chunk_mark": true })).is_err(), "unknown keys are refused");
    assert_eq!(serde_json::from_value::<GatewayConfig>(json!({})).unwrap(), GatewayConfig::default());
}

/// Has every secret, and counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl SecretSource for Counting {
    async fn secret(&self, _: &str) -> Result<BTreeMap<String, Secret>, SecretError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(BTreeMap::from([("GROQ_API_KEY".to_owned(), Secret::new(KEY))]))
    }
}

#[tokio::test]
async fn a_look_opens_secrets_only_for_what_guardrails_say() {
    let models = models_of(json!({ "fast": { "model": "groq/m", "secret": "creds", "base_url": "http://127.0.0.1:1" } }));
    for (settings, opened) in [(json!({}), 0), (json!({ "deny": ["openai/*"] }), 2)] {
        let vault = Arc::new(Counting::default());
        let gateway = Gateway::new(&config_of(settings), Services { secrets: vault.clone(), ..bare(&[]) }).unwrap();
        let call = gateway.plan(request("fast"), name(), &models).unwrap();
        gateway.check(&call, &place()).await.unwrap();
        gateway.preview(&call, &place()).await.unwrap();
        assert_eq!(vault.0.load(Ordering::Relaxed), opened);
    }
}
