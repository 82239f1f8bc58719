//! From a request of OpenAI Chat to one of `genai`. What `genai` would leave out or move is refused.

use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRole, ChatStream, ContentPart, MessageContent, ToolCall, ToolResponse};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use serde_json::Value;

use super::TranslationError;
use super::relay::{BASE, Heard};
use crate::chat::thinking::keep_thinking;
use crate::chat::{ChatRequest, Content, ImagePart, Message, Part, RawRequest, ResponseFormat, Role, Tool, ToolChoice};
use crate::codec::{Codec as _, CodecError, OpenAiChat};
use crate::provider::{Delivery, Translation};

/// Media types of pictures that all translators take.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A request, as `genai` is asked to make it. The same one makes the same bytes.
pub(super) struct Asked {
    target: ServiceTarget,
    chat: genai::chat::ChatRequest,
    options: ChatOptions,
    model: String,
}

impl Asked {
    /// What `request`, which is one of OpenAI Chat, asks of `model`.
    ///
    /// # Errors
    /// For what the protocol, or `genai`, has no word for.
    pub(super) fn of(translation: Translation, request: &RawRequest, model: &str) -> Result<Self, CodecError> {
        // Two colons are the translator's own sign, and what stands before them would be gone.
        if model.contains("::") {
            return Err(CodecError::request("model", "a name without `::`"));
        }
        let chat = OpenAiChat.decode(request)?;
        let options = options(translation, &chat)?;
        let tools = tools(translation, &chat)?;
        let messages = Conversation { translation, messages: Vec::new() }.read(chat.messages)?;
        let chat = genai::chat::ChatRequest { tools, ..genai::chat::ChatRequest::new(messages) };
        // The address is this process's own, and the key none: the real ones are added to what is sent.
        let (kind, base) = match translation {
            Translation::BedrockConverse => (AdapterKind::BedrockApi, BASE.to_owned()),
            Translation::CohereChat => (AdapterKind::Cohere, format!("{BASE}v1/")),
            Translation::OllamaChat => (AdapterKind::Ollama, BASE.to_owned()),
        };
        let target = ServiceTarget {
            endpoint: Endpoint::from_owned(base),
            auth: AuthData::from_single("none"),
            model: ModelIden::new(kind, model),
        };
        Ok(Self { target, chat, options, model: model.to_owned() })
    }

    /// The provider's name of the model.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Has the translator make the request, and read a whole answer.
    pub(super) async fn whole(&self, client: &Client) -> Result<genai::chat::ChatResponse, genai::Error> {
        client.exec_chat(self.target.clone(), self.chat.clone(), Some(&self.options)).await
    }

    /// Has the translator make the request, and read a streamed answer. It is not made before the first event is asked for.
    pub(super) async fn stream(&self, client: &Client) -> Result<ChatStream, genai::Error> {
        let begun = client.exec_chat_stream(self.target.clone(), self.chat.clone(), Some(&self.options)).await?;
        Ok(begun.stream)
    }

    /// Whether what the translator made is what is known of it: its path, and the model's name as it was given.
    pub(super) fn check(&self, translation: Translation, delivery: Delivery, heard: &Heard) -> Result<(), TranslationError> {
        let path = translation.call_path(&self.model, delivery).join("/");
        if decoded(&heard.path) != Some(format!("/{path}")) {
            return Err(TranslationError::of_translator("it asks at another address"));
        }
        let body: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
        let named = body.get("model").and_then(Value::as_str);
        if translation != Translation::BedrockConverse && named != Some(&self.model) {
            return Err(TranslationError::of_translator("it asks another model"));
        }
        Ok(())
    }
}

/// A path without its percent signs.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn unsupported(translation: Translation, feature: &'static str) -> CodecError {
    let api = match translation {
        Translation::BedrockConverse => "Bedrock Converse, by genai,",
        Translation::CohereChat => "Cohere's own protocol, by genai,",
        Translation::OllamaChat => "Ollama's own protocol, by genai,",
    };
    CodecError::Unsupported { api, feature }
}

fn options(translation: Translation, chat: &ChatRequest) -> Result<ChatOptions, CodecError> {
    // All of it, so that a new field is not forgotten.
    let ChatRequest {
        messages: _,
        model: _,
        params,
        tools: _,
        tool_choice,
        parallel_tool_calls,
        response_format,
        stream: _,
        seed,
        top_k,
        frequency_penalty,
        presence_penalty,
        n,
        top_logprobs,
        max_tool_calls,
        store,
        previous_response_id,
        truncation,
        reasoning,
        include,
        user,
        metadata,
        service_tier,
        extra,
    } = chat;
    let is_ollama = translation == Translation::OllamaChat;
    let json = match response_format {
        None | Some(ResponseFormat::Text) => false,
        Some(ResponseFormat::JsonObject) if is_ollama => true,
        Some(_) => return Err(unsupported(translation, "the form that the answer is to have")),
    };
    let refused = [
        (!matches!(tool_choice, None | Some(ToolChoice::Auto)), "how tools are to be chosen"),
        (*parallel_tool_calls == Some(false), "that tools are to be asked for one by one"),
        (seed.is_some() && !is_ollama, "a seed"),
        (top_k.is_some(), "top_k"),
        (frequency_penalty.is_some() || presence_penalty.is_some(), "penalties"),
        (n.is_some_and(|n| n != 1), "several answers"),
        (top_logprobs.is_some(), "probabilities"),
        (max_tool_calls.is_some(), "a limit of tool calls"),
        (*store == Some(true) || previous_response_id.is_some(), "kept responses"),
        (truncation.is_some(), "how to shorten conversations"),
        (reasoning.is_some(), "how to think"),
        (include.is_some(), "what else to include"),
        (user.is_some() || metadata.is_some(), "who asks"),
        (service_tier.is_some(), "a class of service"),
        // Usage is always told.
        (extra.keys().any(|key| key != "stream_options"), "parameters of other providers"),
    ];
    if let Some((_, feature)) = refused.into_iter().find(|(refused, _)| *refused) {
        return Err(unsupported(translation, feature));
    }
    let limit = params.max_tokens.map(u32::try_from).transpose();
    let seed = seed.map(u64::try_from).transpose();
    Ok(ChatOptions {
        temperature: params.temperature,
        top_p: params.top_p,
        max_tokens: limit.map_err(|_too_large| CodecError::request("max_tokens", "a number of tokens"))?,
        stop_sequences: params.stop.clone().unwrap_or_default(),
        seed: seed.map_err(|_negative| CodecError::request("seed", "a positive number"))?,
        response_format: json.then_some(genai::chat::ChatResponseFormat::JsonMode),
        ..ChatOptions::default()
    })
}

fn tools(translation: Translation, chat: &ChatRequest) -> Result<Option<Vec<genai::chat::Tool>>, CodecError> {
    if translation == Translation::CohereChat && !chat.tools.is_empty() {
        return Err(unsupported(translation, "tools"));
    }
    let read = |tool: &Tool| match tool {
        Tool::Function(tool) if tool.extra.is_empty() && tool.function.extra.is_empty() && tool.function.strict != Some(true) => {
            let function = &tool.function;
            // By its name alone it might be one of the provider's.
            let mut read = genai::chat::Tool::new(genai::chat::ToolName::Custom(function.name.clone()));
            read.description.clone_from(&function.description);
            // Converse wants one in any case.
            let none = || serde_json::json!({ "type": "object", "properties": {} });
            read.schema = Some(function.parameters.clone().unwrap_or_else(none));
            Ok(read)
        }
        _ => Err(unsupported(translation, "tools that are more than functions")),
    };
    let tools: Vec<_> = chat.tools.iter().map(read).collect::<Result<_, _>>()?;
    Ok((!tools.is_empty()).then_some(tools))
}

/// A conversation, message by message.
struct Conversation {
    translation: Translation,
    messages: Vec<ChatMessage>,
}

impl Conversation {
    fn read(mut self, messages: Vec<Message>) -> Result<Vec<ChatMessage>, CodecError> {
        for message in messages {
            self.push(message)?;
        }
        let ends_with_the_user = self.messages.last().is_some_and(|last| last.role == ChatRole::User);
        if self.translation == Translation::CohereChat && !ends_with_the_user {
            return Err(unsupported(self.translation, "a conversation that does not end with the user"));
        }
        Ok(self.messages)
    }

    fn push(&mut self, mut message: Message) -> Result<(), CodecError> {
        // No model of these protocols gets its thoughts back: the translator has lost their signatures.
        if !keep_thinking(&mut message, None, false) {
            return Ok(());
        }
        let Message { role, content, name, tool_calls, tool_call_id, extra } = message;
        if name.is_some() || !extra.is_empty() {
            return Err(unsupported(self.translation, "names and keys of messages"));
        }
        match role {
            Role::System | Role::Developer => {
                let begins = self.messages.iter().all(|message| message.role == ChatRole::System);
                // The others have instructions in a place of their own, before everything.
                if !begins && self.translation != Translation::OllamaChat {
                    return Err(unsupported(self.translation, "instructions within a conversation"));
                }
                let text = self.text(content)?;
                self.messages.push(ChatMessage::system(text));
            }
            Role::User => {
                let parts = self.parts(content, true)?;
                self.messages.push(ChatMessage::user(MessageContent::from_parts(parts)));
            }
            Role::Assistant => {
                let mut parts = self.parts(content, false)?;
                for call in tool_calls {
                    parts.push(ContentPart::ToolCall(self.call(call)?));
                }
                self.messages.push(ChatMessage::assistant(MessageContent::from_parts(parts)));
            }
            Role::Tool => {
                let id =
                    tool_call_id.ok_or_else(|| CodecError::request("messages", "a tool's message with the call it answers"))?;
                let result = ContentPart::ToolResponse(ToolResponse::new(id, self.text(content)?));
                match self.messages.last_mut() {
                    // Converse wants all results of one answer in one message; Ollama has a message for each.
                    Some(last) if last.role == ChatRole::Tool && self.translation == Translation::BedrockConverse => {
                        last.content.push(result);
                    }
                    _ => self.messages.push(ChatMessage::tool(MessageContent::from_parts(vec![result]))),
                }
            }
            Role::Other(_) => return Err(unsupported(self.translation, "roles of other providers")),
        }
        Ok(())
    }

    fn text(&self, content: Option<Content>) -> Result<String, CodecError> {
        let parts = self.parts(content, false)?;
        Ok(parts.into_iter().filter_map(|part| if let ContentPart::Text(text) = part { Some(text) } else { None }).collect())
    }

    fn parts(&self, content: Option<Content>, pictures: bool) -> Result<Vec<ContentPart>, CodecError> {
        let parts = match content {
            None => Vec::new(),
            // What is empty is refused by Converse, and says nothing.
            Some(Content::Text(text)) if text.is_empty() => Vec::new(),
            Some(Content::Text(text)) => vec![Part::from_text(text)],
            Some(Content::Parts(parts)) => parts,
        };
        let read = |part: Part| match part {
            Part::Text(part) if part.extra.is_empty() => Ok(ContentPart::Text(part.text)),
            Part::Image(image) if pictures && self.translation != Translation::CohereChat => self.picture(&image),
            Part::Text(_) => Err(unsupported(self.translation, "keys of parts of messages, such as `cache_control`")),
            Part::Image(_) | Part::Native(_) => Err(unsupported(self.translation, "this kind of part of a message")),
        };
        parts.into_iter().map(read).collect()
    }

    fn picture(&self, image: &ImagePart) -> Result<ContentPart, CodecError> {
        let data = image.url.strip_prefix("data:").and_then(|url| url.split_once(";base64,"));
        let plain = image.extra.is_empty() && matches!(image.detail.as_deref(), None | Some("auto"));
        match data {
            Some((kind, data)) if plain && PICTURES.contains(&kind) => Ok(ContentPart::from_binary_base64(kind, data, None)),
            _ => Err(unsupported(self.translation, "pictures that are not in the request, or not PNG, JPEG, GIF or WebP")),
        }
    }

    fn call(&self, call: crate::chat::ToolCall) -> Result<ToolCall, CodecError> {
        if self.translation == Translation::CohereChat || call.kind != "function" || !call.extra.is_empty() {
            return Err(unsupported(self.translation, "this kind of tool call"));
        }
        let arguments = if call.function.arguments.trim().is_empty() { "{}" } else { call.function.arguments.as_str() };
        let arguments: Value = serde_json::from_str(arguments)
            .map_err(|_not_json| CodecError::request("messages", "a conversation whose tool calls have JSON as arguments"))?;
        Ok(ToolCall { call_id: call.id, fn_name: call.function.name, fn_arguments: arguments, thought_signatures: None })
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
