//! Scripted answers in place of providers: a table by the call's name, its model and its prompt, with failures and delays.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pattern::Pattern;
use super::redact::{RedactError, compile};
use crate::chat::{ApiSpecific, ChatResponse, Content, FinishReason, ResponseToolCall, Usage};
use crate::price::NanoUsd;

/// Which calls a rule answers, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MockRule {
    /// The call's name; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Pattern>,
    /// The alias that was asked for or the model as `provider/model`; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Pattern>,
    /// A regular expression that the text of the prompt has to have somewhere; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The answers of the first such call, the second …
    pub replies: Vec<MockReply>,
    /// What happens after the last of them.
    #[serde(default)]
    pub then: WhenExhausted,
}

/// What a rule does when its answers are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenExhausted {
    /// The last answer is given again.
    #[default]
    Repeat,
    /// The first answer comes next.
    Cycle,
    /// The call fails.
    Fail,
    /// The next rule that fits answers, and the provider if there is none.
    Pass,
}

/// One scripted answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenReply")]
#[schemars(with = "WrittenReply")]
pub struct MockReply {
    /// What is answered.
    #[serde(flatten)]
    pub answer: MockAnswer,
    /// So many milliseconds it takes.
    #[serde(default)]
    pub delay_ms: u64,
    /// Tokens that are reported as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<u64>,
    /// Tokens that are reported as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<u64>,
    /// The cost that is reported, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<NanoUsd>,
}

/// A reply as it is written. Spelt out, because what is flattened cannot refuse what it does not know, and a misspelt delay must not be none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenReply {
    /// The answer is a text.
    text: Option<String>,
    /// The answer is JSON, as its text: for calls that ask for structured answers.
    #[serde(default, deserialize_with = "present")]
    json: Option<Value>,
    /// The answer are tools that the model asks for.
    tool_calls: Option<Vec<MockToolCall>>,
    /// There is no answer but a failure, as if the provider had failed.
    error: Option<MockFailure>,
    /// So many milliseconds it takes.
    #[serde(default)]
    delay_ms: u64,
    /// Tokens that are reported as read.
    tokens_input: Option<u64>,
    /// Tokens that are reported as written.
    tokens_output: Option<u64>,
    /// The cost that is reported, in dollars.
    cost_usd: Option<NanoUsd>,
}

/// A value that is there, also where it is null: that is an answer too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl TryFrom<WrittenReply> for MockReply {
    type Error = String;

    fn try_from(written: WrittenReply) -> Result<Self, String> {
        let WrittenReply { text, json, tool_calls, error, delay_ms, tokens_input, tokens_output, cost_usd } = written;
        let mut answers = [
            text.map(MockAnswer::Text),
            json.map(MockAnswer::Json),
            tool_calls.map(MockAnswer::ToolCalls),
            error.map(MockAnswer::Error),
        ]
        .into_iter()
        .flatten();
        match (answers.next(), answers.next()) {
            (Some(answer), None) => Ok(Self { answer, delay_ms, tokens_input, tokens_output, cost_usd }),
            _ => Err("a reply has one of `text`, `json`, `tool_calls` and `error`".to_owned()),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MockAnswer {
    /// A text.
    Text(String),
    /// JSON, as its text: for calls that ask for structured answers.
    Json(Value),
    /// Tools that the model asks for.
    ToolCalls(Vec<MockToolCall>),
    /// A failure, as if the provider had failed.
    Error(MockFailure),
}

/// A tool that a scripted answer asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MockToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Value,
}

/// A scripted failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
#[error("scripted failure: {message}")]
#[serde(deny_unknown_fields)]
pub struct MockFailure {
    /// What the provider says.
    pub message: String,
    /// The HTTP status; none for a provider that cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it says to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// A call, as a table looks at it.
#[derive(Clone, Copy, Debug)]
pub struct MockCall<'a> {
    /// The call's name.
    pub name: &'a str,
    /// What was asked for.
    pub requested_model: &'a str,
    /// The model as `provider/model`.
    pub resolved_model: &'a str,
    /// The text of all messages, a line each.
    pub prompt: &'a str,
}

/// Rules that were checked; the first that fits a call answers it.
#[derive(Clone, Debug, Default)]
pub struct MockTable {
    rules: Vec<(MockRule, Option<Regex>)>,
}

/// A table that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MockTableError {
    /// A pattern of prompts is no regular expression.
    #[error(transparent)]
    Pattern(#[from] RedactError),
    /// A rule without answers.
    #[error("mock rule {index} has no replies")]
    NoReplies {
        /// Its position, from zero.
        index: usize,
    },
}

impl MockReply {
    /// A text at once, with nothing reported.
    pub fn text(text: impl Into<String>) -> Self {
        Self { answer: MockAnswer::Text(text.into()), delay_ms: 0, tokens_input: None, tokens_output: None, cost_usd: None }
    }

    /// The answer in the shape that policies see. Identifiers are made of `id`.
    ///
    /// # Errors
    /// The scripted failure, where it is one.
    pub fn to_response(&self, id: &str, model: &str) -> Result<ChatResponse, MockFailure> {
        let mut response = ChatResponse { id: Some(id.into()), model: Some(model.into()), ..ChatResponse::default() };
        response.finish_reason = Some(FinishReason::Complete);
        match &self.answer {
            MockAnswer::Text(text) => response.message = Some(Content::Text(text.clone())),
            MockAnswer::Json(json) => response.message = Some(Content::Text(json.to_string())),
            MockAnswer::ToolCalls(calls) => {
                response.finish_reason = Some(FinishReason::ToolUse);
                let calls = calls.iter().enumerate().map(|(index, call)| ResponseToolCall {
                    id: format!("{id}_{index}"),
                    name: call.name.clone(),
                    arguments: if call.arguments.is_null() { json!({}) } else { call.arguments.clone() },
                });
                response.tool_calls = calls.collect();
            }
            MockAnswer::Error(failure) => return Err(failure.clone()),
        }
        let usage = Usage {
            prompt_tokens: self.tokens_input,
            completion_tokens: self.tokens_output,
            total_tokens: self.tokens_input.zip(self.tokens_output).map(|(read, written)| read.saturating_add(written)),
            reported_cost_nanodollars: self.cost_usd.map(NanoUsd::as_nanos),
            ..Usage::default()
        };
        response.usage = (!usage.is_empty()).then_some(usage);
        response.api_specific =
            Some(ApiSpecific::OpenAiChat { logprobs: None, system_fingerprint: None, service_tier: None, thinking: None });
        Ok(response)
    }
}

impl MockRule {
    /// A rule that answers every call with this text.
    pub fn always(text: impl Into<String>) -> Self {
        Self { name: None, model: None, prompt: None, replies: vec![MockReply::text(text)], then: WhenExhausted::Repeat }
    }

    /// The answer of the call with this number, from zero, of those that the rule fits.
    fn reply(&self, number: usize) -> Option<&MockReply> {
        match (self.replies.get(number), self.then) {
            (Some(reply), _) => Some(reply),
            (None, WhenExhausted::Repeat) => self.replies.last(),
            (None, WhenExhausted::Cycle) => self.replies.get(number.checked_rem(self.replies.len()).unwrap_or(0)),
            (None, WhenExhausted::Fail | WhenExhausted::Pass) => None,
        }
    }
}

impl MockTable {
    /// Checks rules.
    ///
    /// # Errors
    /// When one has no answers, or a pattern that is no regular expression.
    pub fn new(rules: Vec<MockRule>) -> Result<Self, MockTableError> {
        if let Some(index) = rules.iter().position(|rule| rule.replies.is_empty()) {
            return Err(MockTableError::NoReplies { index });
        }
        let compiled = rules.into_iter().map(|rule| {
            let prompt = rule.prompt.as_deref().map(compile).transpose()?;
            Ok((rule, prompt))
        });
        Ok(Self { rules: compiled.collect::<Result<_, MockTableError>>()? })
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none, so that every call goes to its provider.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that fit a call, by their positions.
    pub fn fitting(&self, call: MockCall<'_>) -> impl Iterator<Item = usize> {
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, (rule, prompt))| {
                rule.name.as_ref().is_none_or(|name| name.matches(call.name))
                    && rule
                        .model
                        .as_ref()
                        .is_none_or(|model| model.matches(call.resolved_model) || model.matches(call.requested_model))
                    && prompt.as_ref().is_none_or(|prompt| prompt.is_match(call.prompt))
            })
            .map(|(index, _)| index)
    }

    /// What the rule at `index` answers to the call with this number of those that it fits, and what it does when it has no answer.
    pub fn reply(&self, index: usize, number: usize) -> Option<(Option<&MockReply>, WhenExhausted)> {
        self.rules.get(index).map(|(rule, _)| (rule.reply(number), rule.then))
    }
}
