//! Rates and budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::watched::watch;
use super::{CallContext, CallFacts, cost_of, decode, encode, moment, read_response};
use crate::chat::{ChatRequest, RawRequest};
use crate::clock::Clock;
use crate::mutex::lock;
use crate::pipeline::{CallInfo, Chunks, ExecutionIntercept, Failure, Next};
use crate::policy::{Budget, BudgetedCall, RateLimiter, Reservation, TokenEstimate, estimate_input_tokens};
use crate::price::{Cost, NanoUsd, Pricing};

/// Lets calls of each model pass at a limited rate. Inside the retries, so that every attempt takes a turn of the model that it asks.
pub struct RateLimitedCalls {
    /// The rates.
    pub limiter: Arc<RateLimiter>,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
    /// Says when a call is made.
    pub clock: Arc<dyn Clock>,
}

impl RateLimitedCalls {
    /// An attempt failed. What was never sent took no turn, and what was turned away took no tokens; of what may be charged nobody knows how many.
    fn fail(&self, model: &str, estimated: u64, failure: &Failure) {
        if self.context.may_be_charged(failure) {
            return;
        }
        match failure.error_type().parse::<u16>() {
            Ok(_) => self.limiter.correct(model, estimated, 0),
            Err(_) => self.limiter.give_back(model, estimated),
        }
    }

    /// Waits for the call's turn, and says how many tokens it was taken to need.
    async fn admit(&self, call: &CallInfo, facts: &CallFacts, request: &RawRequest) -> Result<u64, Failure> {
        let decoded = decode(call, request).map_err(|error| Failure::new("rate_limited", error))?;
        let read = estimate_input_tokens(&decoded, TokenEstimate::LIKELY);
        let estimated = read.saturating_add(decoded.params.max_tokens.unwrap_or(0));
        let wait = self
            .limiter
            .admit(&facts.resolved_model, estimated, moment(self.clock.as_ref()))
            .map_err(|limited| Failure::new("rate_limited", limited))?;
        if !wait.is_zero() {
            let mut turn = Turn { limiter: &self.limiter, key: &facts.resolved_model, tokens: estimated, came: false };
            tokio::time::sleep(wait).await;
            turn.came = true;
        }
        Ok(estimated)
    }
}

/// A call that waits for its turn. Given up before, it leaves its turn to the others.
struct Turn<'a> {
    limiter: &'a RateLimiter,
    key: &'a str,
    tokens: u64,
    came: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.came {
            self.limiter.give_back(self.key, self.tokens);
        }
    }
}

fn correct(limiter: &RateLimiter, call: &CallInfo, model: &str, estimated: u64, response: &Value) {
    if let Some(used) = read_response(call, response).usage.and_then(|usage| usage.total_tokens) {
        limiter.correct(model, estimated, used);
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for RateLimitedCalls {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        let estimated = self.admit(call, &facts, &request).await?;
        let outcome = next.run(request).await;
        match &outcome {
            Ok(response) => correct(&self.limiter, call, &facts.resolved_model, estimated, response),
            Err(failure) => self.fail(&facts.resolved_model, estimated, failure),
        }
        outcome
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for RateLimitedCalls {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        let facts = self.context.facts(call);
        let estimated = self.admit(call, &facts, &request).await?;
        let chunks = match next.run(request).await {
            Ok(chunks) => chunks,
            Err(failure) => {
                self.fail(&facts.resolved_model, estimated, &failure);
                return Err(failure);
            }
        };
        let (limiter, call, about) = (Arc::clone(&self.limiter), Arc::clone(call), facts.clone());
        Ok(watch(chunks, &about, move |whole| async move {
            if let Some(whole) = whole {
                correct(&limiter, &call, &facts.resolved_model, estimated, &whole);
            }
        }))
    }
}

/// Keeps calls within budgets. Innermost, inside the retries: every attempt sets aside what it can cost. A call that is given up in the middle leaves
/// that set aside, for it may be charged.
#[derive(Clone)]
pub struct Budgeted {
    /// The budget.
    pub budget: Arc<Budget>,
    /// Says what a call did cost.
    pub pricing: Arc<Pricing>,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
    /// Says when a call is made.
    pub clock: Arc<dyn Clock>,
    /// What attempts of calls that go on may have cost.
    attempts: Arc<Mutex<Attempts>>,
}

/// What attempts of calls may have cost, for as long as the calls go on.
#[derive(Default)]
struct Attempts {
    spent: HashMap<Uuid, (Weak<CallInfo>, NanoUsd)>,
    /// How many there were when the calls that have ended were last taken out.
    swept: usize,
}

/// So few calls are not worth looking through.
const FEW: usize = 64;

impl Attempts {
    fn add(&mut self, uuid: Uuid, call: &Arc<CallInfo>, amount: NanoUsd) {
        let (_, spent) = self.spent.entry(uuid).or_insert_with(|| (Arc::downgrade(call), NanoUsd::ZERO));
        *spent = spent.plus(amount);
        // Only when there are twice as many as then: each call pays for looking at a few others.
        if self.spent.len() > self.swept.saturating_mul(2).max(FEW) {
            self.spent.retain(|_, (call, _)| call.strong_count() > 0);
            self.swept = self.spent.len();
        }
    }
}

impl Budgeted {
    /// Keeps calls within `budget`.
    pub fn new(budget: Budget, pricing: Arc<Pricing>, context: Arc<dyn CallContext>, clock: Arc<dyn Clock>) -> Self {
        Self { budget: Arc::new(budget), pricing, context, clock, attempts: Arc::default() }
    }

    fn spent_before(&self, call: Option<Uuid>) -> NanoUsd {
        let attempts = lock(&self.attempts);
        call.and_then(|call| attempts.spent.get(&call)).map_or(NanoUsd::ZERO, |(_, amount)| *amount)
    }

    fn remember(&self, call: &Arc<CallInfo>, amount: NanoUsd) {
        if let Some(uuid) = call.uuid() {
            lock(&self.attempts).add(uuid, call, amount);
        }
    }

    /// Sets aside what the call can cost, and gives the request the limit that this depends on.
    async fn reserve(
        &self,
        call: &Arc<CallInfo>,
        facts: &CallFacts,
        request: RawRequest,
    ) -> Result<(RawRequest, Reservation), Failure> {
        let refuse = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new("budget", error);
        let mut decoded = decode(call, &request).map_err(|error| refuse(error.into()))?;
        let asked = BudgetedCall {
            resolved_model: &facts.resolved_model,
            request: &decoded,
            event: call.uuid(),
            execution: facts.execution.as_deref(),
            root: facts.root.as_deref(),
            flow: facts.flow.as_deref(),
            execution_limit: facts.budget,
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
        Ok((request, reservation))
    }

    /// Puts what the answer did cost in the place of what was set aside.
    async fn settle(&self, call: &Arc<CallInfo>, facts: &CallFacts, reservation: &Reservation, response: &Value) {
        // Budgets compute even where records do not.
        let cost = cost_of(&self.pricing, facts, &read_response(call, response), moment(self.clock.as_ref()), true);
        // An answer may be sent back to be mended, and the limit of a call is one for all its attempts.
        self.remember(call, cost.amount.unwrap_or(reservation.amount));
        self.unsettled(call, self.budget.settle(reservation, &cost).await.is_err());
    }

    /// Settles an attempt that failed: it counts as spent where it may have been charged.
    async fn fail(&self, call: &Arc<CallInfo>, reservation: &Reservation, may_be_charged: bool) {
        let settled = if may_be_charged {
            self.remember(call, reservation.amount);
            self.budget.settle(reservation, &Cost::unknown("the attempt failed")).await
        } else {
            self.budget.release(reservation).await
        };
        self.unsettled(call, settled.is_err());
    }

    fn unsettled(&self, call: &CallInfo, failed: bool) {
        if failed {
            // The amount stays set aside, which is the safe side; the answer is here and is not thrown away.
            call.note("kitaru.llm.budget_unsettled", json!(true));
        }
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Budgeted {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        if !self.budget.is_limited(facts.budget) {
            return next.run(request).await;
        }
        let (request, reservation) = self.reserve(call, &facts, request).await?;
        let outcome = next.run(request).await;
        match &outcome {
            Ok(response) => self.settle(call, &facts, &reservation, response).await,
            Err(failure) => self.fail(call, &reservation, self.context.may_be_charged(failure)).await,
        }
        outcome
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for Budgeted {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        let facts = self.context.facts(call);
        if !self.budget.is_limited(facts.budget) {
            return next.run(request).await;
        }
        let (request, reservation) = self.reserve(call, &facts, request).await?;
        let chunks = match next.run(request).await {
            Ok(chunks) => chunks,
            Err(failure) => {
                self.fail(call, &reservation, self.context.may_be_charged(&failure)).await;
                return Err(failure);
            }
        };
        let (budgeted, call, about) = (self.clone(), Arc::clone(call), facts.clone());
        Ok(watch(chunks, &about, move |whole| async move {
            match whole {
                Some(whole) => budgeted.settle(&call, &facts, &reservation, &whole).await,
                None => budgeted.fail(&call, &reservation, true).await,
            }
        }))
    }
}

fn with_limit(call: &CallInfo, decoded: &mut ChatRequest, request: &RawRequest, limit: u64) -> Result<RawRequest, Failure> {
    decoded.params.max_tokens = Some(limit);
    encode(call, decoded, request).map_err(|error| Failure::new("budget", error))
}
