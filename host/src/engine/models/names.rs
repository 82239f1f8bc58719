//! What tells one model call of a flow from another, in one place, so that whoever runs a flow and whoever only checks it agree.

use kitaru_llm::models::CallName;
use serde_json::Value;

use crate::journal::Failure;

/// The type of a durable model call where it is listed among checkpoints.
pub(in crate::engine) const CHECKPOINT_TYPE: &str = "llm_call";

/// Names the model calls of one run of a flow: as their author says, else `llm_1`, `llm_2` …
#[derive(Debug, Default)]
pub(in crate::engine) struct ModelNames {
    unnamed: u64,
}

impl ModelNames {
    /// The name of the next call.
    pub(in crate::engine) fn next(&mut self, request: &Value) -> Result<CallName, Failure> {
        let name = match request.get("name") {
            None | Some(Value::Null) => {
                self.unnamed += 1;
                CallName::normalise(&format!("llm_{}", self.unnamed))
            }
            Some(Value::String(given)) => CallName::normalise(given),
            Some(_) => return Err(Failure::usage("the name of a model call is a text")),
        };
        let name = name.map_err(|error| Failure::usage(error.to_string()))?;
        if name.as_str().len() > 180 {
            return Err(Failure::usage("the name of a model call has at most 180 bytes"));
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn l4_l5_names_are_the_authors_or_counted() {
        let mut names = ModelNames::default();
        let mut next = |request: Value| names.next(&request).map(|name| name.to_string());
        assert_eq!(next(json!({})).unwrap(), "llm_1");
        assert_eq!(next(json!({ "name": "2nd call!" })).unwrap(), "llm_2nd_call_");
        assert_eq!(next(json!({ "name": null })).unwrap(), "llm_2");
        assert_eq!(next(json!({ "name": " " })).unwrap_err().message, "LLM call name cannot be empty.");
        assert_eq!(next(json!({ "name": 1 })).unwrap_err().kind, "usage");
        assert_eq!(next(json!({ "name": "x".repeat(181) })).unwrap_err().kind, "usage");
    }
}
