//! Which model a call means, who serves it, and with which credentials.
//!
//! Pure rules over injected look-ups: nothing here reads the environment, a file or a network. The order of the rules is the order of the
//! modules: a call is named and its prompt normalised, a model is selected, its provider is found, credentials are chosen.

mod alias;
mod call_name;
mod credentials;
mod executor;
mod frozen;
mod prompt;
mod provider;
mod registry;
mod select;

pub use alias::{Alias, AliasError};
pub use call_name::{CallName, CallNameError, CallNames};
pub use credentials::{Credential, CredentialError, CredentialSource, Environment, SecretError, SecretSource, choose_credential};
pub use executor::{DEFAULT_OPENROUTER_MODEL, Executor, NotConfigured, OnMissing, default_executor};
pub use frozen::FrozenModels;
pub use prompt::{Prompt, PromptError, check_system_leads, normalise_prompt};
pub use provider::{ANTHROPIC_DEFAULT_MAX_TOKENS, ModelRef, Provider, ProviderError, completion_tokens_parameter, provider_of};
pub use registry::{ModelAlias, ModelRegistry, RegistryError, RegistryOrigin};
pub use select::{DEFAULT_MODEL_VARIABLE, REGISTRY_VARIABLE, SelectError, SelectedModel, effective_registry, select_model};
