//! The policies as middleware of the pipeline. Each adapter asks a [`CallContext`] what it has to know of a call, asks its policy, and says so in the
//! pipeline's words.

mod cached;
mod checked;
mod limited;
mod mocked;
mod rewritten;
mod watched;

#[cfg(test)]
mod tests;

pub use cached::Cached;
pub use checked::{AllowedModels, WithinSize};
pub use limited::{Budgeted, RateLimitedCalls};
pub use mocked::Mocked;
pub use rewritten::{RedactedRecords, RewrittenParameters};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::chat::{ApiSpecific, ChatRequest, ChatResponse, RawRequest};
use crate::clock::{Clock, Timestamp};
use crate::codec::{Api, CodecError};
use crate::models::ModelRef;
use crate::pipeline::{CallInfo, Failure};
use crate::policy::CacheEntry;
use crate::price::{Cost, NanoUsd, PriceQuery, Pricing};
use crate::usage::TokenCounts;

/// What policies have to know of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFacts {
    /// The call's name, where it is another than the pipeline's.
    pub call_name: Option<String>,
    /// What was asked for.
    pub requested_model: String,
    /// The model as `provider/model`: the one that is asked now, so after a fallback another one.
    pub resolved_model: String,
    /// The alias, where one was used.
    pub alias: Option<String>,
    /// The provider's address.
    pub endpoint: String,
    /// The execution that makes the call.
    pub execution: Option<String>,
    /// The execution at the top of its tree, where that is another.
    pub root: Option<String>,
    /// The flow of the execution.
    pub flow: Option<String>,
    /// The protocol of the request, by name.
    pub api: Option<Api>,
    /// The most that the execution may spend, where it has a budget of its own; and the most that its tree may spend together.
    pub budget: Option<NanoUsd>,
}

/// Knows the calls that go through a pipeline.
pub trait CallContext: Send + Sync {
    /// What there is to know of a call.
    fn facts(&self, call: &CallInfo) -> CallFacts;

    /// Whether a call that failed so may have been charged. Nobody charges for what never arrived or was turned away; but a gateway that gave up
    /// waiting (502, 504, and what Cloudflare says in their place) does not know what the provider behind it did.
    fn may_be_charged(&self, failure: &Failure) -> bool {
        const NEVER_SENT: [&str; 9] =
            ["unreachable", "rate_limited", "budget", "mock", "refused", "refused_address", "endpoint", "credentials", "usage"];
        let turned_away = failure.error_type().parse::<u16>().is_ok_and(|status| !matches!(status, 502 | 504 | 520..=527));
        !turned_away && !NEVER_SENT.contains(&failure.error_type())
    }

    /// Told of an answer that came from elsewhere than the provider.
    fn answered(&self, call: &CallInfo, from: AnsweredBy<'_>) {
        let _ = (call, from);
    }

    /// Whether an answer may be given to later calls too: as it was read, and as it would be kept. Asked for whole answers only.
    fn may_keep(&self, call: &CallInfo, read: &ChatResponse, response: &Value) -> bool {
        let _ = (call, read, response);
        true
    }
}

/// Who answered in the provider's place.
#[derive(Clone, Copy, Debug)]
pub enum AnsweredBy<'a> {
    /// The script.
    Script {
        /// What it answered, as the provider would.
        response: &'a Value,
        /// How long it says that took, in milliseconds.
        delay_ms: u64,
    },
    /// The cache.
    Cache(&'a CacheEntry),
}

/// What `response` cost by what its provider says, else by the tables: at the price of the model that was asked, else of the one that says it
/// answered. `estimates` says whether the tables are asked even where records do not show what they say.
pub(crate) fn cost_of(pricing: &Pricing, facts: &CallFacts, response: &ChatResponse, at: SystemTime, estimates: bool) -> Cost {
    let tokens = TokenCounts::from_response(response);
    let reported = response.usage.as_ref().and_then(|usage| usage.reported_cost_nanodollars).map(NanoUsd::from_nanos);
    let Ok(parts) = ModelRef::parse(&facts.resolved_model) else {
        return reported.map_or_else(|| Cost::unknown("the model has no provider"), Cost::reported);
    };
    let service_tier = match &response.api_specific {
        Some(
            ApiSpecific::OpenAiChat { service_tier, .. }
            | ApiSpecific::OpenAiResponses { service_tier, .. }
            | ApiSpecific::AnthropicMessages { service_tier, .. },
        ) => service_tier.as_deref(),
        _ => None,
    };
    let of = |model: &str| {
        let query = PriceQuery { provider: &parts.provider, model, tokens: &tokens, service_tier, at };
        if estimates && reported.is_none() { pricing.computed(&query) } else { pricing.cost(&query, reported) }
    };
    let cost = of(&parts.model);
    let cost = match response.model.as_deref().filter(|model| cost.amount.is_none() && *model != parts.model) {
        Some(model) => Some(of(model)).filter(|other| other.amount.is_some()).unwrap_or(cost),
        None => cost,
    };
    // Tables know tokens, and neither searches nor containers. What costs nothing is one's own machine.
    let is_less = reported.is_none() && cost.amount.is_some_and(|amount| amount > NanoUsd::ZERO);
    if is_less && response.used_provider_tools() {
        return Cost::unknown("the provider ran tools of its own, and charges for them beside the tokens");
    }
    cost
}

impl<F: Fn(&CallInfo) -> CallFacts + Send + Sync> CallContext for F {
    fn facts(&self, call: &CallInfo) -> CallFacts {
        self(call)
    }
}

/// A policy cannot judge a request that it cannot read, so the call is not made.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The call has no codec.
    #[error("the call has no codec to read its request with")]
    NoCodec,
    /// The codec does not understand it.
    #[error("the request does not fit its protocol")]
    Codec(#[source] CodecError),
}

fn decode(call: &CallInfo, request: &RawRequest) -> Result<ChatRequest, Unreadable> {
    call.codec.as_ref().ok_or(Unreadable::NoCodec)?.decode(request).map_err(Unreadable::Codec)
}

fn encode(call: &CallInfo, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, Unreadable> {
    call.codec.as_ref().ok_or(Unreadable::NoCodec)?.encode(request, original).map_err(Unreadable::Codec)
}

/// The response as far as it can be read: what a policy learns from it is not worth failing a call that succeeded.
fn read_response(call: &CallInfo, response: &serde_json::Value) -> ChatResponse {
    call.response_codec.as_ref().and_then(|codec| codec.decode_response(response).ok()).unwrap_or_default()
}

pub(crate) fn moment(clock: &dyn Clock) -> SystemTime {
    system_time(clock.now())
}

pub(crate) fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(at.as_nanos()).unwrap_or(0))
}
