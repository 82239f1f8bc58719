//! The bodies of HTTP answers that say that a call failed.

use kitaru_llm::codec::ProviderError;
use serde_json::Value;

/// Bytes of a message and a code, at most: both are shortened, by characters.
const LONGEST: usize = 4 * 700;
/// What a sender knows to be its key.
const KEY: &str = "the-senders-own-key-0123456789";

/// An error is short; a body that is no JSON is not quoted; keys are never repeated, known ones and those that look like one.
///
/// The first two bytes are the status.
pub(crate) fn any_error(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*status);
    let error = ProviderError::decode(status, body);
    assert_eq!(error.status, Some(status));
    let document = serde_json::from_slice::<Value>(body);
    if document.is_err() {
        assert_eq!((error.message.as_str(), error.code.as_ref()), ("", None), "it quotes what it cannot read");
    }
    told(error);
    if let Ok(document) = document {
        ProviderError::reported_in(&document).into_iter().for_each(told);
    }
}

fn told(error: ProviderError) {
    let text = error.to_string();
    assert!(text.len() <= LONGEST, "{} bytes", text.len());
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.+/~*".contains(c))) {
        let is_key = word.len() >= 8 && (word.starts_with("sk-") || word.starts_with("ghp_"));
        assert!(!is_key, "it repeats `{word}`");
    }
    let error = error.without(KEY);
    // The texts themselves: how `Debug` writes a tab is a letter of no key.
    let texts = [error.to_string(), error.message, error.code.unwrap_or_default()];
    assert!(texts.iter().all(|text| !text.contains(KEY)), "it repeats the sender's key");
}
