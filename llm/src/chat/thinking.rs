//! What a model thought, where its provider wants that back.
//!
//! Thinking is signed or encrypted, so that only its provider can read it, and some refuse the results of tools if the thinking before the
//! calls is missing. It stands in the message that continues the conversation:
//!
//! | protocol | what | where |
//! |---|---|---|
//! | Anthropic Messages | blocks `thinking` and `redacted_thinking` | among the parts, in the order in which they came |
//! | OpenAI Responses | items `reasoning` | among the parts; one between two calls under `reasoning` of the call that follows |
//! | Gemini | `thoughtSignature` | with the part or the call that was signed |
//! | OpenAI Chat, of some providers | `reasoning_content` or `reasoning_details` of a message that calls tools; `extra_content` of a call | keys of the message, of the call |

use serde_json::{Map, Value, json};

use super::{ApiSpecific, ChatResponse, Content, Extra, Message, Part, ResponseToolCall, Role, TextPart, ToolCall};

/// Where Gemini signs.
pub(crate) const SIGNATURE: &str = "thoughtSignature";
/// Where a call has the items of OpenAI Responses that stand between it and the call before it.
pub(crate) const BEFORE_CALL: &str = "reasoning";
/// Keys of a message of OpenAI Chat that go back with the results of its calls.
pub(crate) const OF_CHAT_MESSAGES: [&str; 2] = ["reasoning_content", "reasoning_details"];
/// The key of a call of OpenAI Chat that goes back with it: Gemini's signature, on its compatible address.
pub(crate) const OF_CHAT_CALLS: &str = "extra_content";

/// Whose thinking a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thinker {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// Gemini.
    Gemini,
}

impl Thinker {
    /// Whose thinking an object among the parts is, if it is any.
    pub(crate) fn of(part: &Map<String, Value>) -> Option<Self> {
        match part.get("type").and_then(Value::as_str) {
            Some("thinking" | "redacted_thinking") => Some(Self::Anthropic),
            Some("reasoning") => Some(Self::Responses),
            None if part.get("thought") == Some(&Value::Bool(true)) => Some(Self::Gemini),
            _ => None,
        }
    }
}

impl Part {
    /// Whether it is thinking, which only the provider that wrote it can read.
    pub fn is_thinking(&self) -> bool {
        self.thinker().is_some()
    }

    /// Whose thinking it is, if it is any.
    pub(crate) fn thinker(&self) -> Option<Thinker> {
        match self {
            Self::Native(map) => Thinker::of(map),
            Self::Text(_) | Self::Image(_) => None,
        }
    }
}

impl ChatResponse {
    /// The message that continues the conversation after this response. Thinking that its provider wants back is part of it; whoever writes it for
    /// another provider leaves that out.
    pub fn to_message(&self) -> Message {
        let tool_calls = self.tool_calls.iter().map(ResponseToolCall::to_tool_call).collect();
        let mut message = Message {
            role: Role::Assistant,
            content: self.message.clone(),
            name: None,
            tool_calls,
            tool_call_id: None,
            extra: Extra::new(),
        };
        match &self.api_specific {
            Some(ApiSpecific::AnthropicMessages { content_blocks: Some(blocks), .. }) => of_anthropic(blocks, &mut message),
            Some(ApiSpecific::OpenAiResponses { output_items: Some(items), store, .. }) => {
                of_responses(items, *store, &mut message);
            }
            Some(ApiSpecific::Gemini { candidates: Some(candidates), .. }) => of_gemini(candidates, &mut message),
            Some(ApiSpecific::OpenAiChat { thinking, .. }) => of_chat(thinking.as_ref(), &mut message),
            _ => {}
        }
        message
    }
}

fn kind(block: &Value) -> Option<&str> {
    block.get("type").and_then(Value::as_str)
}

fn is_of(block: &Value, thinker: Thinker) -> bool {
    block.as_object().and_then(Thinker::of) == Some(thinker)
}

/// In the order in which they came, with the texts between them.
fn of_anthropic(blocks: &[Value], message: &mut Message) {
    let is_thought = |block: &Value| is_of(block, Thinker::Anthropic);
    if blocks.iter().any(is_thought) {
        let kept = blocks.iter().filter(|block| is_thought(block) || kind(block) == Some("text"));
        message.content =
            Some(Content::Parts(kept.filter_map(Value::as_object).map(|block| Part::from(block.clone())).collect()));
    }
}

/// Each item has to be followed by what it led to, so that the order counts, and the last ones go with nothing.
fn of_responses(items: &[Value], store: Option<bool>, message: &mut Message) {
    // One that is not encrypted is a name for what the provider keeps, and means nothing if it keeps nothing.
    let returns = |item: &Value| {
        is_of(item, Thinker::Responses) && (store != Some(false) || item.get("encrypted_content").is_some_and(Value::is_string))
    };
    if !items.iter().any(returns) {
        return;
    }
    let mut parts = Vec::new();
    let mut pending: Vec<Value> = Vec::new();
    let mut calls = message.tool_calls.iter_mut();
    let mut before_calls = true;
    for item in items {
        match kind(item) {
            Some("reasoning") if returns(item) => pending.push(item.clone()),
            Some("message") => {
                parts.extend(take_thoughts(&mut pending));
                parts.extend(texts_of(item).map(Part::from_text));
            }
            Some("function_call") => {
                let Some(call) = calls.next() else { break };
                if before_calls {
                    parts.extend(take_thoughts(&mut pending));
                } else if !pending.is_empty() {
                    call.extra.insert(BEFORE_CALL.to_owned(), Value::Array(std::mem::take(&mut pending)));
                }
                before_calls = false;
            }
            _ => {}
        }
    }
    message.content = (!parts.is_empty()).then_some(Content::Parts(parts));
}

fn take_thoughts(pending: &mut Vec<Value>) -> impl Iterator<Item = Part> {
    std::mem::take(pending).into_iter().filter_map(|item| item.as_object().cloned()).map(Part::Native)
}

fn texts_of(item: &Value) -> impl Iterator<Item = &str> {
    let parts = item.get("content").and_then(Value::as_array).into_iter().flatten();
    parts.filter(|part| kind(part) == Some("output_text")).filter_map(|part| part.get("text")?.as_str())
}

/// What is signed stays in a part of its own, with its signature. What the model tells of its thoughts is for people, if it is not signed.
fn of_gemini(candidates: &[Value], message: &mut Message) {
    let index = |candidate: &&Value| candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
    let Some(first) = candidates.iter().min_by_key(index) else { return };
    let parts = first.get("content").and_then(|content| content.get("parts")).and_then(Value::as_array);
    let parts: Vec<&Map<String, Value>> = parts.into_iter().flatten().filter_map(Value::as_object).collect();
    let (calls, said): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.contains_key("functionCall"));
    for (call, part) in message.tool_calls.iter_mut().zip(calls) {
        if let Some(signature) = part.get(SIGNATURE) {
            call.extra.insert(SIGNATURE.to_owned(), signature.clone());
        }
    }
    if !said.iter().any(|part| part.contains_key(SIGNATURE)) {
        return;
    }
    let kept = said.into_iter().filter_map(|part| {
        let is_signed = part.contains_key(SIGNATURE);
        match part.get("text") {
            Some(Value::String(text)) if Thinker::of(part).is_none() && !part.contains_key("type") => {
                let extra = part.get(SIGNATURE).map(|signature| (SIGNATURE.to_owned(), signature.clone()));
                Some(Part::Text(TextPart { text: text.clone(), extra: extra.into_iter().collect() }))
            }
            _ => is_signed.then(|| Part::Native(part.clone())),
        }
    });
    message.content = Some(Content::Parts(kept.collect()));
}

fn of_chat(thinking: Option<&Extra>, message: &mut Message) {
    let Some(thinking) = thinking else { return };
    let of_message = thinking.iter().filter(|(key, _)| OF_CHAT_MESSAGES.contains(&key.as_str()));
    message.extra.extend(of_message.map(|(key, value)| (key.clone(), value.clone())));
    let of_calls = thinking.get(OF_CHAT_CALLS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (call, extra) in message.tool_calls.iter_mut().zip(of_calls) {
        if !extra.is_null() {
            call.extra.insert(OF_CHAT_CALLS.to_owned(), extra.clone());
        }
    }
}

/// What of a message of OpenAI Chat goes back with the results of the tools that it calls: keys of [`OF_CHAT_MESSAGES`], and of its calls, in
/// their order, what is under [`OF_CHAT_CALLS`].
pub(crate) fn in_chat_message(message: &Map<String, Value>) -> Option<Extra> {
    let calls = message.get("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty())?;
    let known =
        |key: &&str| message.get(*key).is_some_and(|value| !value.is_null() && *value != json!("") && *value != json!([]));
    let keys = OF_CHAT_MESSAGES.into_iter().filter(known);
    let mut found: Extra = keys.filter_map(|key| Some((key.to_owned(), message.get(key)?.clone()))).collect();
    let of_calls: Vec<Value> = calls.iter().map(|call| call.get(OF_CHAT_CALLS).cloned().unwrap_or_default()).collect();
    if of_calls.iter().any(|extra| !extra.is_null()) {
        found.insert(OF_CHAT_CALLS.to_owned(), Value::Array(of_calls));
    }
    (!found.is_empty()).then_some(found)
}

/// Takes all thinking out of a message but that of the protocol `kept` (`chat` for OpenAI Chat's keys). False where nothing is left of the message.
pub(crate) fn keep_thinking(message: &mut Message, kept: Option<Thinker>, chat: bool) -> bool {
    if !chat {
        for key in OF_CHAT_MESSAGES {
            message.extra.shift_remove(key);
        }
    }
    for call in &mut message.tool_calls {
        keep_in_call(call, kept, chat);
    }
    if let Some(Content::Parts(parts)) = &mut message.content {
        let count = parts.len();
        parts.retain(|part| part.thinker().is_none_or(|thinker| Some(thinker) == kept));
        if kept != Some(Thinker::Gemini) {
            parts.retain_mut(unsign);
        }
        if parts.len() < count && parts.is_empty() {
            message.content = None;
            return !message.tool_calls.is_empty();
        }
    }
    true
}

fn keep_in_call(call: &mut ToolCall, kept: Option<Thinker>, chat: bool) {
    for (key, stays) in
        [(SIGNATURE, kept == Some(Thinker::Gemini)), (BEFORE_CALL, kept == Some(Thinker::Responses)), (OF_CHAT_CALLS, chat)]
    {
        if !stays {
            call.extra.shift_remove(key);
        }
    }
}

/// Takes a signature away. False for a part that was there for nothing else.
fn unsign(part: &mut Part) -> bool {
    match part {
        Part::Text(part) => part.extra.shift_remove(SIGNATURE).is_none() || !part.text.is_empty(),
        Part::Native(map) => {
            map.shift_remove(SIGNATURE);
            true
        }
        Part::Image(part) => {
            part.extra.shift_remove(SIGNATURE);
            true
        }
    }
}
