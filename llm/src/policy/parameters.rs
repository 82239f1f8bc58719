//! Parameters that are set, filled in, bounded or taken out of requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pattern::Pattern;
use crate::chat::ChatRequest;

/// Parameters that have a place of their own in a request.
const SAMPLING: [&str; 4] = ["temperature", "max_tokens", "top_p", "stop"];
/// What no rule touches: what is asked and of whom is not a parameter, and whether chunks come is the caller's to know.
const PROTECTED: [&str; 5] = ["messages", "model", "tools", "params", "stream"];

/// What happens to parameters of calls of some models. Applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParameterRule {
    /// The models, as patterns of `provider/model`; none mean all.
    pub models: Vec<Pattern>,
    /// Taken out.
    pub remove: Vec<String>,
    /// Set, whatever the call says.
    pub set: Map<String, Value>,
    /// Set where the call says nothing.
    pub default: Map<String, Value>,
    /// Lowered to this where it is more.
    pub at_most: BTreeMap<String, f64>,
    /// Raised to this where it is less.
    pub at_least: BTreeMap<String, f64>,
}

/// Rules that were checked, in the order in which they apply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterRules(Vec<ParameterRule>);

/// A rule, or what it makes of a request, makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// A rule for what is no parameter.
    #[error("`{name}` cannot be changed by a parameter rule")]
    Protected {
        /// The name.
        name: String,
    },
    /// A value that the parameter cannot have.
    #[error("a parameter rule gives the request a value that it cannot have")]
    Value(#[source] serde_json::Error),
}

impl ParameterRules {
    /// Checks rules.
    ///
    /// # Errors
    /// When one is about something that is no parameter.
    pub fn new(rules: Vec<ParameterRule>) -> Result<Self, ParameterError> {
        for rule in &rules {
            let named = rule.remove.iter().chain(rule.set.keys()).chain(rule.default.keys());
            let mut named = named.chain(rule.at_most.keys()).chain(rule.at_least.keys());
            if let Some(name) = named.find(|name| PROTECTED.contains(&name.as_str())) {
                return Err(ParameterError::Protected { name: name.clone() });
            }
        }
        Ok(Self(rules))
    }

    /// The request as the rules for `resolved_model` leave it. Untouched requests come back as they are.
    ///
    /// # Errors
    /// When a value does not fit its parameter.
    pub fn apply(&self, resolved_model: &str, request: ChatRequest) -> Result<ChatRequest, ParameterError> {
        let fits =
            |rule: &&ParameterRule| rule.models.is_empty() || rule.models.iter().any(|model| model.matches(resolved_model));
        let rules: Vec<_> = self.0.iter().filter(fits).collect();
        if rules.is_empty() {
            return Ok(request);
        }
        let mut json = match serde_json::to_value(request).map_err(ParameterError::Value)? {
            Value::Object(json) => json,
            _ => Map::new(),
        };
        let mut params = match json.shift_remove("params") {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        for rule in rules {
            apply(rule, &mut json, &mut params);
        }
        json.insert("params".into(), Value::Object(params));
        serde_json::from_value(Value::Object(json)).map_err(ParameterError::Value)
    }
}

fn apply(rule: &ParameterRule, json: &mut Map<String, Value>, params: &mut Map<String, Value>) {
    let mut place = |name: &str, change: &mut dyn FnMut(&mut Map<String, Value>)| {
        change(if SAMPLING.contains(&name) { params } else { json });
    };
    for name in &rule.remove {
        place(name, &mut |map| drop(map.shift_remove(name)));
    }
    for (name, value) in &rule.set {
        place(name, &mut |map| drop(map.insert(name.clone(), value.clone())));
    }
    for (name, value) in &rule.default {
        place(name, &mut |map| {
            if map.get(name).is_none_or(Value::is_null) {
                map.insert(name.clone(), value.clone());
            }
        });
    }
    for (name, bound) in &rule.at_most {
        place(name, &mut |map| bind(map, name, *bound, |value| value > *bound));
    }
    for (name, bound) in &rule.at_least {
        place(name, &mut |map| bind(map, name, *bound, |value| value < *bound));
    }
}

/// Puts the bound where a number is beyond it, as a whole number where it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only numbers that are whole and in range are converted"
)]
fn bind(map: &mut Map<String, Value>, name: &str, bound: f64, beyond: impl Fn(f64) -> bool) {
    if map.get(name).and_then(Value::as_f64).is_some_and(beyond) {
        let whole = bound.fract() == 0.0 && (0.0..9e15).contains(&bound);
        map.insert(name.into(), if whole { Value::from(bound as u64) } else { Value::from(bound) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Message;
    use serde_json::json;

    fn rules(json: Value) -> ParameterRules {
        ParameterRules::new(serde_json::from_value(json).unwrap()).unwrap()
    }

    fn request(json: Value) -> ChatRequest {
        let mut base = json!({ "messages": [{ "role": "user", "content": "q" }], "model": "m" });
        base.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(base).unwrap()
    }

    #[test]
    fn parameters_are_removed_set_filled_in_and_bounded() {
        let rules = rules(json!([{
            "remove": ["user"], "set": { "seed": 7 }, "default": { "temperature": 0.2, "top_p": 1.0, "custom": true },
            "at_most": { "max_tokens": 100 }, "at_least": { "frequency_penalty": -0.5 }
        }]));
        let before =
            request(json!({ "user": "u", "params": { "temperature": 0.9, "max_tokens": 500 }, "frequency_penalty": -2.0 }));
        let after = rules.apply("openai/x", before).unwrap();
        let expected = request(json!({
            "seed": 7, "params": { "temperature": 0.9, "max_tokens": 100, "top_p": 1.0 }, "frequency_penalty": -0.5, "custom": true
        }));
        assert_eq!(after, expected);
    }

    #[test]
    fn rules_are_for_their_models() {
        let rules = rules(json!([{ "models": ["openai/*"], "set": { "seed": 1 } }]));
        let untouched = ChatRequest::new("m", vec![Message::user("q")]);
        assert_eq!(rules.apply("ollama/x", untouched.clone()).unwrap(), untouched);
        assert_eq!(rules.apply("openai/x", untouched).unwrap().seed, Some(1));
    }

    #[test]
    fn what_is_no_parameter_is_protected_and_wrong_values_are_refused() {
        let wrong: Vec<ParameterRule> = serde_json::from_value(json!([{ "set": { "model": "x" } }])).unwrap();
        assert!(matches!(ParameterRules::new(wrong), Err(ParameterError::Protected { name }) if name == "model"));
        let rules = rules(json!([{ "set": { "seed": "seven" } }]));
        assert!(matches!(rules.apply("a/b", request(json!({}))), Err(ParameterError::Value(_))));
    }
}
