//! Reads and writes the provider's protocol, so that middleware need not know any.
//!
//! The shape that does not depend on the provider is a JSON object: `messages` (each with `role` and `content`), `model`, `params`
//! (`temperature`, `max_tokens`, `top_p`, `stop`), `tools` and more. A request intercept is given it as
//! [`Draft::annotated`](crate::Draft::annotated); other middleware can ask for it here.

use serde_json::Value;

use crate::bindings::kitaru::llm_middleware::{codec, types};
use crate::{Error, Request, Result};

/// The request in the shape that does not depend on the provider.
///
/// # Errors
///
/// When the call has no codec, or the request does not fit it.
pub fn decode_request(request: &Request) -> Result<Value> {
    let decoded = codec::decode_request(&text(request)?).map_err(Error::new)?;
    Ok(serde_json::from_str(&decoded)?)
}

/// `original` with everything changed in which `annotated` differs from it.
///
/// # Errors
///
/// When the call has no codec, or the protocol cannot say what `annotated` asks.
pub fn encode_request(annotated: &Value, original: &Request) -> Result<Request> {
    let encoded = codec::encode_request(&annotated.to_string(), &text(original)?).map_err(Error::new)?;
    Request::read(&encoded)
}

/// The response in the shape that does not depend on the provider.
///
/// # Errors
///
/// When the call has no codec, or the response does not fit it.
pub fn decode_response(response: &Value) -> Result<Value> {
    let decoded = codec::decode_response(&response.to_string()).map_err(Error::new)?;
    Ok(serde_json::from_str(&decoded)?)
}

fn text(request: &Request) -> Result<types::Request> {
    Ok(types::Request { headers: serde_json::to_string(&request.headers)?, content: request.content.to_string() })
}
