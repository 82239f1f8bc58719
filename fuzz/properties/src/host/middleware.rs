//! What middleware says of itself, and what it hands back.

use kitaru_host::sandbox::middleware::fuzzing::{annotation, kind, places, request, shown};
use kitaru_host::sandbox::middleware::{MiddlewareManifest, MiddlewareSettings};
use kitaru_llm::chat::{RawRequest, is_credential_header};
use serde_json::{Map, Value, json};

use super::are_unique;
use crate::parts::{text, texts};

/// A manifest that is taken is taken again as the same; no answer of a component sees, sets or loses a credential; what is handed back
/// unchanged changes nothing; a failure's class is a short word.
///
/// The input is a manifest, headers, a body, an annotation, and the request that the component was shown.
pub(crate) fn any_answers(data: &[u8]) {
    let texts = texts(data);
    if let Ok(manifest) = MiddlewareManifest::parse(text(&texts, 0)) {
        let written = serde_json::to_string(&manifest).expect("a manifest is JSON");
        assert_eq!(MiddlewareManifest::parse(&written).expect("what was taken is taken again"), manifest);
        let stands = places(&MiddlewareSettings::default(), &manifest).expect("it can be installed as it is");
        assert!(!stands.is_empty() && are_unique(stands.iter().map(|surface| surface.as_str())));
    }
    let original = original(text(&texts, 4));
    let (headers, content) = shown(original.clone());
    assert!(!headers.contains(SECRET), "a component sees a credential");
    assert_eq!(request(original.clone(), &headers, &content).as_ref(), Ok(&original));
    for headers in [text(&texts, 1), headers.as_str()] {
        let Ok(made) = request(original.clone(), headers, text(&texts, 2)) else { continue };
        assert_eq!(credentials(&made), credentials(&original));
    }
    if let Ok(request) = annotation(text(&texts, 3)) {
        serde_json::to_string(&request).expect("a request is JSON");
    }
    let word = kind(text(&texts, 1));
    assert!(!word.is_empty() && word.len() <= 64 && word.chars().all(|c| c.is_ascii_graphic()), "{word:?}");
}

const SECRET: &str = "Bearer the-callers-own-key";

fn original(text: &str) -> RawRequest {
    let content = serde_json::from_str(text).unwrap_or(json!({ "messages": [] }));
    let mut original = RawRequest::new(content);
    original.headers = Map::from_iter([("x-trace".into(), json!("1")), ("Authorization".into(), json!(SECRET))]);
    original
}

fn credentials(request: &RawRequest) -> Vec<(&String, &Value)> {
    request.headers.iter().filter(|(name, _)| is_credential_header(name)).collect()
}
