//! Who answers when nothing at all is configured: the first provider whose key the environment has, else nobody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::Environment;
use super::select::SelectedModel;

/// The model that OpenRouter is asked for when `OPENROUTER_MODEL` names no other.
pub const DEFAULT_OPENROUTER_MODEL: &str = "anthropic/claude-haiku-4-5";
const DEFAULT_ANTHROPIC_MODEL: &str = "claude-haiku-4-5-20251001";
/// So many tokens an answer has at most when neither the call nor an alias says.
const DEFAULT_MAX_TOKENS: u64 = 1024;

/// What happens to a call when there is nobody to answer it: the setting `llm.on_missing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The call fails.
    #[default]
    Fail,
    /// The call waits until a model or a key is there.
    Pending,
}

/// A provider that the environment has a key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executor {
    /// Its model, recorded as one that nobody asked for by name.
    pub selected: SelectedModel,
    /// The limit of an answer, where the call sets none.
    pub max_tokens: u64,
}

/// Nobody to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No model is configured, and neither OPENROUTER_API_KEY nor ANTHROPIC_API_KEY is set.")]
pub struct NotConfigured {
    /// What is to happen to the call.
    pub on_missing: OnMissing,
}

impl NotConfigured {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> &'static str {
        match self.on_missing {
            OnMissing::Fail => {
                "set one of them, or register a model: kitaru-host model register <alias> --model <provider/model>"
            }
            OnMissing::Pending => "the call waits; it goes on when one of them is set or a model is registered",
        }
    }
}

/// The provider of calls that name no model while none is configured ([`SelectError::NoneConfigured`](super::SelectError::NoneConfigured)):
/// OpenRouter by `OPENROUTER_API_KEY`, else Anthropic by `ANTHROPIC_API_KEY`. Asked again for each call, so that a key that appears is found.
///
/// # Errors
/// When neither key is set; the error says whether the call is to fail or to wait.
pub fn default_executor(environment: &dyn Environment, on_missing: OnMissing) -> Result<Executor, NotConfigured> {
    let filled = |name: &str| environment.variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let model = if filled("OPENROUTER_API_KEY").is_some() {
        let model = filled("OPENROUTER_MODEL").unwrap_or_else(|| DEFAULT_OPENROUTER_MODEL.into());
        format!("openrouter/{model}")
    } else if filled("ANTHROPIC_API_KEY").is_some() {
        format!("anthropic/{DEFAULT_ANTHROPIC_MODEL}")
    } else {
        return Err(NotConfigured { on_missing });
    };
    let selected = SelectedModel { requested_model: model.clone(), alias: None, resolved_model: model, secret: None };
    Ok(Executor { selected, max_tokens: DEFAULT_MAX_TOKENS })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<String, NotConfigured> {
        let environment: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        default_executor(&environment, OnMissing::Pending).map(|executor| executor.selected.resolved_model)
    }

    #[test]
    fn a7_openrouter_comes_before_anthropic_and_both_before_nothing() {
        let (router, anthropic) = (("OPENROUTER_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b"));
        assert_eq!(chosen(&[router, anthropic]).unwrap(), "openrouter/anthropic/claude-haiku-4-5");
        assert_eq!(chosen(&[router, ("OPENROUTER_MODEL", "x/y")]).unwrap(), "openrouter/x/y");
        assert_eq!(chosen(&[("OPENROUTER_API_KEY", " "), anthropic]).unwrap(), "anthropic/claude-haiku-4-5-20251001");
        assert_eq!(chosen(&[]), Err(NotConfigured { on_missing: OnMissing::Pending }));
    }
}
