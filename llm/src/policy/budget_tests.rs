//! Budgets, with a ledger in memory.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::chat::Message;
use crate::policy::MemoryLedger;

const MODEL: &str = "openai/gpt-4o-mini";

fn budget(limits: BudgetLimits) -> (Budget, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::default());
    (Budget::new(limits, TokenEstimate::SURE, Arc::new(Pricing::default()), ledger.clone()), ledger)
}

fn request(max_tokens: Option<u64>) -> ChatRequest {
    let mut request = ChatRequest::new("gpt-4o-mini", vec![Message::user("x".repeat(984))]);
    request.params.max_tokens = max_tokens;
    request
}

fn call<'a>(resolved_model: &'a str, request: &'a ChatRequest) -> BudgetedCall<'a> {
    let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let (execution, flow) = (Some("e"), Some("f"));
    BudgetedCall {
        resolved_model,
        request,
        event: None,
        execution,
        root: None,
        flow,
        execution_limit: None,
        spent_before: NanoUsd::ZERO,
        now,
    }
}

/// 1000 tokens at $0.15 and 1000 at $0.60 a million.
const CEILING: NanoUsd = NanoUsd::from_nanos(750_000);

#[tokio::test]
async fn a8_what_does_not_fit_is_refused_before_the_call() {
    let limits =
        BudgetLimits { per_execution: Some(CEILING.plus(CEILING.minus(NanoUsd::from_nanos(1)))), ..BudgetLimits::default() };
    let (budget, ledger) = budget(limits);
    let request = request(Some(1000));
    let first = budget.reserve(call(MODEL, &request)).await.unwrap();
    assert_eq!((first.amount, first.max_tokens), (CEILING, None));
    let refused = budget.reserve(call(MODEL, &request)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this call can cost $0.00075, and the budget of execution `e` has $0.000749999 left of $0.001499999"
    );
    budget.settle(&first, &Cost::reported(NanoUsd::from_nanos(10))).await.unwrap();
    let second = budget.reserve(call(MODEL, &request)).await.unwrap();
    budget.release(&second).await.unwrap();
    assert_eq!(ledger.used(&UsageScope::Execution("e".into())).await.unwrap(), NanoUsd::from_nanos(10));
}

/// What another started, and what that started, has no budget beside it: the limit is one for all of them.
#[tokio::test]
async fn a8_a_tree_of_executions_has_one_budget() {
    let two = CEILING.plus(CEILING);
    let (budget, ledger) = budget(BudgetLimits::default());
    let request = request(Some(1000));
    let of =
        |execution, root| BudgetedCall { execution: Some(execution), root, execution_limit: Some(two), ..call(MODEL, &request) };
    let own = budget.reserve(of("top", None)).await.unwrap();
    budget.reserve(of("child", Some("top"))).await.unwrap();
    for refused in [of("top", None), of("child", Some("top")), of("grandchild", Some("top"))] {
        let error = budget.reserve(refused).await.unwrap_err();
        assert_eq!(error.whose(), "tree", "{error}");
        assert!(!error.to_string().contains("top"), "it is told to others than the top: {error}");
    }
    // What the top gives back is there for the others, and who stands in no tree of it never lacked anything.
    budget.settle(&own, &Cost::reported(NanoUsd::ZERO)).await.unwrap();
    budget.reserve(of("grandchild", Some("top"))).await.unwrap();
    budget.reserve(of("stranger", None)).await.unwrap();
    assert_eq!(ledger.used(&UsageScope::Tree("top".into())).await.unwrap(), two);
    // The limit of the settings is one for all of them too, where it is lower.
    let limits = BudgetLimits { per_execution: Some(CEILING), ..BudgetLimits::default() };
    let lower = Budget::new(limits, TokenEstimate::SURE, Arc::new(Pricing::default()), Arc::new(MemoryLedger::default()));
    lower.reserve(of("child", Some("top"))).await.unwrap();
    assert_eq!(lower.reserve(of("top", None)).await.unwrap_err().whose(), "tree");
}

#[tokio::test]
async fn a_cost_that_nobody_reported_counts_as_what_was_set_aside() {
    let (budget, ledger) = budget(BudgetLimits { per_day: Some(NanoUsd::from_dollars(1)), ..BudgetLimits::default() });
    let request = request(Some(1000));
    let reservation = budget.reserve(call(MODEL, &request)).await.unwrap();
    budget.settle(&reservation, &Cost::unknown("cut off")).await.unwrap();
    assert_eq!(ledger.used(&UsageScope::day_of(call(MODEL, &request).now)).await.unwrap(), CEILING);
}

#[tokio::test]
async fn a_limit_that_is_set_later_finds_what_was_spent() {
    let (budget, ledger) = budget(BudgetLimits { per_flow: Some(NanoUsd::from_dollars(1)), ..BudgetLimits::default() });
    let request = request(Some(1000));
    let reservation = budget.reserve(call(MODEL, &request)).await.unwrap();
    budget.settle(&reservation, &Cost::reported(NanoUsd::from_nanos(10))).await.unwrap();
    let day = UsageScope::day_of(call(MODEL, &request).now);
    for scope in [UsageScope::Execution("e".into()), UsageScope::Tree("e".into()), UsageScope::Flow("f".into()), day] {
        assert_eq!(ledger.used(&scope).await.unwrap(), NanoUsd::from_nanos(10), "{scope:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_limit_gets_one() {
    let limits = BudgetLimits { per_call: Some(CEILING), default_max_tokens: 1000, ..BudgetLimits::default() };
    let (budget, _) = budget(limits);
    let unlimited = request(None);
    assert_eq!(budget.reserve(call(MODEL, &unlimited)).await.unwrap().max_tokens, Some(1000));
    let mut twice = request(Some(1000));
    twice.n = Some(2);
    assert!(matches!(budget.reserve(call(MODEL, &twice)).await, Err(BudgetError::Call { .. })));
    let retried = BudgetedCall { spent_before: NanoUsd::from_nanos(1), ..call(MODEL, &unlimited) };
    assert!(matches!(budget.reserve(retried).await, Err(BudgetError::Call { .. })));
}

#[tokio::test]
async fn an_unknown_price_is_refused_unless_allowed() {
    let limits = BudgetLimits { per_flow: Some(NanoUsd::from_dollars(1)), ..BudgetLimits::default() };
    let request = request(Some(10));
    let refused = budget(limits).0.reserve(call("openai/nobody-knows", &request)).await.unwrap_err();
    assert!(matches!(refused, BudgetError::UnknownPrice { .. }));
    assert!(refused.hint().is_some());
    let allowed = budget(BudgetLimits { unknown_price: UnknownPrice::Allow, ..limits }).0;
    assert_eq!(allowed.reserve(call("openai/nobody-knows", &request)).await.unwrap().amount, NanoUsd::ZERO);
    let (none, ledger) = budget(BudgetLimits::default());
    none.reserve(call("openai/nobody-knows", &request)).await.unwrap();
    assert_eq!(ledger.used(&UsageScope::Flow("f".into())).await.unwrap(), NanoUsd::ZERO);
}

#[tokio::test]
async fn a_dearer_class_of_service_is_set_aside_and_what_cannot_be_counted_is_refused() {
    let limits = BudgetLimits { per_day: Some(NanoUsd::from_dollars(1)), ..BudgetLimits::default() };
    let mut asked = request(Some(1000));
    asked.service_tier = Some("priority".into());
    // The table has prices of classes from October 2026 on.
    let now = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let dear = budget(limits).0.reserve(BudgetedCall { now, ..call(MODEL, &asked) }).await.unwrap();
    assert_eq!(dear.amount, NanoUsd::from_nanos(1_250_000));
    asked.service_tier = Some("flex".into());
    assert_eq!(budget(limits).0.reserve(call(MODEL, &asked)).await.unwrap().amount, CEILING);
    asked.service_tier = Some("faster".into());
    let refused = budget(limits).0.reserve(call(MODEL, &asked)).await.unwrap_err();
    assert!(matches!(&refused, BudgetError::UnknownInput { key } if key == "service_tier"), "a class without a price: {refused}");
    let kept = ChatRequest { previous_response_id: Some("r".into()), ..request(Some(1)) };
    let refused = budget(limits).0.reserve(call(MODEL, &kept)).await.unwrap_err();
    let key_of = |error: &BudgetError| match error {
        BudgetError::UnknownInput { key } => Some(key.clone()),
        _ => None,
    };
    assert_eq!(key_of(&refused).as_deref(), Some("previous_response_id"));
    let hint = refused.hint().unwrap();
    assert!(hint.contains("leave out the setting") && hint.contains("unknown_price = \"allow\""), "{hint}");
    let allowed = BudgetLimits { unknown_price: UnknownPrice::Allow, ..limits };
    assert!(budget(allowed).0.reserve(call(MODEL, &kept)).await.is_ok());

    let mut named = request(Some(1));
    named.extra.insert("extra_body".into(), serde_json::json!({ "google": { "cached_content": "c" } }));
    let refused = budget(limits).0.reserve(call(MODEL, &named)).await.unwrap_err();
    assert_eq!(key_of(&refused).as_deref(), Some("extra_body.google.cached_content"));
    assert!(budget(limits).0.reserve(call("ollama/qwen3", &named)).await.is_ok(), "nobody charges for a model of one's own");
}

/// Whether it is OpenAI's own name, or one of a gateway: the price that the table has for it is not all.
#[tokio::test]
async fn a_model_that_searches_by_itself_has_no_most_that_it_costs() {
    let limits = BudgetLimits { per_day: Some(NanoUsd::from_dollars(1)), ..BudgetLimits::default() };
    let request = request(Some(1));
    for model in ["openrouter/openai/gpt-4o-mini:online", "openrouter/perplexity/sonar", "openai/gpt-4o-mini-search-preview"] {
        let refused = budget(limits).0.reserve(call(model, &request)).await.unwrap_err();
        assert!(matches!(refused, BudgetError::Searches { .. }), "{refused}");
        assert_eq!(refused.whose(), "unknown");
        assert!(refused.to_string().contains(model) && refused.hint().is_some());
        let allowed = BudgetLimits { unknown_price: UnknownPrice::Allow, ..limits };
        assert!(budget(allowed).0.reserve(call(model, &request)).await.is_ok());
    }
}

#[test]
fn limits_are_written_in_dollars() {
    let limits: BudgetLimits = serde_json::from_str(r#"{"per_call":0.05,"per_day":20}"#).unwrap();
    assert_eq!((limits.per_call, limits.per_day), (Some(NanoUsd::from_nanos(50_000_000)), Some(NanoUsd::from_dollars(20))));
}
