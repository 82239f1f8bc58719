//! The providers that are known by the prefix of a model: their keys, addresses and protocols.

use std::borrow::Cow;

use super::alias::Alias;
use super::credentials::Environment;
use crate::provider::{Translation, known_provider};

/// What Anthropic's API is asked for at most when a call names no limit: it accepts no request without one.
pub const ANTHROPIC_DEFAULT_MAX_TOKENS: u64 = 4096;

/// A provider that is known by its prefix: what there is to know of it beside its address, its protocol and its header for keys, which are in
/// [`KNOWN_PROVIDERS`](crate::provider::KNOWN_PROVIDERS).
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The part of a model's identifier before the first `/`.
    pub prefix: &'static str,
    /// Environment variables, and keys of a secret, of which any one holds the provider's key. None: it needs no key.
    pub keys: &'static [&'static str],
    /// Its name in telemetry (`gen_ai.provider.name`).
    pub telemetry_name: &'static str,
    /// Its name in the maintained table of prices.
    pub price_name: &'static str,
}

const fn provider(
    prefix: &'static str,
    keys: &'static [&'static str],
    telemetry_name: &'static str,
    price_name: &'static str,
) -> Provider {
    Provider { prefix, keys, telemetry_name, price_name }
}

static PROVIDERS: &[Provider] = &[
    provider("openai", &["OPENAI_API_KEY"], "openai", "openai"),
    provider("openai-responses", &["OPENAI_API_KEY"], "openai", "openai"),
    provider("anthropic", &["ANTHROPIC_API_KEY"], "anthropic", "anthropic"),
    provider("openrouter", &["OPENROUTER_API_KEY"], "openrouter", "openrouter"),
    provider("ollama", &[], "ollama", "ollama"),
    provider("gemini", &["GEMINI_API_KEY", "GOOGLE_API_KEY"], "gcp.gemini", "google"),
    provider("gemini-compatible", &["GEMINI_API_KEY", "GOOGLE_API_KEY"], "gcp.gemini", "google"),
    provider("azure", &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"], "azure.ai.openai", "azure"),
    provider("vllm", &[], "vllm", "vllm"),
    provider("lmstudio", &[], "lmstudio", "lmstudio"),
    provider("llamacpp", &[], "llamacpp", "llamacpp"),
    provider("groq", &["GROQ_API_KEY"], "groq", "groq"),
    provider("mistral", &["MISTRAL_API_KEY"], "mistral_ai", "mistral"),
    provider("deepseek", &["DEEPSEEK_API_KEY"], "deepseek", "deepseek"),
    provider("xai", &["XAI_API_KEY"], "x_ai", "x-ai"),
    provider("together", &["TOGETHER_API_KEY"], "together", "together"),
    provider("fireworks", &["FIREWORKS_API_KEY"], "fireworks", "fireworks"),
    provider("nvidia", &["NVIDIA_API_KEY"], "nvidia", "nvidia"),
    provider("perplexity", &["PERPLEXITY_API_KEY"], "perplexity", "perplexity"),
    provider("cerebras", &["CEREBRAS_API_KEY"], "cerebras", "cerebras"),
    provider("moonshot", &["MOONSHOT_API_KEY"], "moonshot_ai", "moonshotai"),
    provider("cohere", &["COHERE_API_KEY", "CO_API_KEY"], "cohere", "cohere"),
    provider("huggingface", &["HF_TOKEN"], "huggingface", "huggingface"),
    #[cfg(feature = "genai")]
    provider("genai-bedrock", &["AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_API_KEY"], "aws.bedrock", "aws"),
    #[cfg(feature = "genai")]
    provider("genai-cohere", &["COHERE_API_KEY", "CO_API_KEY"], "cohere", "cohere"),
    #[cfg(feature = "genai")]
    provider("genai-ollama", &[], "ollama", "ollama"),
];

impl Provider {
    /// All that are known, in the order in which they are listed to people.
    pub fn all() -> &'static [Self] {
        PROVIDERS
    }

    /// The provider with this prefix.
    pub fn find(prefix: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.prefix == prefix)
    }

    /// Where its API is on this machine, without an alias of another opinion. Ollama's is moved by `OLLAMA_HOST`, which is read as Ollama reads it.
    /// Nothing where everyone has an own address.
    pub fn base_url_in(&self, environment: &dyn Environment) -> Option<String> {
        let moved = (self.prefix == "ollama").then(|| environment.variable("OLLAMA_HOST")).flatten().and_then(|host| {
            let host = host.trim().trim_matches(['"', '\'']).trim_end_matches('/');
            let path = if host.ends_with("/v1") { "" } else { "/v1" };
            match host.contains("://") {
                _ if host.is_empty() => None,
                true => Some(format!("{host}{path}")),
                false => Some(format!("http://{}{path}", with_ollamas_port(host))),
            }
        });
        moved.or_else(|| known_provider(self.prefix).map(|known| known.base_url.to_owned()).filter(|url| !url.is_empty()))
    }

    /// Whether its models run on one's own machines, where a token costs nothing that anybody bills.
    pub fn is_local(&self) -> bool {
        matches!(self.prefix, "ollama" | "vllm" | "lmstudio" | "llamacpp" | "genai-ollama")
    }
}

/// A host that is written without a scheme, with Ollama's port unless it has one; a port alone is one of this machine.
fn with_ollamas_port(host: &str) -> String {
    let (address, path) = host.split_at(host.find('/').unwrap_or(host.len()));
    // Behind a v6 address's bracket a colon begins a port; without brackets several colons are such an address.
    let after = address.rfind(']').map_or(address, |end| address.get(end..).unwrap_or_default());
    match (address, after.matches(':').count()) {
        (port, _) if port.starts_with(':') && after.matches(':').count() == 1 => format!("localhost{port}{path}"),
        (_, 0) => format!("{address}:11434{path}"),
        (_, 1) => host.to_owned(),
        _ => format!("[{address}]:11434{path}"),
    }
}

/// A model's identifier taken apart at its first `/`; what follows may have more of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRef {
    /// The part before: a provider's prefix.
    pub provider: String,
    /// The part after: the provider's own name of the model, sent as it is.
    pub model: String,
}

/// A model's identifier that names no provider that the host can call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No `/`.
    #[error("Model `{model}` is missing a provider prefix. Use the form provider/model, such as openai/{model}.")]
    NoPrefix {
        /// The identifier.
        model: String,
    },
    /// Nothing after the `/`, or before it.
    #[error("Model `{model}` is incomplete. Use the form provider/model.")]
    Incomplete {
        /// The identifier.
        model: String,
    },
    /// A prefix that this build was made without.
    #[error("Provider `{provider}` of model `{model}` is not in this build: it was made without the feature `genai`.")]
    NotBuilt {
        /// The prefix.
        provider: String,
        /// The identifier.
        model: String,
    },
    /// A prefix that nobody knows.
    #[error("Provider `{provider}` of model `{model}` is not supported. Supported providers: {}.", known_prefixes())]
    Unsupported {
        /// The prefix.
        provider: String,
        /// The identifier.
        model: String,
    },
}

impl ProviderError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Unsupported { .. } => {
                Some("a server that speaks OpenAI's protocol can be called as vllm/<model> by an alias with `base_url`".into())
            }
            Self::NotBuilt { .. } => {
                Some("build the host with `--features genai`, or reach the provider by another protocol: docs/models.md".into())
            }
            Self::NoPrefix { model } => {
                let alias = model.parse::<Alias>();
                let alias = alias.as_ref().map_or("<alias>", Alias::as_str);
                let register = format!("kitaru-host model register {alias} --model <provider>/<model>");
                Some(format!("a short name is registered first: {register}").into())
            }
            Self::Incomplete { .. } => None,
        }
    }
}

fn known_prefixes() -> String {
    PROVIDERS.iter().map(|provider| provider.prefix).collect::<Vec<_>>().join(", ")
}

impl ModelRef {
    /// Takes an identifier apart. The provider need not be known.
    ///
    /// # Errors
    /// When a part is missing.
    pub fn parse(identifier: &str) -> Result<Self, ProviderError> {
        let identifier = identifier.trim();
        let Some((provider, model)) = identifier.split_once('/') else {
            return Err(ProviderError::NoPrefix { model: identifier.into() });
        };
        if provider.trim().is_empty() || model.trim().is_empty() {
            return Err(ProviderError::Incomplete { model: identifier.into() });
        }
        Ok(Self { provider: provider.trim().to_lowercase(), model: model.trim().into() })
    }
}

/// Who serves a model, and the provider's own name of it.
///
/// # Errors
/// When the identifier has no provider, or one that is not known.
pub fn provider_of(identifier: &str) -> Result<(&'static Provider, ModelRef), ProviderError> {
    let parts = ModelRef::parse(identifier)?;
    match Provider::find(&parts.provider) {
        Some(provider) => Ok((provider, parts)),
        None if Translation::of_prefix(&parts.provider).is_some() => {
            Err(ProviderError::NotBuilt { provider: parts.provider, model: identifier.trim().into() })
        }
        None => Err(ProviderError::Unsupported { provider: parts.provider, model: identifier.trim().into() }),
    }
}

/// The key that limits the answer's tokens in OpenAI's Chat Completions: models that reason accept only the newer one, and servers that imitate
/// OpenAI often know only the older.
pub fn completion_tokens_parameter(provider: &Provider, model: &str) -> &'static str {
    let reasons = ["gpt-5", "gpt-6", "o1", "o3", "o4"].iter().any(|family| model.starts_with(family));
    if matches!(provider.prefix, "openai" | "azure") && reasons { "max_completion_tokens" } else { "max_tokens" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn l14_an_unknown_provider_is_named() {
        let error = provider_of("acme/big").unwrap_err();
        assert!(error.to_string().starts_with(
            "Provider `acme` of model `acme/big` is not supported. Supported providers: openai, openai-responses, anthropic,"
        ));
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_provider_that_needs_a_translator_is_known_in_every_build() {
        for translation in Translation::ALL {
            let found = provider_of(&format!("{}/m", translation.prefix()));
            assert_eq!(found.is_ok(), Translation::BUILT);
            if let Err(error) = found {
                assert!(error.to_string().contains("made without the feature `genai`"), "{error}");
                assert!(error.hint().is_some_and(|hint| hint.contains("--features genai")));
            }
        }
    }

    #[test]
    fn l15_a_model_needs_a_provider_prefix() {
        let message = provider_of("gpt-4o").unwrap_err().to_string();
        assert_eq!(message, "Model `gpt-4o` is missing a provider prefix. Use the form provider/model, such as openai/gpt-4o.");
        let hint = |model: &str| provider_of(model).unwrap_err().hint().unwrap().into_owned();
        assert!(hint("gpt-4o").ends_with("kitaru-host model register gpt-4o --model <provider>/<model>"), "{}", hint("gpt-4o"));
        assert!(
            hint("gpt 4.1").ends_with("kitaru-host model register <alias> --model <provider>/<model>"),
            "no alias is called so"
        );
        assert!(matches!(provider_of("openai/ "), Err(ProviderError::Incomplete { .. })));
        assert!(matches!(provider_of("/x"), Err(ProviderError::Incomplete { .. })));
    }

    #[test]
    fn a_nested_name_is_kept_after_the_first_slash() {
        let (provider, parts) = provider_of("openrouter/anthropic/claude-haiku-4-5").unwrap();
        assert_eq!((provider.prefix, parts.model.as_str()), ("openrouter", "anthropic/claude-haiku-4-5"));
    }

    #[test]
    fn l19_ollama_needs_no_key_and_moves_with_its_host() {
        let ollama = Provider::find("ollama").unwrap();
        assert!(ollama.keys.is_empty());
        let at = |host: &str| ollama.base_url_in(&BTreeMap::from([("OLLAMA_HOST".to_owned(), host.to_owned())])).unwrap();
        assert_eq!(at("http://box:1234/"), "http://box:1234/v1");
        assert_eq!(at("box:1234"), "http://box:1234/v1");
        assert_eq!(at("http://box/v1"), "http://box/v1");
        for (host, url) in [
            ("box", "http://box:11434/v1"),
            ("0.0.0.0", "http://0.0.0.0:11434/v1"),
            ("box/v1", "http://box:11434/v1"),
            (":9", "http://localhost:9/v1"),
            ("[::1]", "http://[::1]:11434/v1"),
            ("[::1]:9", "http://[::1]:9/v1"),
            ("::1", "http://[::1]:11434/v1"),
            ("https://box", "https://box/v1"),
        ] {
            assert_eq!(at(host), url, "{host}");
        }
        assert_eq!(ollama.base_url_in(&BTreeMap::new()).unwrap(), "http://localhost:11434/v1");
    }

    #[test]
    fn whoever_can_be_called_is_here_and_the_other_way_round() {
        let callable: Vec<_> = crate::provider::KNOWN_PROVIDERS.iter().map(|known| known.prefix).collect();
        assert_eq!(callable.len(), Provider::all().len());
        for provider in Provider::all() {
            assert_eq!(Provider::find(provider.prefix), Some(provider));
            assert!(callable.contains(&provider.prefix), "{}", provider.prefix);
            assert_eq!(provider.is_local(), provider.keys.is_empty(), "{}", provider.prefix);
            assert_eq!(provider.base_url_in(&BTreeMap::new()).is_none(), matches!(provider.prefix, "azure" | "genai-bedrock"));
        }
    }

    #[test]
    fn models_that_reason_take_the_newer_limit() {
        let openai = Provider::find("openai").unwrap();
        assert_eq!(completion_tokens_parameter(openai, "gpt-5-mini"), "max_completion_tokens");
        assert_eq!(completion_tokens_parameter(openai, "gpt-4o"), "max_tokens");
        assert_eq!(completion_tokens_parameter(Provider::find("vllm").unwrap(), "gpt-5"), "max_tokens");
    }
}
