//! Protocols that nothing here speaks, by the crate `genai`, which is used as a codec and never reaches the network.
//!
//! `genai` builds a request and sends it in one step, and reads an answer in another. It does both here through an HTTP client that is tied to a Unix
//! socket in a folder of this process alone, for one request ([`relay`]). A call goes through it twice. First it builds the request: the relay takes its
//! bytes and answers nothing. They become a [`PreparedRequest`], which can be recorded, and which our own transport sends, with the key that `genai` never
//! has, by the rules for addresses, within the limits of time and size, to the address that the alias names. Then `genai` builds the same request again,
//! which is compared, and is given the answer to read: whole, or document by document as it comes, each after the key was taken out of it. So the
//! three promises of [`provider`](crate::provider) hold.
//!
//! What stands before the transport (policies, records, the cache) sees OpenAI Chat, from which is translated and into which. `genai` leaves out what it
//! cannot say; here that is an error. Usage is read from the provider's own document, because `genai` makes zeros of what is not there.

mod answer;
mod relay;
mod request;
mod stream;

pub(crate) use stream::TranslatedStream;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use self::relay::{Heard, Relay, Role};
use self::request::Asked;
use crate::chat::RawRequest;
use crate::codec::CodecError;
use crate::provider::{Delivery, Endpoint, EndpointError, EventStream, PreparedRequest, Translation, TransportError};

#[cfg(not(unix))]
compile_error!("the feature `genai` needs Unix sockets");

/// How long the translator may take to build a request. It waits for nobody, so this is for what nobody thought of.
const BUILDING: std::time::Duration = std::time::Duration::from_secs(30);

/// A request that cannot be translated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TranslationError {
    /// The protocol, or the translator, has no words for it.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It cannot be sent to where it belongs.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The translator cannot be run, or does something else than is known of it.
    #[error("the translator does not work: {reason}")]
    Translator {
        /// Why.
        reason: String,
    },
}

impl TranslationError {
    fn of_translator(reason: impl Into<String>) -> Self {
        Self::Translator { reason: reason.into() }
    }
}

/// A request that was translated, and what is needed to read its answer.
pub(crate) struct Translated {
    translation: Translation,
    asked: Asked,
    delivery: Delivery,
    heard: Heard,
    host: String,
}

/// Translates `request`, which is one of OpenAI Chat, and gives the bytes that are to be sent.
///
/// # Errors
/// When it cannot be said in that protocol. Nothing was sent.
pub(crate) async fn translate(
    endpoint: &Endpoint,
    translation: Translation,
    request: &RawRequest,
    model: &str,
    delivery: Delivery,
) -> Result<(PreparedRequest, Translated), TranslationError> {
    let asked = Asked::of(translation, request, model)?;
    let heard = tokio::time::timeout(BUILDING, listen(&asked, delivery)).await;
    let heard = heard.map_err(|_elapsed| TranslationError::of_translator("it takes too long"))??;
    asked.check(translation, delivery, &heard)?;
    let prepared = endpoint.prepare_translated(translation, request, model, delivery, heard.body.clone())?;
    let host = prepared.host().to_owned();
    Ok((prepared, Translated { translation, asked, delivery, heard, host }))
}

/// What `genai` would send.
async fn listen(asked: &Asked, delivery: Delivery) -> Result<Heard, TranslationError> {
    let (told, heard) = oneshot::channel();
    let relay = Relay::open(Role::Listen(told)).map_err(|error| TranslationError::of_translator(error.to_string()))?;
    let client = relay.genai().map_err(|error| TranslationError::of_translator(error.to_string()))?;
    let build = async {
        match delivery {
            Delivery::Whole => asked.whole(&client).await.err(),
            Delivery::Stream => match asked.stream(&client).await {
                Ok(mut events) => stream::next_of(&mut events).await.and_then(Result::err),
                Err(error) => Some(error),
            },
        }
    };
    // Nothing is answered, so it can only end by refusing. Its words may quote the request.
    tokio::select! {
        heard = heard => heard.map_err(|_closed| TranslationError::of_translator("it sent nothing")),
        _refused = build => Err(CodecError::request("messages", "a conversation that this protocol can carry").into()),
    }
}

impl Translated {
    /// The answer `reply`, as one of OpenAI Chat.
    ///
    /// # Errors
    /// When it is no answer of its protocol.
    pub(crate) async fn whole(&self, reply: &Value) -> Result<Value, TransportError> {
        let (feed, pieces) = mpsc::channel(1);
        // The channel has room for it.
        let _ = feed.try_send(Bytes::from(reply.to_string()));
        drop(feed);
        let relay = self.answering(pieces)?;
        let client = relay.genai().map_err(|error| self.broken(error.to_string()))?;
        let answer = self.asked.whole(&client).await.map_err(|error| self.unreadable(&error))?;
        answer::whole(self.translation, self.asked.model(), answer, reply).map_err(|reason| self.broken(reason))
    }

    /// The streamed answer `events`, as one of OpenAI Chat.
    ///
    /// # Errors
    /// When the translator cannot be run.
    pub(crate) async fn stream(self, events: EventStream) -> Result<TranslatedStream, TransportError> {
        let (feed, pieces) = mpsc::channel(1);
        let relay = self.answering(pieces)?;
        let client = relay.genai().map_err(|error| self.broken(error.to_string()))?;
        let read = self.asked.stream(&client).await.map_err(|error| self.unreadable(&error))?;
        Ok(TranslatedStream::new(self, events, relay, feed, read))
    }

    fn answering(&self, pieces: mpsc::Receiver<Bytes>) -> Result<Relay, TransportError> {
        let kind = self.translation.media_type(self.delivery);
        let role = Role::Answer { expected: self.heard.clone(), kind, pieces };
        Relay::open(role).map_err(|error| self.broken(error.to_string()))
    }

    fn broken(&self, reason: impl Into<String>) -> TransportError {
        TransportError::BadBody { host: self.host.clone(), expected: "an answer of its protocol", reason: reason.into() }
    }

    /// Without the translator's own words, which may quote the request and the answer.
    fn unreadable(&self, error: &genai::Error) -> TransportError {
        self.broken(match error {
            genai::Error::WebModelCall { .. } | genai::Error::WebStream { .. } | genai::Error::HttpError { .. } => {
                "the translator did not take it"
            }
            genai::Error::NoChatResponse { .. } => "it has no message",
            _ => "the translator cannot read it",
        })
    }
}
