//! Models.

use std::fmt;
use std::str::FromStr;

use kitaru_llm::models::Alias;
use serde::{Deserialize, Serialize};

use super::text::{GrantError, text_form};

/// Models to call: `*` for all, an alias, `provider/model`, or `provider/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelGrant(String);

impl ModelGrant {
    /// All models.
    pub const ALL: &'static str = "*";

    /// Whether the grant is for a model. `alias` is the name by which it was asked for, if that is an alias; `resolved` is `provider/model`. An
    /// alias is granted as a name: whatever it stands for may be called by it, and the same model by another name may not.
    pub fn covers(&self, alias: Option<&str>, resolved: &str) -> bool {
        if self.0 == Self::ALL {
            return true;
        }
        let Some((provider, model)) = self.0.split_once('/') else {
            return alias.is_some_and(|alias| alias.trim().eq_ignore_ascii_case(&self.0));
        };
        let Some((resolved_provider, resolved_model)) = resolved.trim().split_once('/') else { return false };
        let is_same = match model.strip_suffix('*') {
            // `openrouter/anthropic/*` too; what is before the `*` ends in a `/`, or is nothing.
            Some(start) => resolved_model.len() > start.len() && resolved_model.starts_with(start),
            None => resolved_model.trim_start() == model,
        };
        is_same && resolved_provider.trim_end().eq_ignore_ascii_case(provider)
    }
}

impl FromStr for ModelGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = |problem| GrantError { text: text.to_owned(), problem };
        let pattern = text.trim();
        if pattern == Self::ALL {
            return Ok(Self(pattern.to_owned()));
        }
        let Some((provider, model)) = pattern.split_once('/') else {
            let alias = pattern.parse::<Alias>();
            let alias = alias.map_err(|_| problem("give an alias, `provider/model`, `provider/*` or `*`"))?;
            return Ok(Self(alias.to_string()));
        };
        let (provider, model) = (provider.trim_end(), model.trim_start());
        if provider.is_empty() || model.is_empty() {
            return Err(problem("the provider and the model must be named, as `provider/model` or `provider/*`"));
        }
        if pattern.chars().any(char::is_control) {
            return Err(problem("a model's name has no control characters"));
        }
        let (before, is_open) = model.strip_suffix('*').map_or((model, false), |before| (before, true));
        let is_cut = is_open && !before.is_empty() && !before.ends_with('/');
        if provider.contains('*') || before.contains('*') || is_cut {
            return Err(problem("a `*` stands alone, or at the end after a `/`"));
        }
        Ok(Self(format!("{}/{model}", provider.to_lowercase())))
    }
}

impl fmt::Display for ModelGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(ModelGrant);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models() {
        let covers = |pattern: &str, alias: Option<&str>, resolved: &str| {
            let grant: ModelGrant = pattern.parse().unwrap();
            assert_eq!(grant.to_string().parse::<ModelGrant>().unwrap(), grant);
            grant.covers(alias, resolved)
        };
        let mini = "openai/gpt-4o-mini";
        for pattern in ["*", " Fast ", "openai/*", "OpenAI/*", mini, "openai/ gpt-4o-mini"] {
            assert!(covers(pattern, Some("fast"), mini), "{pattern}");
        }
        for pattern in ["smart", "anthropic/*", "openai/gpt-4o", "openai/gpt-4o-mini-2", "openai/GPT-4O-mini", "open/*"] {
            assert!(!covers(pattern, Some("fast"), mini), "{pattern}");
        }
        assert!(!covers("fast", None, mini), "the model by another name");
        assert!(!covers("openai/*", Some("openai"), "gpt-4o"), "a model of no provider");
        let nested = "openrouter/anthropic/claude-haiku-4-5";
        assert!(covers("openrouter/*", None, nested) && covers("openrouter/anthropic/*", None, nested));
        assert!(!covers("anthropic/*", None, nested) && !covers("openrouter/anthro/*", None, nested));
        for bad in ["", " ", "a b", "a.b", "/x", "x/", "**", "*/x", "openai/gpt*", "openai/*/x", "f*", "openai/a\nb"] {
            assert!(bad.parse::<ModelGrant>().is_err(), "{bad}");
        }
    }
}
