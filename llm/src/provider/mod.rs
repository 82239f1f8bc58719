//! Providers over HTTP: from a request in a provider's own words to the provider's own answer.
//!
//! Knows addresses, headers and bytes, and of the protocols only where a call goes and how a stream ends. Reads no environment, except that the
//! system's proxy settings are respected if wanted: keys, base URLs and limits are handed in. Three promises hold. The bytes of a request can be
//! recorded before it is sent ([`PreparedRequest`]). The key is added last, to the request that leaves, and comes back in nothing: no error, no
//! `Debug`, no answer that quotes it, in one piece or in several. And whatever a provider does, a call ends: within its time, with bounded memory, and with an error that says
//! whose fault it is ([`TransportError`]).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use kitaru_llm::chat::RawRequest;
//! use kitaru_llm::provider::{AnyAddress, Delivery, Endpoint, Secret, SystemNames, Transport, TransportConfig};
//! use serde_json::json;
//!
//! # async fn call(key: String) -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::new(&TransportConfig::default(), Arc::new(SystemNames), Arc::new(AnyAddress))?;
//! let endpoint = Endpoint::of_provider("openai", None, Some(Secret::new(key)))?;
//! let body = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "Hello" }] });
//! let request = endpoint.prepare(&RawRequest::new(body), "gpt-4o-mini", Delivery::Whole)?;
//! // Record `request.body()` here.
//! let reply = transport.send(&request).await?;
//! # let _ = reply; Ok(())
//! # }
//! ```

mod address;
mod answer;
mod channel;
mod choices;
mod cuts;
mod endpoint;
mod error;
mod failure;
mod frames;
mod key_filter;
mod known;
mod patience;
mod preflight;
mod prepared;
mod redaction;
mod secret;
mod stream;
mod timeouts;
mod tls;
mod translation;
mod transport;
mod wire;

pub use address::{AddressPolicy, AnyAddress, NameService, SystemNames};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Phase, RetryAfter, StatusError, TransportError};
pub use known::{AuthScheme, KNOWN_PROVIDERS, KnownProvider, known_provider};
pub use preflight::{ModelPresence, Preflight, PreflightError, preflight};
pub use prepared::PreparedRequest;
pub use secret::Secret;
pub use stream::EventStream;
pub use timeouts::{SizeLimits, Timeouts};
pub use tls::tls_config;
pub use translation::Translation;
pub use transport::{Reply, Transport, TransportConfig, TransportSetupError, patient_client, plain_client};
pub use wire::Delivery;

#[cfg(feature = "genai")]
pub(crate) use frames::amazon_frame;
