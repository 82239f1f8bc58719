//! One request on its last step: the bytes that are sent, and the answer in the words that everything before the provider speaks.

use serde_json::{Value, json};

use super::candidate::Candidate;
use super::failing;
use super::failure::CallFailure;
#[cfg(feature = "genai")]
use super::failure::FailureOrigin;
use crate::chat::RawRequest;
use crate::codec::{Api, GeminiCall};
use crate::provider::{Delivery, Endpoint, EventStream, PreparedRequest, Transport, TransportError};
#[cfg(feature = "genai")]
use crate::translator::{Translated, TranslatedStream, TranslationError, translate};

/// A request that can be sent.
pub(super) struct Outgoing {
    prepared: PreparedRequest,
    /// Box: most are none, and it holds the request once more.
    #[cfg(feature = "genai")]
    translated: Option<Box<Translated>>,
}

impl Outgoing {
    /// `request` in the words of the candidate's provider.
    ///
    /// # Errors
    /// When it cannot be said there, or not be sent there.
    pub(super) async fn of(
        endpoint: &Endpoint,
        candidate: &Candidate,
        request: &RawRequest,
        delivery: Delivery,
    ) -> Result<Self, CallFailure> {
        #[cfg(feature = "genai")]
        if let Some(translation) = candidate.translation {
            let done = translate(endpoint, translation, request, &candidate.model, delivery).await;
            let (prepared, translated) = done.map_err(|error| of_translation(&error, &candidate.selected.resolved_model))?;
            return Ok(Self { prepared, translated: Some(Box::new(translated)) });
        }
        let wire = match candidate.api {
            // The model and the delivery are in its address.
            Api::Gemini => {
                let parts = GeminiCall::of(&request.content).map_err(|error| CallFailure::usage(error.to_string()))?;
                &RawRequest { headers: request.headers.clone(), content: parts.body }
            }
            Api::OpenAiChat | Api::OpenAiResponses | Api::AnthropicMessages => request,
        };
        let prepared = endpoint.prepare(wire, &candidate.model, delivery).map_err(|error| failing::of_endpoint(&error))?;
        Ok(Self {
            prepared,
            #[cfg(feature = "genai")]
            translated: None,
        })
    }

    /// What is sent.
    pub(super) fn prepared(&self) -> &PreparedRequest {
        &self.prepared
    }

    /// What is said of a translated request in records, which have it before it was translated: where it goes, and of which bytes it is. Never any
    /// content.
    pub(super) fn translation(&self) -> Option<Value> {
        let sent = &self.prepared;
        let (protocol, length) = (sent.translation()?.as_str(), sent.body().len());
        Some(json!({ "protocol": protocol, "url": sent.url(), "bytes": length, "sha256": sent.body_sha256() }))
    }

    /// Sends it, and gives the whole answer.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn send(&self, transport: &Transport) -> Result<Value, TransportError> {
        let body = transport.send(&self.prepared).await?.body;
        #[cfg(feature = "genai")]
        if let Some(translated) = &self.translated {
            return translated.whole(&body).await;
        }
        Ok(body)
    }

    /// Sends it, and gives the answer in pieces.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn open(self, transport: &Transport) -> Result<Incoming, TransportError> {
        let events = transport.open(&self.prepared).await?;
        #[cfg(feature = "genai")]
        if let Some(translated) = self.translated {
            return Ok(Incoming::Translated(Box::new(translated.stream(events).await?)));
        }
        Ok(Incoming::Plain(Box::new(events)))
    }
}

/// The chunks of an answer.
pub(super) enum Incoming {
    /// As the provider sends them.
    Plain(Box<EventStream>),
    /// As the translator makes them of what the provider sends.
    #[cfg(feature = "genai")]
    Translated(Box<TranslatedStream>),
}

impl Incoming {
    /// The next chunk; none after the last.
    pub(super) async fn next(&mut self) -> Option<Result<Value, TransportError>> {
        match self {
            Self::Plain(events) => events.next().await,
            #[cfg(feature = "genai")]
            Self::Translated(events) => events.next().await,
        }
    }
}

#[cfg(feature = "genai")]
fn of_translation(error: &TranslationError, model: &str) -> CallFailure {
    match error {
        TranslationError::Codec(error) => failing::of_codec(error, model),
        TranslationError::Endpoint(error) => failing::of_endpoint(error),
        TranslationError::Translator { .. } => CallFailure::new(CallFailure::PROVIDER, FailureOrigin::Backend, error.to_string()),
    }
}
