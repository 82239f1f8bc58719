//! Requests and annotations as the JSON text that a component sees, and back.
//!
//! What comes back as it was given is the original itself, so that nothing changes by being looked at.

use kitaru_llm::chat::{ChatRequest, RawRequest, is_credential_header};
use serde_json::{Map, Value};

use super::bindings::kitaru::llm_middleware::types::Request;
use crate::sandbox::limits::Limits;

/// A request as a component sees it: without headers that carry credentials.
#[derive(Clone)]
pub(super) struct ShownRequest {
    original: RawRequest,
    pub(super) text: Request,
}

impl ShownRequest {
    pub(super) fn new(original: RawRequest) -> Self {
        let headers = Value::Object(original.without_credentials().headers).to_string();
        let text = Request { headers, content: original.content.to_string() };
        Self { original, text }
    }

    /// Reads what a component made of it, or says why it cannot be used. Credentials stay as they were.
    pub(super) fn read(&self, returned: Request, limits: &Limits) -> Result<RawRequest, String> {
        let bytes = returned.headers.len().saturating_add(returned.content.len());
        limits.check_value("the request", bytes).map_err(|over| over.message)?;
        let headers = if returned.headers == self.text.headers {
            self.original.headers.clone()
        } else {
            self.with_credentials(json("the headers", &returned.headers)?)?
        };
        let content = if returned.content == self.text.content {
            self.original.content.clone()
        } else {
            json("the body", &returned.content)?
        };
        Ok(RawRequest { headers, content })
    }

    fn with_credentials(&self, returned: Value) -> Result<Map<String, Value>, String> {
        let Value::Object(mut headers) = returned else { return Err("the headers are no JSON object".into()) };
        if let Some(name) = headers.keys().find(|name| is_credential_header(name)) {
            let name: String = name.chars().take(100).collect();
            return Err(format!("it sets the header `{}`, and credentials are the host's", name.escape_debug()));
        }
        let own = self.original.headers.iter().filter(|(name, _)| is_credential_header(name));
        headers.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        Ok(headers)
    }
}

/// An annotation as a component sees it.
pub(super) struct ShownAnnotation {
    original: ChatRequest,
    pub(super) text: String,
}

impl ShownAnnotation {
    pub(super) fn new(original: ChatRequest) -> Result<Self, String> {
        let text = serde_json::to_string(&original).map_err(|error| format!("the annotation is not JSON: {error}"))?;
        Ok(Self { original, text })
    }
}

/// Reads an annotation that a component returned, where `shown` is the one that it was given.
pub(super) fn read_annotation(
    shown: Option<ShownAnnotation>,
    returned: Option<String>,
    limits: &Limits,
) -> Result<Option<ChatRequest>, String> {
    let Some(text) = returned else { return Ok(None) };
    let Some(shown) = shown else { return Err("it annotates a request that has no annotation".into()) };
    if text == shown.text {
        return Ok(Some(shown.original));
    }
    limits.check_value("the annotation", text.len()).map_err(|over| over.message)?;
    read_chat(&text).map(Some)
}

/// Reads a request in the shape that does not depend on the provider.
pub(super) fn read_chat(text: &str) -> Result<ChatRequest, String> {
    let value = json("the annotation", text)?;
    // Elsewhere what is not known is the provider's; here it would be lost.
    let known = ["temperature", "max_tokens", "top_p", "stop"];
    let unknown = value.get("params").and_then(Value::as_object).and_then(|params| {
        let mut names = params.keys().map(String::as_str);
        names.find(|name| !known.contains(name))
    });
    if let Some(name) = unknown {
        let name: String = name.chars().take(100).collect();
        return Err(format!("the annotation has no parameter `{}`; it has: {}", name.escape_debug(), known.join(", ")));
    }
    serde_json::from_value(value).map_err(|error| format!("the annotation is not a request: {error}"))
}

/// Reads JSON text that a component returned.
pub(super) fn json(what: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{what} is not JSON: {error}"))
}

/// Cuts text that a component wrote to what fits a record.
pub(super) fn short(mut text: String) -> String {
    const LONGEST: usize = 4 * 1024;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown() -> ShownRequest {
        let mut request = RawRequest::new(json!({ "messages": [], "temperature": 0.1 }));
        request.headers = Map::from_iter([("x-trace".into(), json!("1")), ("Authorization".into(), json!("Bearer marker"))]);
        ShownRequest::new(request)
    }

    fn read(headers: &str, content: &str) -> Result<RawRequest, String> {
        shown().read(Request { headers: headers.into(), content: content.into() }, &Limits::default())
    }

    #[test]
    fn credentials_are_neither_seen_nor_set_nor_lost() {
        let text = shown().text;
        assert_eq!(text.headers, r#"{"x-trace":"1"}"#);
        assert_eq!(read(&text.headers, &text.content).unwrap(), shown().original);
        let changed = read(r#"{"x-added":"2"}"#, "{}").unwrap();
        assert_eq!(changed.headers, *json!({ "x-added": "2", "Authorization": "Bearer marker" }).as_object().unwrap());
        assert_eq!(changed.content, json!({}));
        for bad in [r#"{"X-Api-Key":"k"}"#, "[]", "{"] {
            assert!(read(bad, "{}").is_err(), "{bad}");
        }
        assert!(read("{}", "not json").is_err());
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_not_lost_in_silence() {
        let read = |params: &str| read_chat(&format!(r#"{{"messages":[],"params":{params},"provider_key":1}}"#));
        let known = read(r#"{"max_tokens":5}"#).unwrap();
        assert_eq!((known.params.max_tokens, known.extra.get("provider_key")), (Some(5), Some(&json!(1))));
        assert!(read(r#"{"max_token":5}"#).unwrap_err().contains("`max_token`"));
        assert!(read(r#"{"max_tokens":"many"}"#).is_err());
    }

    #[test]
    fn an_annotation_comes_back_as_itself_or_not_at_all() {
        let chat = ChatRequest::new("m", Vec::new());
        let shown = || ShownAnnotation::new(chat.clone()).unwrap();
        let limits = Limits::default();
        assert_eq!(read_annotation(Some(shown()), Some(shown().text), &limits), Ok(Some(chat.clone())));
        assert_eq!(read_annotation(Some(shown()), None, &limits), Ok(None));
        assert!(read_annotation(None, Some("{}".into()), &limits).is_err());
        assert!(read_annotation(Some(shown()), Some("x".repeat(9 << 20)), &limits).is_err());
    }
}
