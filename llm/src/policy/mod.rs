//! The built-in policies: what decides whether a call may be made, what changes it, what answers in the provider's place, what is hidden in records.
//!
//! Each policy is a plain value with one method that judges or changes one call, and knows nothing of the pipeline; [`middleware`] adapts them.
//! Where each of them belongs in the pipeline:
//!
//! | policy | place |
//! |---|---|
//! | [`ModelAllowList`], [`SizeLimits`] | guardrail: before anything else, and again for every fallback model |
//! | [`ParameterRules`] | request intercept |
//! | [`MockScript`], [`ResponseCache`], [`RateLimiter`], [`Budget`] | execution intercept, outermost first in this order: an answer that is there already waits for no rate and spends no budget |
//! | [`Redactor`] | request and response sanitiser: records only, fails closed |

mod allow;
mod budget;
mod cache;
mod cache_key;
#[cfg(test)]
mod cache_tests;
mod canonical;
mod estimate;
mod ledger;
pub mod middleware;
mod mock;
mod mock_script;
mod mock_wire;
mod parameters;
mod pattern;
mod personal;
mod rate;
mod redact;
mod size;
mod unseen;

pub use allow::{ModelAllowList, NotAllowed};
pub use budget::{Budget, BudgetError, BudgetLimits, BudgetedCall, Reservation, UnknownPrice};
pub use cache::{CacheEntry, CacheOutcome, CachePolicy, CacheStoreError, CachedCall, MemoryCache, ResponseCache, ResponseStore};
pub use cache_key::{Bypass, CacheKey, KeyOf, KeyRules, KeyRulesError, prompt_key};
pub use canonical::canonical_json;
pub use estimate::{TokenEstimate, estimate_input_tokens};
pub use ledger::{Account, LedgerError, MemoryLedger, ReservationId, SpendLedger};
pub use mock::{MockAnswer, MockCall, MockFailure, MockReply, MockRule, MockTable, MockTableError, MockToolCall, WhenExhausted};
pub use mock_script::{MOCK_VARIABLE, MockError, MockScript};
pub use parameters::{ParameterError, ParameterRule, ParameterRules};
pub use pattern::Pattern;
pub use personal::PersonalData;
pub use rate::{Quota, RateLimited, RateLimiter, RateLimits};
pub use redact::{RedactError, RedactionRule, Redactor};
pub use size::{SizeLimits, TooLarge};
