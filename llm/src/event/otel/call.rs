//! Attributes of calls.

use serde_json::Value;

use super::messages;
use super::{Attribute, Attributes, Options, TIME_TO_FIRST_CHUNK, put};
use crate::chat::{ChatRequest, ChatResponse, FinishReason, ResponseFormat};
use crate::codec::Api;
use crate::event::{CHUNK_MARK, Event, Profile};

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// A call of a model.
pub(super) fn of_model(to: &mut Attributes, start: &Event, marks: &[&Event], end: Option<&Event>, options: Options) {
    let request = start.profile.as_ref().and_then(Profile::request);
    let response = end.and_then(|end| end.profile.as_ref()).and_then(Profile::response);
    // By what is known when the call begins, so that both ends of it have one name.
    put(to, "gen_ai.operation.name", Some(operation(start)));
    put(to, "gen_ai.provider.name", Some(provider(&start.name)));
    let model = start.profile.as_ref().and_then(|profile| profile.model_name.clone());
    let model = model.or_else(|| request.as_ref().and_then(|request| request.model.clone()));
    put(to, "gen_ai.request.model", model.or_else(|| text(&start.data, "/content/model")).as_deref());
    let streams = start.attributes().is_some_and(|flags| flags.contains("streaming"));
    put(to, "gen_ai.request.stream", streams.then_some(true));
    if let Some(request) = &request {
        of_request(to, request);
        if options.content {
            messages::of_request(to, request);
        }
    }
    if let Some(response) = &response {
        of_response(to, response);
        if options.content {
            messages::of_response(to, response);
        }
    }
    let first = marks.iter().find(|mark| mark.name == CHUNK_MARK);
    let seconds = first.map(|mark| mark.timestamp.since(start.timestamp).as_secs_f64());
    put(to, TIME_TO_FIRST_CHUNK, seconds);
}

/// What the call is by the conventions: Gemini's own protocol has a word of its own. The host says which protocol the call speaks; of other events it can
/// be told by the body, where that was not left out.
fn operation(start: &Event) -> &'static str {
    let said = start.metadata_member("kitaru.llm.api").and_then(Value::as_str);
    let is_gemini = match said {
        Some(api) => api == Api::Gemini.as_str(),
        None => start.data.pointer("/content/contents").is_some(),
    };
    if is_gemini { "generate_content" } else { "chat" }
}

fn of_request(to: &mut Attributes, request: &ChatRequest) {
    let params = &request.params;
    put(to, "gen_ai.request.temperature", params.temperature);
    put(to, "gen_ai.request.max_tokens", params.max_tokens);
    put(to, "gen_ai.request.top_p", params.top_p);
    put(to, "gen_ai.request.stop_sequences", params.stop.clone().map(Attribute::Texts));
    put(to, "gen_ai.request.seed", request.seed);
    put(to, "gen_ai.request.top_k", request.top_k);
    put(to, "gen_ai.request.frequency_penalty", request.frequency_penalty);
    put(to, "gen_ai.request.presence_penalty", request.presence_penalty);
    put(to, "gen_ai.request.choice.count", request.n.filter(|count| *count != 1));
    let output = request.response_format.as_ref().and_then(|format| match format {
        ResponseFormat::Text => Some("text"),
        ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_) => Some("json"),
        ResponseFormat::Native(_) => None,
    });
    put(to, "gen_ai.output.type", output);
}

fn of_response(to: &mut Attributes, response: &ChatResponse) {
    put(to, "gen_ai.response.id", response.id.as_deref());
    put(to, "gen_ai.response.model", response.model.as_deref());
    let reason = response.finish_reason.as_ref().map(|reason| Attribute::Texts(vec![finish_reason(reason).to_owned()]));
    put(to, "gen_ai.response.finish_reasons", reason);
    // Tokens from the provider's cache are among those read, whichever way the provider counts.
    put(to, "gen_ai.usage.input_tokens", response.input_tokens());
    if let Some(usage) = &response.usage {
        put(to, "gen_ai.usage.output_tokens", usage.completion_tokens);
        put(to, "gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens);
        put(to, "gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
        put(to, "gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens);
    }
}

/// The word of the conventions.
pub(super) fn finish_reason(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Complete => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolUse => "tool_call",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Unknown(word) => word,
    }
}

/// The conventions' name of a provider, by the prefix that models of it have; another name stays as it is.
fn provider(name: &str) -> &str {
    match name {
        "azure" => "azure.ai.openai",
        "azure_ai" => "azure.ai.inference",
        "bedrock" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "moonshot" => "moonshot_ai",
        "vertex_ai" => "gcp.vertex_ai",
        "watsonx" => "ibm.watsonx.ai",
        "xai" => "x_ai",
        other => other,
    }
}

/// A call of a tool.
pub(super) fn of_tool(to: &mut Attributes, start: &Event, end: Option<&Event>, options: Options) {
    put(to, "gen_ai.operation.name", Some("execute_tool"));
    put(to, "gen_ai.tool.name", Some(start.name.as_str()));
    // The model only says what to call it with, and whoever asked the model executes it.
    put(to, "gen_ai.tool.type", Some("function"));
    put(to, "gen_ai.tool.call.id", start.profile.as_ref().and_then(|profile| profile.tool_call_id.as_deref()));
    if options.content {
        let shown = |data: &Value| (!data.is_null()).then(|| Attribute::Json(data.clone()));
        put(to, "gen_ai.tool.call.arguments", shown(&start.data));
        put(to, "gen_ai.tool.call.result", end.and_then(|end| shown(&end.data)));
    }
}

/// A call of an embedding model.
pub(super) fn of_embedder(to: &mut Attributes, start: &Event) {
    put(to, "gen_ai.operation.name", Some("embeddings"));
    put(to, "gen_ai.provider.name", Some(provider(&start.name)));
    put(to, "gen_ai.request.model", start.profile.as_ref().and_then(|profile| profile.model_name.as_deref()));
}

fn text(data: &Value, pointer: &str) -> Option<String> {
    data.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}
