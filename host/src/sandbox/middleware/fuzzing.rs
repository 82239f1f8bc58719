//! What is made of what middleware hands back, for the fuzz targets.

use kitaru_llm::chat::{ChatRequest, RawRequest};

use super::bindings::kitaru::llm_middleware::types::Request;
use super::texts::{self, ShownRequest};
use super::{MiddlewareManifest, MiddlewareSettings, SettingsError, Surface};
use crate::sandbox::limits::Limits;

/// The request that a component makes of `original`.
///
/// # Errors
/// Why it cannot be used.
pub fn request(original: RawRequest, headers: &str, content: &str) -> Result<RawRequest, String> {
    let returned = Request { headers: headers.to_owned(), content: content.to_owned() };
    ShownRequest::new(original).read(returned, &Limits::default())
}

/// The headers and the body of `original` as a component sees them.
pub fn shown(original: RawRequest) -> (String, String) {
    let Request { headers, content } = ShownRequest::new(original).text;
    (headers, content)
}

/// An annotation.
///
/// # Errors
/// Why it cannot be used.
pub fn annotation(text: &str) -> Result<ChatRequest, String> {
    texts::read_chat(text)
}

/// The class of a failure that a component made up.
pub fn kind(given: &str) -> String {
    super::answers::kind(given.to_owned())
}

/// Where a component with this manifest stands that is installed so.
///
/// # Errors
/// Why it cannot be.
pub fn places(settings: &MiddlewareSettings, manifest: &MiddlewareManifest) -> Result<Vec<Surface>, SettingsError> {
    settings.check(manifest)
}
