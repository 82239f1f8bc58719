//! Model aliases as files have them: `[models]` of `kitaru.toml`, and the whole of `models.toml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kitaru_llm::codec::Api;
use kitaru_llm::models::{Alias, ModelAlias, ModelRegistry, ProviderError, provider_of};
use kitaru_llm::provider::{Endpoint, EndpointError};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// What an alias stands for cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasProblem {
    /// Not its model.
    #[error(transparent)]
    Model(ProviderError),
    /// Not its address.
    #[error(transparent)]
    Address(EndpointError),
    /// Its secret has no name.
    #[error("the name of a secret is not empty")]
    Secret,
    /// Not one of its fallbacks.
    #[error(transparent)]
    Fallback(ProviderError),
}

impl AliasProblem {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            // It is being registered: what is wrong is the other name.
            Self::Model(ProviderError::NoPrefix { .. }) => None,
            Self::Model(error) | Self::Fallback(error) => error.hint(),
            Self::Address(_) | Self::Secret => None,
        }
    }
}

/// An entry of a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` in line {line} of `{path}` cannot be used")]
pub struct ModelEntryError {
    /// Which file.
    pub path: PathBuf,
    /// Where, from 1.
    pub line: usize,
    /// Which key, with the names of the tables around it.
    pub key: String,
    /// Why.
    #[source]
    pub source: Box<AliasProblem>,
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModelTable {
    /// The model of calls that name none: an alias.
    #[schemars(with = "Option<String>")]
    default: Option<Alias>,
    /// What each alias stands for. An alias has letters, digits, `_` and `-`, and begins with a letter or a digit.
    #[schemars(with = "BTreeMap<String, WrittenAlias>")]
    aliases: BTreeMap<Alias, WrittenAlias>,
}

/// What an alias stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenAlias {
    /// The model, as `provider/model`.
    #[schemars(with = "String")]
    model: Spanned<String>,
    /// The stored secret with the provider's key, for when the environment has none.
    #[schemars(with = "Option<String>")]
    secret: Option<Spanned<String>>,
    /// The address of the provider, where it is another than usual.
    #[schemars(with = "Option<String>")]
    base_url: Option<Spanned<String>>,
    /// The protocol that the provider speaks, where it is another than usual.
    api: Option<Api>,
    /// Aliases or models that are called instead when a call fails, in order.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    fallbacks: Vec<Spanned<String>>,
}

impl ModelTable {
    /// The aliases, checked. `text` is what the file at `path` holds, `within` what stands before the table's keys when they are named.
    ///
    /// # Errors
    /// The first entry that cannot be used, with its place.
    pub(super) fn registry(self, path: &Path, text: &str, within: &str) -> Result<ModelRegistry, ModelEntryError> {
        let mut registry = ModelRegistry { aliases: BTreeMap::new(), default: self.default };
        for (alias, written) in self.aliases {
            let model = written.model();
            if let Err(source) = check_alias(&model) {
                let (key, at) = written.place_of(&source, &model);
                let key = format!("{within}aliases.{alias}.{key}");
                return Err(ModelEntryError { path: path.to_owned(), line: line_at(text, at), key, source: Box::new(source) });
            }
            registry.aliases.insert(alias, model);
        }
        Ok(registry)
    }
}

impl WrittenAlias {
    fn model(&self) -> ModelAlias {
        let text = |text: &Spanned<String>| text.get_ref().trim().to_owned();
        ModelAlias {
            model: text(&self.model),
            secret: self.secret.as_ref().map(text),
            base_url: self.base_url.as_ref().map(text),
            api: self.api,
            fallbacks: self.fallbacks.iter().map(text).collect(),
        }
    }

    /// The key that has the problem, and where its value begins.
    fn place_of(&self, problem: &AliasProblem, model: &ModelAlias) -> (&'static str, usize) {
        let start = |value: Option<&Spanned<String>>| value.unwrap_or(&self.model).span().start;
        match problem {
            AliasProblem::Model(_) => ("model", start(None)),
            AliasProblem::Address(_) => ("base_url", start(self.base_url.as_ref())),
            AliasProblem::Secret => ("secret", start(self.secret.as_ref())),
            AliasProblem::Fallback(_) => {
                let bad = model.fallbacks.iter().position(|fallback| check_fallback(fallback).is_err());
                ("fallbacks", start(bad.and_then(|bad| self.fallbacks.get(bad))))
            }
        }
    }
}

/// Checks what an alias is to stand for, as far as that can be told without asking anybody.
///
/// # Errors
/// When it names no provider that can be called, no address that can be used, a secret without a name, or a fallback that is neither an alias nor
/// a model.
pub fn check_alias(model: &ModelAlias) -> Result<(), AliasProblem> {
    let (provider, _) = provider_of(&model.model).map_err(AliasProblem::Model)?;
    Endpoint::of_provider(provider.prefix, model.base_url.as_deref(), None).map_err(AliasProblem::Address)?;
    if model.secret.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(AliasProblem::Secret);
    }
    model.fallbacks.iter().try_for_each(|fallback| check_fallback(fallback)).map_err(AliasProblem::Fallback)
}

/// Another alias may be registered later; a model must be one.
fn check_fallback(fallback: &str) -> Result<(), ProviderError> {
    match fallback.parse::<Alias>() {
        Ok(_) => Ok(()),
        Err(_) => provider_of(fallback).map(drop),
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ModelRegistry, ModelEntryError> {
        toml::from_str::<ModelTable>(text).unwrap().registry(Path::new("models.toml"), text, "models.")
    }

    #[test]
    fn aliases_with_all_that_they_may_say() {
        let text = "default = \"fast\"\n[aliases.Fast]\nmodel = \" openai/gpt-4o-mini \"\nsecret = \"openai-creds\"\n\
                    [aliases.own]\nmodel = \"vllm/m\"\nbase_url = \"http://127.0.0.1:1/v1\"\napi = \"anthropic_messages\"\n\
                    fallbacks = [\"fast\", \"openai/gpt-4o\"]\n";
        let registry = read(text).unwrap();
        let (alias, fast) = registry.find("fast").unwrap();
        assert_eq!((Some(alias), fast.model.as_str()), (registry.default.as_ref(), "openai/gpt-4o-mini"));
        assert_eq!(fast.secret.as_deref(), Some("openai-creds"));
        let own = registry.find("own").unwrap().1;
        assert_eq!((own.api, own.base_url.as_deref()), (Some(Api::AnthropicMessages), Some("http://127.0.0.1:1/v1")));
        assert_eq!(own.fallbacks, ["fast", "openai/gpt-4o"]);
        assert_eq!(read("").unwrap(), ModelRegistry::default());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_line_and_key() {
        let of = |rest: &str| read(&format!("# A comment.\n[aliases.fast]\n{rest}")).unwrap_err();
        for (rest, line, key) in [
            ("model = \"gpt-4o\"\n", 3, "model"),
            ("secret = \"s\"\nmodel = \"opnai/gpt-4o\"\n", 4, "model"),
            ("model = \"azure/mine\"\n", 3, "base_url"),
            ("model = \"openai/a\"\nbase_url = \"nowhere\"\n", 4, "base_url"),
            ("model = \"openai/a\"\nsecret = \" \"\n", 4, "secret"),
            ("model = \"openai/a\"\nfallbacks = [\n  \"smart\",\n  \"a b\",\n]\n", 6, "fallbacks"),
        ] {
            let error = of(rest);
            assert_eq!((error.line, error.key.as_str()), (line, format!("models.aliases.fast.{key}").as_str()), "{rest}");
            assert!(error.to_string().contains("`models.toml`"), "{error}");
        }
        for unread in ["[alias.fast]\n", "[aliases.\"a b\"]\nmodel = \"openai/a\"\n", "[aliases.fast]\n", "default = \"a b\"\n"] {
            assert!(toml::from_str::<ModelTable>(unread).is_err(), "{unread}");
        }
    }
}
