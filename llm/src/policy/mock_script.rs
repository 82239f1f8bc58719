//! A table of scripted answers at work: it counts what it answered.

use std::sync::Mutex;

use super::mock::{MockCall, MockReply, MockRule, MockTable, WhenExhausted};
use crate::models::Environment;
use crate::mutex::lock;

/// The variable with one answer to all calls.
pub const MOCK_VARIABLE: &str = "KITARU_LLM_MOCK_RESPONSE";

/// Answers calls from a table. Counts are kept in memory: what an execution was answered is in its journal, and a replay asks nobody.
#[derive(Debug, Default)]
pub struct MockScript {
    table: MockTable,
    answered: Mutex<Vec<usize>>,
}

/// A call that the script has no answer for any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mock rule {rule} has no reply left for call `{name}`")]
pub struct MockError {
    /// The rule's position, from zero.
    pub rule: usize,
    /// The call's name.
    pub name: String,
}

impl MockScript {
    /// A script of this table.
    pub fn new(table: MockTable) -> Self {
        let answered = Mutex::new(vec![0; table.len()]);
        Self { table, answered }
    }

    /// The script of `KITARU_LLM_MOCK_RESPONSE`: its value, also an empty one, answers every call at once and without tokens. Nothing when it is not
    /// set.
    pub fn from_environment(environment: &dyn Environment) -> Option<Self> {
        let text = environment.variable(MOCK_VARIABLE)?;
        Some(Self::new(MockTable::new(vec![MockRule::always(text)]).unwrap_or_default()))
    }

    /// Whether a rule fits a call, so that it may be answered. Nothing is counted.
    pub fn knows(&self, call: MockCall<'_>) -> bool {
        self.table.fitting(call).next().is_some()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The answer to a call, which counts as answered by it. Nothing when no rule fits: the call goes on to its provider.
    ///
    /// # Errors
    /// When the rule that fits has no answer left and is to fail then.
    pub fn answer(&self, call: MockCall<'_>) -> Result<Option<&MockReply>, MockError> {
        let mut answered = lock(&self.answered);
        for rule in self.table.fitting(call) {
            let Some(number) = answered.get_mut(rule) else { continue };
            match self.table.reply(rule, *number) {
                Some((Some(reply), _)) => {
                    *number = number.saturating_add(1);
                    return Ok(Some(reply));
                }
                Some((None, WhenExhausted::Pass)) | None => {}
                Some((None, _)) => return Err(MockError { rule, name: call.name.into() }),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::chat::FinishReason;
    use crate::models::{ModelRegistry, RegistryOrigin, provider_of, select_model};
    use crate::policy::{MockAnswer, MockTableError};
    use serde_json::{Value, json};

    fn script(rules: Value) -> MockScript {
        MockScript::new(MockTable::new(serde_json::from_value(rules).unwrap()).unwrap())
    }

    fn call<'a>(name: &'a str, prompt: &'a str) -> MockCall<'a> {
        MockCall { name, requested_model: "fast", resolved_model: "openai/gpt-4o-mini", prompt }
    }

    fn said(script: &MockScript, name: &str, prompt: &str) -> Option<String> {
        script.answer(call(name, prompt)).unwrap().map(|reply| reply.to_response("r", "m").unwrap().text())
    }

    #[test]
    fn l2_l14_the_variable_answers_every_call_even_of_unknown_providers() {
        let environment = BTreeMap::from([(MOCK_VARIABLE.to_owned(), String::new())]);
        let script = MockScript::from_environment(&environment).unwrap();
        let selected = select_model(Some("acme/big"), &environment, &ModelRegistry::default(), RegistryOrigin::Local).unwrap();
        assert!(provider_of(&selected.resolved_model).is_err());
        let call = MockCall {
            name: "a",
            requested_model: &selected.requested_model,
            resolved_model: &selected.resolved_model,
            prompt: "q",
        };
        for _ in 0..2 {
            let reply = script.answer(call).unwrap().unwrap();
            assert_eq!((reply.to_response("r", "m").unwrap().text().as_str(), reply.delay_ms), ("", 0));
            assert_eq!(reply.to_response("r", "m").unwrap().usage, None);
        }
        assert!(MockScript::from_environment(&BTreeMap::new()).is_none());
    }

    #[test]
    fn rules_are_found_by_name_model_and_prompt() {
        let script = script(json!([
            { "name": "outline*", "replies": [{ "text": "by name" }] },
            { "model": "anthropic/*", "replies": [{ "text": "never" }] },
            { "prompt": "(?i)weather", "replies": [{ "text": "by prompt" }] },
            { "model": "fast", "replies": [{ "json": { "ok": true } }] }
        ]));
        assert_eq!(said(&script, "outline_call", "weather").as_deref(), Some("by name"));
        assert_eq!(said(&script, "x", "the WEATHER today").as_deref(), Some("by prompt"));
        assert_eq!(said(&script, "x", "").as_deref(), Some(r#"{"ok":true}"#));
        assert_eq!(said(&self::script(json!([])), "x", ""), None);
    }

    #[test]
    fn answers_come_in_order_and_then_as_the_rule_says() {
        let replies = json!([{ "text": "1" }, { "text": "2" }]);
        let sequence = |then: &str| {
            let script = script(json!([{ "replies": replies, "then": then }, { "replies": [{ "text": "next rule" }] }]));
            (0..4).map(|_| said(&script, "a", "")).collect::<Option<Vec<_>>>().unwrap().join(",")
        };
        assert_eq!(sequence("repeat"), "1,2,2,2");
        assert_eq!(sequence("cycle"), "1,2,1,2");
        assert_eq!(sequence("pass"), "1,2,next rule,next rule");
        let failing = script(json!([{ "replies": [{ "text": "1" }], "then": "fail" }]));
        assert!(failing.answer(call("a", "")).is_ok());
        assert_eq!(failing.answer(call("a", "")).unwrap_err(), MockError { rule: 0, name: "a".into() });
    }

    #[test]
    fn failures_delays_tools_and_usage_are_scripted() {
        let script = script(json!([{ "replies": [
            { "error": { "message": "slow down", "status": 429, "retry_after_ms": 20 }, "delay_ms": 5 },
            { "tool_calls": [{ "name": "search", "arguments": { "q": 1 } }], "tokens_input": 3, "tokens_output": 4, "cost_usd": 0.5 }
        ] }]));
        let first = script.answer(call("a", "")).unwrap().unwrap();
        assert_eq!(first.delay_ms, 5);
        assert_eq!(first.to_response("r", "m").unwrap_err().retry_after_ms, Some(20));
        let second = script.answer(call("a", "")).unwrap().unwrap();
        assert!(matches!(second.answer, MockAnswer::ToolCalls(_)));
        let response = second.to_response("r", "m").unwrap();
        assert_eq!(response.finish_reason, Some(FinishReason::ToolUse));
        assert_eq!(response.usage.unwrap().reported_cost_nanodollars, Some(500_000_000));
    }

    #[test]
    fn wrong_tables_are_refused() {
        let table = |rules: Value| MockTable::new(serde_json::from_value(rules).unwrap());
        assert!(matches!(table(json!([{ "replies": [] }])), Err(MockTableError::NoReplies { index: 0 })));
        assert!(matches!(table(json!([{ "prompt": "(", "replies": [{ "text": "" }] }])), Err(MockTableError::Pattern(_))));
    }
}
