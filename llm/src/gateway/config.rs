//! The settings of a gateway: the table `[llm]` of `kitaru.toml`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::models::OnMissing;
use crate::policy::{
    BudgetLimits, CachePolicy, MockRule, ParameterRule, Pattern, PersonalData, RateLimits, RedactionRule, SizeLimits,
};
use crate::price::{EstimatedCosts, PriceCatalog};
use crate::provider;
use crate::retry::RetryPolicy;

/// The settings of a gateway. All have defaults, with which every model may be called and nothing is limited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// What happens to a call when there is neither a model nor a key: `fail` or `pending`. The gateway only says which; who drives the call waits.
    pub on_missing: OnMissing,
    /// What happens to a call that was under way when its host died: `retry`, `fail` or `ask`. For who drives the call.
    pub after_crash: AfterCrash,
    /// How long a provider may take.
    pub timeouts: TimeoutConfig,
    /// How often and after what pauses a call is repeated.
    pub retry: RetryConfig,
    /// The models that may be called, as patterns of `provider/model`; none for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Pattern>>,
    /// The models that may not be called even if they are allowed.
    pub deny: Vec<Pattern>,
    /// How large a request may be.
    pub size: SizeLimits,
    /// How large an answer may be.
    pub answers: AnswerLimits,
    /// What is taken out of records.
    pub redact: RedactConfig,
    /// Parameters that are set, filled in, bounded or taken out, in order.
    pub parameters: Vec<ParameterRule>,
    /// Which answers are given again without a call; none for no cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CachePolicy>,
    /// How many calls and tokens in how much time, for each model.
    pub rates: RateLimits,
    /// How much may be spent, in dollars.
    pub budgets: BudgetLimits,
    /// Scripted answers in place of providers, the first rule that fits wins. `KITARU_LLM_MOCK_RESPONSE` answers every call before them.
    pub mocks: Vec<MockRule>,
    /// What calls cost.
    pub prices: PriceConfig,
    /// Middleware of the program around the gateway, which reads this for itself and registers it with the gateway's pipeline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middleware: Vec<serde_json::Value>,
    /// Whether each piece of a stream is recorded as a mark, with numbers and reasons and never with content.
    pub chunk_marks: bool,
    /// Whether addresses of one's own networks and of this machine may be connected to, as local models need it.
    pub private_addresses: bool,
    /// Whether the proxy settings of the system (`HTTPS_PROXY`, `NO_PROXY` …) are respected.
    pub system_proxy: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            on_missing: OnMissing::default(),
            after_crash: AfterCrash::default(),
            timeouts: TimeoutConfig::default(),
            retry: RetryConfig::default(),
            allow: None,
            deny: Vec::new(),
            size: SizeLimits::default(),
            answers: AnswerLimits::default(),
            redact: RedactConfig::default(),
            parameters: Vec::new(),
            cache: None,
            rates: RateLimits::default(),
            budgets: BudgetLimits::default(),
            mocks: Vec::new(),
            prices: PriceConfig::default(),
            middleware: Vec::new(),
            chunk_marks: true,
            private_addresses: true,
            system_proxy: true,
        }
    }
}

/// What happens to a call that was under way when its host died: nobody knows whether it was answered and charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterCrash {
    /// It is made again, and may be charged twice.
    #[default]
    Retry,
    /// It fails.
    Fail,
    /// A person is asked.
    Ask,
}

/// How long a provider may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// For looking its name up, connecting and agreeing on keys: 10 000.
    pub connect_ms: u64,
    /// Until the first byte of its answer: 300 000. An answer that is not streamed begins when all of it is written.
    pub first_byte_ms: u64,
    /// Between two pieces of its answer: 120 000.
    pub idle_ms: u64,
    /// For all of it: 600 000. Of a stream only the time counts in which somebody waits for its next piece.
    pub total_ms: u64,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self { connect_ms: 10_000, first_byte_ms: 300_000, idle_ms: 120_000, total_ms: 600_000 }
    }
}

impl TimeoutConfig {
    pub(super) fn connect(self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    pub(super) fn timeouts(self) -> provider::Timeouts {
        provider::Timeouts {
            first_byte: Duration::from_millis(self.first_byte_ms),
            idle: Duration::from_millis(self.idle_ms),
            total: Duration::from_millis(self.total_ms),
        }
    }
}

/// How often and after what pauses a call is repeated; pauses in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts with each model, the first included: 3.
    pub attempts: u32,
    /// The pause before the second attempt, each further one is twice as long: 500.
    pub first_pause_ms: u64,
    /// The longest pause that is chosen here: 8 000. What a provider asks for may be longer.
    pub longest_pause_ms: u64,
    /// All pauses of a call together: 60 000.
    pub total_wait_ms: u64,
    /// The HTTP statuses after which another attempt may succeed.
    pub statuses: Vec<u16>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let statuses = RetryPolicy::default().statuses;
        Self { attempts: 3, first_pause_ms: 500, longest_pause_ms: 8_000, total_wait_ms: 60_000, statuses }
    }
}

impl RetryConfig {
    pub(super) fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.attempts,
            first_pause: Duration::from_millis(self.first_pause_ms),
            longest_pause: Duration::from_millis(self.longest_pause_ms),
            total_wait: Duration::from_millis(self.total_wait_ms),
            statuses: self.statuses.clone(),
        }
    }
}

/// How large an answer may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerLimits {
    /// One answer, of a stream all its events together: 33 554 432 (32 MiB).
    pub answer_bytes: u64,
    /// One event of a stream: 8 388 608 (8 MiB).
    pub event_bytes: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        let provider::SizeLimits { answer_bytes, event_bytes } = provider::SizeLimits::default();
        Self { answer_bytes, event_bytes }
    }
}

/// What is taken out of records: prompts, answers and events. What is sent and answered stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedactConfig {
    /// Patterns of one's own, in order.
    pub patterns: Vec<RedactionRule>,
    /// Kinds of data that are found by themselves: `key`, `email`, `iban`, `card`, `ssn`, `phone`. By default only `key`.
    pub personal: Vec<PersonalData>,
}

impl Default for RedactConfig {
    fn default() -> Self {
        Self { patterns: Vec::new(), personal: vec![PersonalData::Key] }
    }
}

/// What calls cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PriceConfig {
    /// A file with prices of one's own (JSON), which beat the maintained table. Read when the gateway is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Prices of one's own that stand here. They beat those of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<PriceCatalog>,
    /// Whether costs that providers do not report are computed: `auto` or `off`. `KITARU_LLM_ESTIMATED_COSTS` goes before it.
    pub estimated: EstimatedCosts,
}

/// A gateway cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("llm.{key}: {reason}")]
pub struct GatewaySetupError {
    /// The key of the setting below `llm`, such as `mocks` or `cache.rules`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl GatewaySetupError {
    pub(super) fn of(key: &str, reason: &dyn std::error::Error) -> Self {
        let mut text = reason.to_string();
        let mut cause = reason.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self { key: key.to_owned(), reason: text }
    }

    pub(super) fn because(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.to_owned(), reason: reason.into() }
    }
}
