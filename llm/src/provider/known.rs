//! Where the known providers are, what they speak, and which header takes their key.

use crate::codec::Api;

/// The header that takes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// None: local servers.
    None,
    /// `authorization: Bearer …`: OpenAI and all that are compatible with it.
    Bearer,
    /// `x-api-key`: Anthropic.
    XApiKey,
    /// `api-key`: Azure.
    ApiKey,
    /// `x-goog-api-key`: Gemini's own protocol.
    XGoogApiKey,
}

impl AuthScheme {
    /// Name of the header, in lower case, and what stands in it before the key.
    pub(super) fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Bearer => Some(("authorization", "Bearer ")),
            Self::XApiKey => Some(("x-api-key", "")),
            Self::ApiKey => Some(("api-key", "")),
            Self::XGoogApiKey => Some(("x-goog-api-key", "")),
        }
    }
}

/// A provider that needs no configuration beyond a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProvider {
    /// The prefix of its models: `openai` of `openai/gpt-4o-mini`.
    pub prefix: &'static str,
    /// Where its API begins. Empty where everyone has an own one (Azure).
    pub base_url: &'static str,
    /// What it speaks.
    pub api: Api,
    /// Which header takes its key.
    pub auth: AuthScheme,
}

const fn compatible(prefix: &'static str, base_url: &'static str) -> KnownProvider {
    KnownProvider { prefix, base_url, api: Api::OpenAiChat, auth: AuthScheme::Bearer }
}

const fn local(prefix: &'static str, base_url: &'static str) -> KnownProvider {
    KnownProvider { prefix, base_url, api: Api::OpenAiChat, auth: AuthScheme::None }
}

/// The providers that are known, by prefix. Their addresses are those of the providers' own documentation.
pub const KNOWN_PROVIDERS: &[KnownProvider] = &[
    compatible("openai", "https://api.openai.com/v1"),
    KnownProvider {
        prefix: "openai-responses",
        base_url: "https://api.openai.com/v1",
        api: Api::OpenAiResponses,
        auth: AuthScheme::Bearer,
    },
    KnownProvider {
        prefix: "anthropic",
        base_url: "https://api.anthropic.com",
        api: Api::AnthropicMessages,
        auth: AuthScheme::XApiKey,
    },
    compatible("openrouter", "https://openrouter.ai/api/v1"),
    local("ollama", "http://localhost:11434/v1"),
    KnownProvider {
        prefix: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        api: Api::Gemini,
        auth: AuthScheme::XGoogApiKey,
    },
    compatible("gemini-compatible", "https://generativelanguage.googleapis.com/v1beta/openai"),
    KnownProvider { prefix: "azure", base_url: "", api: Api::OpenAiChat, auth: AuthScheme::ApiKey },
    local("vllm", "http://localhost:8000/v1"),
    local("lmstudio", "http://localhost:1234/v1"),
    local("llamacpp", "http://localhost:8080/v1"),
    compatible("groq", "https://api.groq.com/openai/v1"),
    compatible("mistral", "https://api.mistral.ai/v1"),
    compatible("deepseek", "https://api.deepseek.com/v1"),
    compatible("xai", "https://api.x.ai/v1"),
    compatible("together", "https://api.together.xyz/v1"),
    compatible("fireworks", "https://api.fireworks.ai/inference/v1"),
    compatible("nvidia", "https://integrate.api.nvidia.com/v1"),
    compatible("perplexity", "https://api.perplexity.ai"),
    compatible("cerebras", "https://api.cerebras.ai/v1"),
    compatible("moonshot", "https://api.moonshot.ai/v1"),
    compatible("cohere", "https://api.cohere.ai/compatibility/v1"),
    compatible("huggingface", "https://router.huggingface.co/v1"),
    // What they are translated from is OpenAI Chat; see `Translation`. Bedrock's address has a region in it, which nobody chooses for another.
    #[cfg(feature = "genai")]
    compatible("genai-bedrock", ""),
    #[cfg(feature = "genai")]
    compatible("genai-cohere", "https://api.cohere.com"),
    #[cfg(feature = "genai")]
    local("genai-ollama", "http://localhost:11434"),
];

/// The provider of this prefix, in any case of letters.
pub fn known_provider(prefix: &str) -> Option<&'static KnownProvider> {
    KNOWN_PROVIDERS.iter().find(|known| known.prefix.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_unique_and_addresses_whole() {
        for known in KNOWN_PROVIDERS {
            assert_eq!(known_provider(&known.prefix.to_uppercase()), Some(known));
            let is_local = known.auth == AuthScheme::None;
            assert!(
                known.base_url.is_empty() || known.base_url.starts_with(if is_local { "http://localhost:" } else { "https://" })
            );
            assert!(!known.base_url.ends_with('/'));
        }
        assert_eq!(known_provider("nobody"), None);
    }
}
