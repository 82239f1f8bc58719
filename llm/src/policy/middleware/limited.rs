//! Rates and budgets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CallContext, CallFacts, decode, encode, moment, read_response};
use crate::chat::{ChatRequest, ChatResponse, RawRequest};
use crate::clock::Clock;
use crate::mutex::lock;
use crate::pipeline::{CallInfo, ExecutionIntercept, Failure, Next};
use crate::policy::{Budget, BudgetedCall, RateLimiter, TokenEstimate, estimate_input_tokens};
use crate::price::{Cost, NanoUsd, PriceQuery, Pricing};
use crate::usage::TokenCounts;

/// Lets calls of each model pass at a limited rate.
pub struct RateLimitedCalls {
    /// The rates.
    pub limiter: RateLimiter,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
    /// Says when a call is made.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for RateLimitedCalls {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        let decoded = decode(call, &request).map_err(|error| Failure::new("rate_limited", error))?;
        let read = estimate_input_tokens(&decoded, TokenEstimate::LIKELY);
        let estimated = read.saturating_add(decoded.params.max_tokens.unwrap_or(0));
        let wait = self
            .limiter
            .admit(&facts.resolved_model, estimated, moment(self.clock.as_ref()))
            .map_err(|limited| Failure::new("rate_limited", limited))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let response = next.run(request).await?;
        if let Some(used) = read_response(call, &response).usage.and_then(|usage| usage.total_tokens) {
            self.limiter.correct(&facts.resolved_model, estimated, used);
        }
        Ok(response)
    }
}

/// Keeps calls within budgets. Innermost, inside the retries: every attempt sets aside what it can cost. A call that is given up in the middle leaves
/// that set aside, for it may be charged.
pub struct Budgeted {
    /// The budget.
    pub budget: Budget,
    /// Says what a call did cost.
    pub pricing: Arc<Pricing>,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
    /// Says when a call is made.
    pub clock: Arc<dyn Clock>,
    /// What failed attempts of calls that go on may have cost.
    attempts: Mutex<VecDeque<(Uuid, NanoUsd)>>,
}

/// So many calls with failed attempts are remembered.
const REMEMBERED: usize = 4096;

impl Budgeted {
    /// Keeps calls within `budget`.
    pub fn new(budget: Budget, pricing: Arc<Pricing>, context: Arc<dyn CallContext>, clock: Arc<dyn Clock>) -> Self {
        Self { budget, pricing, context, clock, attempts: Mutex::default() }
    }

    fn spent_before(&self, call: Option<Uuid>) -> NanoUsd {
        let attempts = lock(&self.attempts);
        attempts.iter().filter(|(uuid, _)| Some(*uuid) == call).map(|(_, amount)| *amount).sum()
    }

    fn remember(&self, call: Option<Uuid>, amount: NanoUsd) {
        let Some(call) = call else { return };
        let mut attempts = lock(&self.attempts);
        attempts.push_back((call, amount));
        if attempts.len() > REMEMBERED {
            attempts.pop_front();
        }
    }

    fn forget(&self, call: Option<Uuid>) {
        lock(&self.attempts).retain(|(uuid, _)| Some(*uuid) != call);
    }

    fn cost(&self, facts: &CallFacts, response: &ChatResponse) -> Cost {
        let tokens = TokenCounts::from_response(response);
        let (provider, model) = facts.resolved_model.split_once('/').unwrap_or_default();
        let query = PriceQuery { provider, model, tokens: &tokens, service_tier: None, at: moment(self.clock.as_ref()) };
        let reported = response.usage.as_ref().and_then(|usage| usage.reported_cost_nanodollars).map(NanoUsd::from_nanos);
        match reported {
            Some(amount) => Cost::reported(amount),
            // Budgets compute even where records do not.
            None => self.pricing.computed(&query),
        }
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Budgeted {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        let refuse = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new("budget", error);
        let mut decoded = decode(call, &request).map_err(|error| refuse(error.into()))?;
        let asked = BudgetedCall {
            resolved_model: &facts.resolved_model,
            request: &decoded,
            execution: facts.execution.as_deref(),
            flow: facts.flow.as_deref(),
            spent_before: self.spent_before(call.uuid()),
            now: moment(self.clock.as_ref()),
        };
        let reservation = self.budget.reserve(asked).await.map_err(|error| refuse(error.into()))?;
        let request = match reservation.max_tokens {
            None => request,
            Some(limit) => match with_limit(call, &mut decoded, &request, limit) {
                Ok(request) => request,
                Err(failure) => {
                    let _ = self.budget.release(&reservation).await;
                    return Err(failure);
                }
            },
        };
        let outcome = next.run(request).await;
        let settled = match &outcome {
            Ok(response) => {
                let cost = self.cost(&facts, &read_response(call, response));
                call.note("kitaru.llm.cost_usd", json!(cost.amount));
                call.note("kitaru.llm.cost_source", json!(cost.source));
                self.forget(call.uuid());
                self.budget.settle(&reservation, &cost).await
            }
            Err(failure) if self.context.may_be_charged(failure) => {
                self.remember(call.uuid(), reservation.amount);
                self.budget.settle(&reservation, &Cost::unknown("the attempt failed")).await
            }
            Err(_) => self.budget.release(&reservation).await,
        };
        if settled.is_err() {
            // The amount stays set aside, which is the safe side; the answer is here and is not thrown away.
            call.note("kitaru.llm.budget_unsettled", json!(true));
        }
        outcome
    }
}

fn with_limit(call: &CallInfo, decoded: &mut ChatRequest, request: &RawRequest, limit: u64) -> Result<RawRequest, Failure> {
    decoded.params.max_tokens = Some(limit);
    encode(call, decoded, request).map_err(|error| Failure::new("budget", error))
}
