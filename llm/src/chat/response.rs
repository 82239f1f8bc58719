//! A response in the shape that policies see.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tool::is_run_by_caller;
use super::{Content, Extra, ToolCall, Usage};

/// A model's response (the "annotated response" of an event). Of several answers it shows the first; the raw response has all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// The provider's name of this response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model that answered, which may be another than was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it said, without its thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Content>,
    /// The tools that it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ResponseToolCall>,
    /// Why it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What only this provider's responses have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_specific: Option<ApiSpecific>,
    /// The provider's other keys.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChatResponse {
    /// What it said; empty where it said nothing.
    pub fn text(&self) -> String {
        self.message.as_ref().map(Content::text).unwrap_or_default()
    }

    /// All tokens read, those of the provider's prompt cache included. Anthropic counts them apart, the others do not.
    pub fn input_tokens(&self) -> Option<u64> {
        let usage = self.usage.as_ref()?;
        let prompt = usage.prompt_tokens?;
        Some(match self.api_specific {
            Some(ApiSpecific::AnthropicMessages { .. }) => {
                prompt.saturating_add(usage.cache_read_tokens.unwrap_or(0)).saturating_add(usage.cache_write_tokens.unwrap_or(0))
            }
            _ => prompt,
        })
    }

    /// Whether the provider ran tools of its own for it (search, code …), as far as that can be seen: it charges for them beside the tokens.
    pub fn used_provider_tools(&self) -> bool {
        // Where OpenAI, Perplexity and Groq say in OpenAI Chat what was found, or run.
        const TRACES: [&str; 4] = ["annotations", "citations", "search_results", "executed_tools"];
        let is_filled = |value: &Value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        let kind = |item: &Value| item.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        match &self.api_specific {
            Some(ApiSpecific::OpenAiResponses { output_items: Some(items), .. }) => {
                items.iter().filter_map(Value::as_object).any(is_call_of_provider)
            }
            Some(ApiSpecific::AnthropicMessages { content_blocks: Some(blocks), .. }) => {
                blocks.iter().map(kind).any(|kind| kind == "server_tool_use")
            }
            Some(ApiSpecific::Gemini { candidates: Some(candidates), .. }) => {
                candidates.iter().filter_map(|candidate| candidate.get("groundingMetadata")).any(is_filled)
            }
            Some(ApiSpecific::OpenAiChat { .. }) => TRACES.iter().filter_map(|key| self.extra.get(*key)).any(is_filled),
            _ => false,
        }
    }
}

/// Whether an item of OpenAI Responses is a call that the provider ran, and neither the caller nor a server of somebody else's (MCP).
fn is_call_of_provider(item: &Extra) -> bool {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    // What a shell of the caller's wrote comes with the next request.
    if kind == "shell_call_output" {
        return true;
    }
    let Some(tool) = kind.strip_suffix("_call") else { return false };
    let tool = tool.strip_suffix("_tool").unwrap_or(tool);
    tool != "mcp" && !is_run_by_caller(tool, item)
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had said all.
    Complete,
    /// It reached the limit of tokens.
    Length,
    /// It waits for tools.
    ToolUse,
    /// The provider cut it off for what it said or was asked.
    ContentFilter,
    /// Another reason, by the provider's word.
    Unknown(String),
}

/// A tool that a response asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseToolCall {
    /// What the answer is to refer to.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// Its arguments. A JSON string where the model wrote what is not JSON.
    pub arguments: Value,
}

impl ResponseToolCall {
    /// The call as it stands in a conversation.
    pub fn to_tool_call(&self) -> ToolCall {
        let arguments = match &self.arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        ToolCall::function(&self.id, &self.name, arguments)
    }
}

/// What only one provider's responses have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "api")]
#[expect(clippy::large_enum_variant, reason = "there is one per response, and boxes would be in everyone's way")]
pub enum ApiSpecific {
    /// OpenAI Chat and all that speak it.
    #[serde(rename = "openai_chat")]
    OpenAiChat {
        /// How likely each token was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logprobs: Option<Value>,
        /// The provider's configuration that answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system_fingerprint: Option<String>,
        /// The class of service that was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_tier: Option<String>,
        /// What of its message goes back with the results of the tools that it calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking: Option<Extra>,
    },
    /// OpenAI Responses.
    #[serde(rename = "openai_responses")]
    OpenAiResponses {
        /// Everything that came out, in order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_items: Option<Vec<Value>>,
        /// `completed`, `incomplete`, `failed` …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// Why it is incomplete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incomplete_details: Option<Value>,
        /// The kept response that it goes on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous_response_id: Option<String>,
        /// Whether the provider keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<bool>,
        /// The class of service that was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_tier: Option<String>,
        /// What was done with a conversation that is too long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        truncation: Option<Value>,
        /// How the model thought.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<Value>,
        /// What the tokens read were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input_tokens_details: Option<Value>,
        /// What the tokens written were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_tokens_details: Option<Value>,
    },
    /// Anthropic Messages.
    #[serde(rename = "anthropic_messages")]
    AnthropicMessages {
        /// The key `type`, normally `message`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object_type: Option<String>,
        /// Normally `assistant`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Why it stopped, in the provider's word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_reason: Option<String>,
        /// The stop sequence that was met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_sequence: Option<String>,
        /// The class of service that was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_tier: Option<String>,
        /// The container of the provider's code execution.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<Value>,
        /// Everything that came out, in order, thinking included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_blocks: Option<Vec<Value>>,
    },
    /// Gemini `generateContent`.
    #[serde(rename = "gemini")]
    Gemini {
        /// All candidates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        candidates: Option<Vec<Value>>,
        /// What the provider thought of the prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt_feedback: Option<Value>,
    },
    /// A protocol that only a caller's own codec knows.
    #[serde(rename = "custom")]
    Custom {
        /// The protocol's name.
        api_name: String,
        /// Whatever its codec found.
        data: Value,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Api;
    use serde_json::json;

    fn of(api: Api, response: &Value) -> bool {
        api.protocol().decode_response(response).unwrap().used_provider_tools()
    }

    #[test]
    fn items_of_the_callers_tools_are_told_from_the_providers() {
        let one = |item: Value| of(Api::OpenAiResponses, &json!({ "output": [item] }));
        for kind in ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "shell_call_output"]
        {
            assert!(one(json!({ "type": kind })), "{kind}");
        }
        assert!(one(json!({ "type": "shell_call", "environment": { "type": "container_reference" } })));
        let own =
            ["custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_call", "message"];
        for kind in own {
            assert!(!one(json!({ "type": kind })), "{kind}");
        }
        assert!(!one(json!({ "type": "shell_call", "environment": { "type": "local" } })));
        assert!(!one(json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" })));
    }

    #[test]
    fn any_of_several_answers_may_say_what_was_found() {
        let answer = |index: u64, message: Value| json!({ "index": index, "message": message });
        let plain = || answer(0, json!({ "content": "a", "annotations": [], "executed_tools": null }));
        assert!(!of(Api::OpenAiChat, &json!({ "choices": [plain()] })));
        for key in ["annotations", "executed_tools"] {
            let found = answer(1, json!({ "content": "b", key: [{ "type": "x" }] }));
            assert!(of(Api::OpenAiChat, &json!({ "choices": [plain(), found] })), "{key}");
        }
        for key in ["citations", "search_results"] {
            assert!(of(Api::OpenAiChat, &json!({ "choices": [plain()], key: ["https://example.org"] })), "{key}");
        }
    }
}
