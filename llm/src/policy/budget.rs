//! Budgets: before a call is made, the most that it can cost is set aside; afterwards what it did cost takes its place. What does not fit is refused
//! before a token is paid for.

use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::estimate::{TokenEstimate, estimate_input_tokens, keeps_for_long};
use super::ledger::{Account, LedgerError, ReservationId, SpendLedger};
use super::unseen::{searches_by_itself, unseen_input};
use crate::chat::ChatRequest;
use crate::models::{ModelRef, Provider};
use crate::price::{Cost, NanoUsd, PriceQuery, Pricing};
use crate::usage::{TokenCounts, UsageScope};

/// Classes of service that cost no more than what is charged without one.
const NOT_DEARER: [&str; 7] = ["auto", "batch", "default", "flex", "on_demand", "standard", "standard_only"];

/// What happens to calls whose price nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrice {
    /// They are refused: a budget that does not know what it spends is none.
    #[default]
    Refuse,
    /// They are made, and count as nothing until a cost is reported; and what a request only names, or the provider's own tools find, counts as nothing.
    Allow,
}

/// How much may be spent; no limit where absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetLimits {
    /// In dollars, by one call with all its attempts, but for those of a process that died.
    pub per_call: Option<NanoUsd>,
    /// In dollars, by one execution; and by all executions of a tree together: what it started, what those started, and so on.
    pub per_execution: Option<NanoUsd>,
    /// In dollars, by all executions of one flow.
    pub per_flow: Option<NanoUsd>,
    /// In dollars, on one day in UTC.
    pub per_day: Option<NanoUsd>,
    /// What happens to calls whose price nobody knows.
    pub unknown_price: UnknownPrice,
    /// The limit that is put on answers of calls that set none, in tokens: without one there is no most that a call can cost.
    pub default_max_tokens: u64,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self {
            per_call: None,
            per_execution: None,
            per_flow: None,
            per_day: None,
            unknown_price: UnknownPrice::Refuse,
            default_max_tokens: 4096,
        }
    }
}

/// The call that a budget is asked for.
#[derive(Clone, Copy, Debug)]
pub struct BudgetedCall<'a> {
    /// The model as `provider/model`.
    pub resolved_model: &'a str,
    /// The request.
    pub request: &'a ChatRequest,
    /// Its event, the same for all attempts that one process makes.
    pub event: Option<Uuid>,
    /// The execution that makes it.
    pub execution: Option<&'a str>,
    /// The execution at the top of its tree, where that is another.
    pub root: Option<&'a str>,
    /// The flow of the execution.
    pub flow: Option<&'a str>,
    /// The most that this execution may spend, where it has a budget of its own, and its tree together: of that and the limit of all executions the
    /// lower counts.
    pub execution_limit: Option<NanoUsd>,
    /// What the earlier attempts of the same call have cost already.
    pub spent_before: NanoUsd,
    /// When it is made.
    pub now: SystemTime,
}

/// An amount that is set aside for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    id: Option<ReservationId>,
    /// The most that the call can cost.
    pub amount: NanoUsd,
    /// The limit that the request must get, where it has none of its own.
    pub max_tokens: Option<u64>,
}

/// A call that no budget has room for.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// It alone can cost more than one call may.
    #[error("this call can cost {ceiling}, and {limit} are the most for one call")]
    Call {
        /// The most that it can cost, with what its earlier attempts cost.
        ceiling: NanoUsd,
        /// The limit.
        limit: NanoUsd,
    },
    /// An account has not enough left.
    #[error("this call can cost {ceiling}, and the budget of {} has {left} left of {}", account_name(&.account.scope), .account.limit)]
    Account {
        /// The most that it can cost.
        ceiling: NanoUsd,
        /// Whose budget.
        account: Account,
        /// What is left there.
        left: NanoUsd,
    },
    /// Nobody knows what it can cost.
    #[error("the price of `{model}` is not known, and there is a budget to keep")]
    UnknownPrice {
        /// The model.
        model: String,
    },
    /// The model reads what the request only names, or what the provider's own tools find, so nobody can count it before; or the request has a setting
    /// of which nobody here knows what it does.
    #[error("what comes in by `{key}` cannot be counted before the call, and there is a budget to keep")]
    UnknownInput {
        /// The key that names it, with those around it: `extra_body.google.cached_content`.
        key: String,
    },
    /// The model searches by itself, so nobody can count before what it reads and what the searches cost.
    #[error("the model `{model}` searches by itself, which cannot be counted before the call, and there is a budget to keep")]
    Searches {
        /// The model.
        model: String,
    },
    /// The ledger failed, so the call is not made.
    #[error("the ledger of what was spent failed")]
    Ledger(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BudgetError {
    /// Whose budget it is, in a word: `call`, `execution`, `tree`, `flow` or `day`; `unknown` where nobody knows what the call can cost, and `ledger` where
    /// nobody could be asked.
    pub fn whose(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::Account { account, .. } => match account.scope {
                UsageScope::Checkpoint(_) => "checkpoint",
                UsageScope::Execution(_) => "execution",
                UsageScope::Tree(_) => "tree",
                UsageScope::Flow(_) => "flow",
                UsageScope::Day(_) => "day",
            },
            Self::UnknownPrice { .. } | Self::UnknownInput { .. } | Self::Searches { .. } => "unknown",
            Self::Ledger(_) => "ledger",
        }
    }

    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Call { .. } | Self::Account { .. } => {
                Some("raise the budget, lower max_tokens, shorten the prompt, or use a cheaper model")
            }
            Self::UnknownPrice { .. } => Some("give the model a price in a price catalog, or set unknown_price = \"allow\""),
            Self::UnknownInput { .. } => {
                Some("leave out the setting, or send what is named as text in the request; or set unknown_price = \"allow\"")
            }
            Self::Searches { .. } => Some("use a model that does not search, or set unknown_price = \"allow\""),
            Self::Ledger(_) => None,
        }
    }
}

fn account_name(scope: &UsageScope) -> String {
    match scope {
        UsageScope::Checkpoint(id) => format!("checkpoint `{id}`"),
        UsageScope::Execution(id) => format!("execution `{id}`"),
        // Without the name of its top: whoever knows that of an execution can ask for what it kept, and this is told to all code in the tree.
        UsageScope::Tree(_) => "its tree of executions".into(),
        UsageScope::Flow(name) => format!("flow `{name}`"),
        UsageScope::Day(_) => "today".into(),
    }
}

/// Keeps calls within limits.
pub struct Budget {
    limits: BudgetLimits,
    estimate: TokenEstimate,
    pricing: Arc<Pricing>,
    ledger: Arc<dyn SpendLedger>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("limits", &self.limits).field("estimate", &self.estimate).finish_non_exhaustive()
    }
}

impl Budget {
    /// A budget with these limits. With [`TokenEstimate::SURE`] no text costs more than is set aside for it.
    pub fn new(limits: BudgetLimits, estimate: TokenEstimate, pricing: Arc<Pricing>, ledger: Arc<dyn SpendLedger>) -> Self {
        Self { limits, estimate, pricing, ledger }
    }

    /// Whether there is anything to keep: a limit for all, or the budget of the execution that calls.
    pub fn is_limited(&self, execution_limit: Option<NanoUsd>) -> bool {
        let BudgetLimits { per_call, per_execution, per_flow, per_day, .. } = self.limits;
        [per_call, per_execution, per_flow, per_day, execution_limit].iter().any(Option::is_some)
    }

    /// The accounts that a call draws on: all of them as soon as one has a limit, so that a limit that is set later finds what was spent.
    fn accounts(&self, call: &BudgetedCall<'_>) -> Vec<Account> {
        let limits = &self.limits;
        let per_execution = [limits.per_execution, call.execution_limit].into_iter().flatten().min();
        if [per_execution, limits.per_flow, limits.per_day].iter().all(Option::is_none) {
            return Vec::new();
        }
        let execution = call.execution.map(|id| UsageScope::Execution(id.into()));
        // Whoever starts others shares a budget with them, and does not give each as much again.
        let tree = call.root.or(call.execution).map(|id| UsageScope::Tree(id.into()));
        let flow = call.flow.map(|name| UsageScope::Flow(name.into()));
        let day = Some(UsageScope::day_of(call.now));
        [(execution, per_execution), (tree, per_execution), (flow, limits.per_flow), (day, limits.per_day)]
            .into_iter()
            .filter_map(|(scope, limit)| Some(Account { scope: scope?, limit: limit.unwrap_or(NanoUsd::MAX) }))
            .collect()
    }

    /// Sets aside the most that a call can cost.
    ///
    /// # Errors
    /// When a limit has no room for it; nothing is set aside then, and the call must not be made.
    pub async fn reserve(&self, call: BudgetedCall<'_>) -> Result<Reservation, BudgetError> {
        let accounts = self.accounts(&call);
        if accounts.is_empty() && self.limits.per_call.is_none() {
            return Ok(Reservation { id: None, amount: NanoUsd::ZERO, max_tokens: None });
        }
        let asked = call.request.params.max_tokens;
        let max_tokens = asked.is_none().then_some(self.limits.default_max_tokens);
        let each = asked.unwrap_or(self.limits.default_max_tokens);
        let output = each.saturating_mul(call.request.n.unwrap_or(1).max(1));
        let ceiling = self.ceiling(&call, output)?;
        if let Some(limit) = self.limits.per_call
            && ceiling.plus(call.spent_before) > limit
        {
            return Err(BudgetError::Call { ceiling: ceiling.plus(call.spent_before), limit });
        }
        let id = match accounts.as_slice() {
            [] => None,
            accounts => Some(self.ledger.reserve(call.event, accounts, ceiling).await.map_err(|error| match error {
                LedgerError::Exceeded { account, used } => {
                    BudgetError::Account { ceiling, left: account.limit.minus(used), account }
                }
                LedgerError::Unavailable(source) => BudgetError::Ledger(source),
            })?),
        };
        Ok(Reservation { id, amount: ceiling, max_tokens })
    }

    fn ceiling(&self, call: &BudgetedCall<'_>, output: u64) -> Result<NanoUsd, BudgetError> {
        let estimated = TokenCounts::of(estimate_input_tokens(call.request, self.estimate), output);
        let tokens = TokenCounts { long_cache_write: keeps_for_long(call.request).then_some(1), ..estimated };
        let model = ModelRef::parse(call.resolved_model).ok();
        let known = model.as_ref().and_then(|ModelRef { provider, model }| {
            let of =
                |service_tier| self.pricing.ceiling(&PriceQuery { provider, model, tokens: &tokens, service_tier, at: call.now });
            // A class that is asked for need not be given: the dearer of both.
            let plain = of(None)?;
            let asked = call.request.service_tier.as_deref().and_then(|tier| of(Some(tier)));
            Some((plain.max(asked.unwrap_or_default()), asked.is_some_and(|asked| asked != plain)))
        });
        let has_price_of_class = known.is_some_and(|(_, differs)| differs);
        let known = known.map(|(ceiling, _)| ceiling);
        // On one's own machines nobody charges, whatever is read.
        let is_own = model.is_some_and(|model| Provider::find(&model.provider).is_some_and(Provider::is_local));
        if self.limits.unknown_price == UnknownPrice::Refuse && !(is_own && known == Some(NanoUsd::ZERO)) {
            if searches_by_itself(call.resolved_model) {
                return Err(BudgetError::Searches { model: call.resolved_model.into() });
            }
            if let Some(key) = unseen_input(call.request) {
                return Err(BudgetError::UnknownInput { key });
            }
            let may_be_dearer = |tier: &str| !NOT_DEARER.contains(&tier) && !has_price_of_class;
            if known.is_some() && call.request.service_tier.as_deref().is_some_and(may_be_dearer) {
                return Err(BudgetError::UnknownInput { key: "service_tier".into() });
            }
        }
        match (known, self.limits.unknown_price) {
            (Some(ceiling), _) => Ok(ceiling),
            (None, UnknownPrice::Allow) => Ok(NanoUsd::ZERO),
            (None, UnknownPrice::Refuse) => Err(BudgetError::UnknownPrice { model: call.resolved_model.into() }),
        }
    }

    /// Replaces what was set aside by what the call did cost. Where that is not known, what was set aside counts as spent: the call may have been
    /// charged, also if it failed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn settle(&self, reservation: &Reservation, cost: &Cost) -> Result<(), LedgerError> {
        self.finish(reservation, cost.amount.unwrap_or(reservation.amount)).await
    }

    /// Gives back what was set aside for a call that never reached its provider.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn release(&self, reservation: &Reservation) -> Result<(), LedgerError> {
        self.finish(reservation, NanoUsd::ZERO).await
    }

    async fn finish(&self, reservation: &Reservation, spent: NanoUsd) -> Result<(), LedgerError> {
        match reservation.id {
            Some(id) => self.ledger.settle(id, spent).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
