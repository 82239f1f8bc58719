//! Gemini `generateContent`.
//!
//! The protocol names the model and the wish for a stream in the address, not in the body. So that a policy can change both, the requests
//! of this codec carry them in the body as `model` and `stream`, like those of all others, and [`GeminiCall::of`] takes them out where the
//! request is sent.

mod content;
mod response;
mod stream;
mod tool;

use serde_json::{Map, Value, json};

use self::content::{names_of_results, read_contents, read_system, write_contents, write_system};
use self::tool::{read_choice, read_tools, write_choice, write_tools};
use super::fields::{Fields, keep_rest};
use super::merge::{Patch, splice};
use super::{Codec, CodecError};
use crate::chat::{ChatRequest, JsonSchemaFormat, Message, RawRequest, ResponseFormat};

const API: &str = "Gemini";

/// The protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemini;

/// A request of [`Gemini`] as it goes on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct GeminiCall {
    /// The model, for the address, without `models/`.
    pub model: String,
    /// Whether to call `streamGenerateContent?alt=sse`.
    pub stream: bool,
    /// The body.
    pub body: Value,
}

impl GeminiCall {
    /// Takes the model and the wish for a stream out of `content`.
    ///
    /// # Errors
    /// When there is no model, or `content` is no object.
    pub fn of(content: &Value) -> Result<Self, CodecError> {
        let mut body = content.as_object().cloned().ok_or_else(|| CodecError::request("body", "an object"))?;
        let Some(Value::String(model)) = body.shift_remove("model") else { return Err(CodecError::request("model", "text")) };
        let stream = body.shift_remove("stream").as_ref().and_then(Value::as_bool).unwrap_or(false);
        let model = model.strip_prefix("models/").unwrap_or(&model).to_owned();
        Ok(Self { model, stream, body: Value::Object(body) })
    }
}

/// Google's servers take field names in both spellings. Only one is read here, and what policies would not see must not pass.
const OTHER_SPELLINGS: [(&str, &[&str]); 4] = [
    ("", &["system_instruction", "generation_config", "tool_config"]),
    (
        "generationConfig",
        &[
            "top_p",
            "top_k",
            "max_output_tokens",
            "stop_sequences",
            "frequency_penalty",
            "presence_penalty",
            "candidate_count",
            "response_mime_type",
            "response_json_schema",
            "response_schema",
        ],
    ),
    ("parts", &["function_call", "function_response", "inline_data"]),
    ("tools", &["function_declarations"]),
];

/// Refuses the spelling that is not read.
fn check_spelling(body: &Value) -> Result<(), CodecError> {
    let turns = || elements(body).iter().chain(body.get("systemInstruction"));
    for (place, keys) in OTHER_SPELLINGS {
        let found = |value: &Value| keys.iter().find(|key| value.get(**key).is_some()).copied();
        let key = match place {
            "" => found(body),
            "generationConfig" => body.get(place).and_then(found),
            "parts" => turns().flat_map(|turn| items(turn, place)).find_map(found),
            _ => items(body, place).iter().find_map(found),
        };
        if let Some(key) = key {
            let path = if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
            return Err(CodecError::request(path, "written in camel case, as in the API's reference"));
        }
    }
    Ok(())
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn elements(body: &Value) -> &[Value] {
    items(body, "contents")
}

/// The settings that have fields of their own, under their names here.
fn settings(request: &ChatRequest) -> Result<[(&'static str, Option<Value>); 11], CodecError> {
    let params = &request.params;
    let (mime, schema) = match &request.response_format {
        None => (None, None),
        Some(ResponseFormat::Text) => (Some(json!("text/plain")), None),
        Some(ResponseFormat::JsonObject) => (Some(json!("application/json")), None),
        Some(ResponseFormat::JsonSchema(format)) => (Some(json!("application/json")), Some(format.schema.clone())),
        Some(ResponseFormat::Native(_)) => {
            return Err(CodecError::Unsupported { api: API, feature: "an answer in another provider's form" });
        }
    };
    Ok([
        ("temperature", params.temperature.map(Value::from)),
        ("topP", params.top_p.map(Value::from)),
        ("topK", request.top_k.map(Value::from)),
        ("maxOutputTokens", params.max_tokens.map(Value::from)),
        ("stopSequences", params.stop.clone().map(Value::from)),
        ("seed", request.seed.map(Value::from)),
        ("frequencyPenalty", request.frequency_penalty.map(Value::from)),
        ("presencePenalty", request.presence_penalty.map(Value::from)),
        ("candidateCount", request.n.map(Value::from)),
        ("responseMimeType", mime),
        ("responseJsonSchema", schema),
    ])
}

/// Reads the settings; those that are not known stay in the object that is returned.
fn read_settings(settings: &Value, out: &mut ChatRequest) -> Result<Map<String, Value>, CodecError> {
    let mut fields = Fields::of(settings, "generationConfig")?;
    out.params.temperature = fields.number("temperature")?;
    out.params.top_p = fields.number("topP")?;
    out.top_k = fields.count("topK")?;
    out.params.max_tokens = fields.count("maxOutputTokens")?;
    out.params.stop = fields.texts("stopSequences")?;
    out.seed = fields.integer("seed")?;
    out.frequency_penalty = fields.number("frequencyPenalty")?;
    out.presence_penalty = fields.number("presencePenalty")?;
    out.n = fields.count("candidateCount")?;
    let (mime, schema) =
        (settings.get("responseMimeType"), settings.get("responseJsonSchema").filter(|schema| !schema.is_null()));
    let format = match (mime.and_then(Value::as_str), schema) {
        // The older `responseSchema` is another language; it stays among the unknown settings, with its type.
        (Some("application/json"), None) if settings.get("responseSchema").is_none() => Some(ResponseFormat::JsonObject),
        (Some("application/json"), Some(schema)) => Some(ResponseFormat::JsonSchema(JsonSchemaFormat {
            name: "output".to_owned(),
            description: None,
            schema: schema.clone(),
            strict: None,
        })),
        (Some("text/plain"), None) => Some(ResponseFormat::Text),
        _ => None,
    };
    if format.is_some() {
        fields.take("responseMimeType");
        fields.take("responseJsonSchema");
    }
    out.response_format = format;
    Ok(fields.rest())
}

impl Codec for Gemini {
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError> {
        let mut fields = Fields::of(&request.content, "")?;
        check_spelling(&request.content)?;
        let mut out = ChatRequest { model: fields.text("model")?, stream: fields.flag("stream")?, ..ChatRequest::default() };
        out.messages = fields.take("systemInstruction").map(|system| read_system(&system)).transpose()?.into_iter().collect();
        let contents = fields.array("contents")?.unwrap_or_default();
        out.messages.extend(read_contents(&contents)?.into_iter().flatten());
        let rest = match fields.take("generationConfig") {
            Some(settings) => read_settings(&settings, &mut out)?,
            None => Map::new(),
        };
        out.tools = read_tools(&fields.array("tools")?.unwrap_or_default())?;
        let choice = fields.take("toolConfig");
        keep_rest(fields, &mut out)?;
        out.tool_choice = choice.map(read_choice);
        if !rest.is_empty() {
            out.extra.insert("generationConfig".to_owned(), Value::Object(rest));
        }
        Ok(out)
    }

    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError> {
        let old = self.decode(original)?;
        let mut patch = Patch::begin(&original.content, &old, request, &["generationConfig"])?;
        // Only the unsupported ones are asked of the common list: the others have other names here.
        let mut wanted = request.clone();
        for (slot, known) in
            [(&mut wanted.frequency_penalty, old.frequency_penalty), (&mut wanted.presence_penalty, old.presence_penalty)]
        {
            *slot = known;
        }
        wanted.params = old.params.clone();
        (wanted.seed, wanted.top_k, wanted.n) = (old.seed, old.top_k, old.n);
        wanted.parallel_tool_calls = wanted.parallel_tool_calls.filter(|parallel| !parallel);
        wanted.store = wanted.store.filter(|store| *store);
        patch.new = &wanted;
        patch.set_shared(API, |key| matches!(key, "model" | "stream"))?;
        patch.new = request;
        if old.response_format != request.response_format || old.params != request.params || settings_differ(&old, request)? {
            for ((key, before), (_, after)) in settings(&old)?.into_iter().zip(settings(request)?) {
                patch.set_in("generationConfig", key, before, after);
            }
        }
        if old.messages != request.messages {
            write_conversation(&mut patch, original)?;
        }
        patch.set("tools", write_tools(&old.tools), write_tools(&request.tools));
        let choice = |request: &ChatRequest| request.tool_choice.as_ref().map(write_choice);
        patch.set("toolConfig", choice(&old), choice(request));
        Ok(RawRequest { headers: original.headers.clone(), content: Value::Object(patch.body) })
    }
}

fn settings_differ(old: &ChatRequest, new: &ChatRequest) -> Result<bool, CodecError> {
    Ok(settings(old)? != settings(new)?)
}

fn write_conversation(patch: &mut Patch<'_>, original: &RawRequest) -> Result<(), CodecError> {
    let (old, new) = (&patch.old.messages, &patch.new.messages);
    let had = usize::from(original.content.get("systemInstruction").is_some_and(|system| !system.is_null()));
    let lead = new.iter().take_while(|message| message.role.is_instruction()).count();
    let (system, rest) = new.split_at_checked(lead).unwrap_or((new, &[]));
    if old.get(..had) != Some(system) {
        match write_system(system) {
            Some(system) => patch.body.insert("systemInstruction".to_owned(), system),
            None => patch.body.shift_remove("systemInstruction"),
        };
    }
    let raw = elements(&original.content);
    let names = names_of_results(new);
    let write = |start: usize, messages: &[Message]| write_contents(start.saturating_add(lead), messages, &names);
    let contents = splice(raw, &read_contents(raw)?, rest, write)?;
    patch.body.insert("contents".to_owned(), Value::Array(contents));
    Ok(())
}
