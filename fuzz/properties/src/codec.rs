//! The wire protocols of providers, on any JSON.

use kitaru_llm::chat::{ChatRequest, RawRequest};
use kitaru_llm::codec::Api;
use serde_json::{Value, json};

/// Chunks in memory, for each byte that came: an answer of one letter has names around it.
const GROWTH: usize = 64;

/// What can be read can be written, the same each time, and reads the same again; the chunks of a stream take memory in proportion to what
/// came, and together are something that can be looked at.
///
/// The first byte chooses the protocol; each further line is a message.
pub(crate) fn any_messages(data: &[u8]) {
    let Some((which, lines)) = data.split_first() else { return };
    let api = Api::ALL[usize::from(*which) % Api::ALL.len()];
    let protocol = api.protocol();
    let mut aggregator = protocol.aggregator();
    let mut texts = 0;
    for (index, line) in (0_u64..).zip(lines.split(|byte| *byte == b'\n')) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
        texts += value.to_string().len();
        request(api, &value);
        let _ = protocol.decode_response(&value);
        let _ = aggregator.push(&value);
        let _ = protocol.text_delta(&value);
        assert!(protocol.chunk_summary(index, &value).is_object());
        // A whole response as chunks, for one who asked for a stream.
        let mut again = protocol.aggregator();
        let chunks = api.chunks_of(&value);
        assert!(chunks.iter().all(|chunk| protocol.text_delta(chunk).is_none_or(|text| text.len() <= texts)));
        let _ = chunks.iter().try_for_each(|chunk| again.push(chunk));
        let _ = protocol.decode_response(&again.finish());
    }
    let whole = aggregator.finish();
    let _ = protocol.decode_response(&whole);
    let bytes = whole.to_string().len();
    assert!(bytes <= GROWTH * (texts + GROWTH), "{bytes} bytes of {texts}");
}

fn request(api: Api, body: &Value) {
    let protocol = api.protocol();
    let raw = RawRequest::new(body.clone());
    if let Ok(decoded) = protocol.decode(&raw) {
        let encoded = protocol.encode(&decoded, &raw).expect("what was read can be written");
        assert_eq!(encoded, protocol.encode(&decoded, &raw).expect("again"), "the same request is written in two ways");
        let again = protocol.decode(&encoded).expect("what was written can be read");
        assert_eq!((again.messages, again.model, again.tools), (decoded.messages, decoded.model, decoded.tools));
    }
    // Anything that a policy may have made of a request.
    if let Ok(request) = serde_json::from_value::<ChatRequest>(body.clone()) {
        let _ = protocol.encode(&request, &RawRequest::new(json!({})));
        let _ = protocol.encode(&request, &raw);
    }
}
