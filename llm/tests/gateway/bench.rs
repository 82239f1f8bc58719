//! What the tests have in common: gateways, models at a peer, and peers that speak the protocols.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::response::Response;
use kitaru_llm::codec::Api;
use kitaru_llm::event::{Event, atof};
use kitaru_llm::gateway::{CallPlace, CallRecord, CallRequest, CallStream, Gateway, GatewayConfig, RetryConfig, Services};
use kitaru_llm::models::{CallNames, FrozenModels};
use kitaru_llm::pipeline::Registration;
use kitaru_llm::policy::{MemoryLedger, MockReply};
use serde_json::{Value, json};

use crate::peer::{End, Peer, Seen, events, json};

/// In no record, no error and no event. It has no form that is known, so that only knowing it helps.
pub const KEY: &str = "planted.marker.QzX93kT0vLw7";
/// 10 tokens read and 5 written by gpt-4o-mini, in billionths of a dollar.
pub const PRICE: u64 = 10 * 150 + 5 * 600;

/// The protocols, each with an alias and the model that it stands for.
pub const MODELS: [(Api, &str, &str); 4] = [
    (Api::OpenAiChat, "chat", "openai/gpt-4o-mini"),
    (Api::OpenAiResponses, "responses", "openai-responses/gpt-4o-mini"),
    (Api::AnthropicMessages, "claude", "anthropic/claude-haiku-4-5"),
    (Api::Gemini, "gemini", "gemini/gemini-2.0-flash"),
];

pub fn config() -> GatewayConfig {
    let retry = RetryConfig { first_pause_ms: 1, longest_pause_ms: 2, ..RetryConfig::default() };
    GatewayConfig { system_proxy: false, retry, ..GatewayConfig::default() }
}

/// Settings as they stand in a file, over those of the tests.
pub fn config_of(settings: Value) -> GatewayConfig {
    let mut all = serde_json::to_value(config()).unwrap();
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

pub fn environment(more: &[(&str, &str)]) -> Arc<BTreeMap<String, String>> {
    let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"].map(|name| (name, KEY));
    Arc::new(keys.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

pub fn services() -> Services {
    Services::local(environment(&[]))
}

pub fn gateway(config: &GatewayConfig) -> Gateway {
    Gateway::new(config, services()).unwrap()
}

/// A gateway, and the ledger that it writes to.
pub fn with_ledger(config: &GatewayConfig) -> (Gateway, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::default());
    (Gateway::new(config, Services { ledger: ledger.clone(), ..services() }).unwrap(), ledger)
}

pub fn models_of(aliases: Value) -> FrozenModels {
    serde_json::from_value(json!({ "registry": { "aliases": aliases } })).unwrap()
}

/// All aliases at one peer.
pub fn models(peer: &Peer) -> FrozenModels {
    let alias = |(_, alias, model): &(Api, &str, &str)| ((*alias).to_owned(), json!({ "model": model, "base_url": peer.url() }));
    models_of(Value::Object(MODELS.iter().map(alias).collect()))
}

pub fn request(model: &str) -> CallRequest {
    CallRequest { temperature: Some(0.0), ..CallRequest::text("Grüße \u{1f980}").with_model(model) }
}

pub async fn ask(gateway: &Gateway, models: &FrozenModels, request: CallRequest) -> CallRecord {
    ask_at(gateway, models, request, place()).await
}

pub async fn ask_at(gateway: &Gateway, models: &FrozenModels, request: CallRequest, place: CallPlace) -> CallRecord {
    let name = CallNames::new().next(request.name.as_deref()).unwrap();
    gateway.complete(gateway.plan(request, name, models).unwrap(), place).await
}

pub async fn open(gateway: &Gateway, models: &FrozenModels, request: CallRequest) -> Result<CallStream, Box<CallRecord>> {
    let name = CallNames::new().next(request.name.as_deref()).unwrap();
    gateway.stream(gateway.plan(request, name, models).unwrap(), place()).await
}

pub fn place() -> CallPlace {
    CallPlace { execution: Some("e1".into()), flow: Some("f1".into()), ..CallPlace::anywhere() }
}

/// The document of an answer with usage, as a provider would send it.
pub fn document(api: Api, text: &str) -> Value {
    let reply = MockReply { tokens_input: Some(10), tokens_output: Some(5), ..MockReply::text(text) };
    reply.to_raw(api, "id-1", "answering-model").unwrap()
}

/// Which protocol a request speaks, and whether it wants a stream.
pub fn asked(seen: &Seen) -> (Api, bool) {
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let api = match seen.path.as_str() {
        path if path.ends_with("/chat/completions") => Api::OpenAiChat,
        path if path.ends_with("/responses") => Api::OpenAiResponses,
        path if path.ends_with("/v1/messages") => Api::AnthropicMessages,
        _ => Api::Gemini,
    };
    (api, body["stream"] == json!(true) || seen.path.contains("streamGenerateContent"))
}

/// The events of a stream that add up to `document`.
pub fn wire(api: Api, document: &Value) -> Vec<String> {
    let mut pieces: Vec<_> = api.chunks_of(document).iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    if api == Api::OpenAiChat {
        pieces.push("data: [DONE]\n\n".to_owned());
    }
    pieces
}

/// The answer of this text, in the protocol and the delivery that were asked for.
pub fn answer(seen: &Seen, text: &str) -> Response {
    let (api, streams) = asked(seen);
    let document = document(api, text);
    if streams { events(wire(api, &document), End::Clean) } else { json(&document) }
}

/// A peer that answers everything with this text.
pub async fn peer(text: &'static str) -> Peer {
    Peer::start(move |_, seen| Some(answer(seen, text))).await
}

/// Everything that the subscribers of a gateway see.
pub fn watch(gateway: &Gateway) -> Arc<Mutex<Vec<Event>>> {
    let events = Arc::<Mutex<Vec<Event>>>::default();
    let kept = Arc::clone(&events);
    let subscriber = Arc::new(move |event: &Event| kept.lock().unwrap().push(event.clone()));
    gateway.pipeline().registrations().subscribers.register(Registration::new("test", 0), subscriber).unwrap();
    events
}

pub fn lines(events: &[Event]) -> String {
    events.iter().map(atof::to_line).collect::<Vec<_>>().join("\n")
}

/// Everything that is kept of a call.
pub fn all_of(record: &CallRecord) -> String {
    let usage: Vec<_> = record.usage.iter().map(|record| record.to_json()).collect();
    format!("{record:?} {} {}", lines(&record.events), json!(usage))
}

/// The names of the marks among events.
pub fn marks(record: &CallRecord) -> Vec<String> {
    record.events.iter().filter(|event| event.is_mark()).map(|event| event.name.clone()).collect()
}

/// What the end of a call says of whether a provider was asked.
pub fn was_asked(record: &CallRecord) -> Option<bool> {
    record.events.last().and_then(|end| end.metadata_member("kitaru.llm.asked")).and_then(Value::as_bool)
}
