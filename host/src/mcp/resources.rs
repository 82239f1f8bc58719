//! Executions and artifacts as resources: what an assistant's program can show, attach and read without calling a tool.

use base64::Engine as _;
use rmcp::model::{ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::results::{LARGEST, too_large};
use super::visitor::Visitor;
use super::{call, verb};
use crate::service::{ArtifactValueView, ExecutionSummary, ListQuery, ServiceError};

const JSON: &str = "application/json";
/// So many executions are on a page of the list.
const PAGE: u64 = 50;

/// What a resource is.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Execution(String),
    Journal(String),
    Logs(String),
    Artifact(String),
}

/// The kinds of resources that there are.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, title: &str, about: &str| {
        ResourceTemplate::new(uri, name).with_title(title).with_description(about)
    };
    vec![
        template(
            "kitaru://executions/{id}",
            "execution",
            "Execution",
            "An execution, whole: input, result, failure, checkpoints, waits, artifacts, usage.",
        )
        .with_mime_type(JSON),
        template(
            "kitaru://executions/{id}/journal",
            "execution-journal",
            "Journal of an execution",
            "Its durable calls with what went in and came out.",
        )
        .with_mime_type(JSON),
        template(
            "kitaru://executions/{id}/logs",
            "execution-logs",
            "Log of an execution",
            "What it wrote, one line for each entry.",
        )
        .with_mime_type("text/plain"),
        template("kitaru://artifacts/{id}", "artifact", "Artifact", "The value of an artifact, with its own media type."),
    ]
}

/// The newest executions, and those before them page by page.
pub(super) async fn list(visitor: &Visitor, cursor: Option<&str>) -> Result<ListResourcesResult, ServiceError> {
    let cursor = cursor
        .map(|text| text.parse().map_err(|_| ServiceError::usage(format!("`{text}` is no cursor of this list"))))
        .transpose()?;
    let query = ListQuery { cursor, limit: PAGE, ..ListQuery::default() };
    let _place = visitor.place()?;
    let page = visitor.service.list(&query).await?;
    let mut listed = ListResourcesResult::with_all_items(page.items.iter().map(resource).collect());
    listed.next_cursor = page.next_cursor.map(|next| next.to_string());
    Ok(listed)
}

fn resource(execution: &ExecutionSummary) -> Resource {
    let ExecutionSummary { exec_id, flow_name, status, started_at, .. } = execution;
    Resource::new(format!("kitaru://executions/{exec_id}"), format!("{flow_name} {exec_id}"))
        .with_title(format!("{flow_name}, {status}"))
        .with_description(format!("Started {started_at}"))
        .with_mime_type(JSON)
}

/// What is at a URI.
pub(super) async fn read(visitor: &Visitor, uri: &str) -> Result<ReadResourceResult, ServiceError> {
    let contents = match parse(uri).ok_or_else(|| unknown(uri))? {
        What::Execution(id) => text(uri, JSON, called(visitor, "executions.get", &id).await?.to_string()),
        What::Journal(id) => text(uri, JSON, called(visitor, "executions.journal", &id).await?.to_string()),
        What::Logs(id) => text(uri, "text/plain", call::log_of(visitor, &id).await?),
        What::Artifact(id) => {
            let _place = visitor.place()?;
            artifact(uri, visitor.service.artifact(&id).await?)
        }
    };
    let length = match &contents {
        ResourceContents::TextResourceContents { text, .. } => text.len(),
        ResourceContents::BlobResourceContents { blob, .. } => blob.len(),
        _ => 0,
    };
    if length > LARGEST {
        return Err(too_large());
    }
    Ok(ReadResourceResult::new(vec![contents]))
}

fn unknown(uri: &str) -> ServiceError {
    ServiceError::NotFound {
        message: format!("There is no resource `{uri}`."),
        hint: Some("there are kitaru://executions/<id>, its /journal and /logs, and kitaru://artifacts/<id>".into()),
    }
}

async fn called(visitor: &Visitor, name: &str, execution: &str) -> Result<Value, ServiceError> {
    let entry = verb(name).ok_or_else(|| ServiceError::state(format!("`{name}` is not there")))?;
    visitor.call(entry, json!({ "execution": execution })).await
}

fn text(uri: &str, media_type: &str, text: String) -> ResourceContents {
    ResourceContents::text(text, uri).with_mime_type(media_type)
}

fn artifact(uri: &str, view: ArtifactValueView) -> ResourceContents {
    match view.value {
        Value::String(blob) if view.value_format == "base64" => {
            let media_type = view.value_type;
            // Text is for reading.
            let read =
                media_type.starts_with("text/").then(|| base64::engine::general_purpose::STANDARD.decode(&blob).ok()).flatten();
            match read.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(read) => text(uri, &media_type, read),
                None => ResourceContents::blob(blob, uri).with_mime_type(media_type),
            }
        }
        value => text(uri, JSON, value.to_string()),
    }
}

/// What a URI names.
fn parse(uri: &str) -> Option<What> {
    let mut parts = uri.strip_prefix("kitaru://")?.split('/');
    let (kind, id, part, end) = (parts.next()?, unescaped(parts.next()?)?, parts.next(), parts.next());
    if id.is_empty() || end.is_some() {
        return None;
    }
    match (kind, part) {
        ("executions", None) => Some(What::Execution(id)),
        ("executions", Some("journal")) => Some(What::Journal(id)),
        ("executions", Some("logs")) => Some(What::Logs(id)),
        ("artifacts", None) => Some(What::Artifact(id)),
        _ => None,
    }
}

/// Templates are filled with what is not plain as `%` and two digits.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(if byte == b'%' { u8::try_from(digit()? * 16 + digit()?).ok()? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ArtifactRef;

    #[test]
    fn a_uri_names_one_thing() {
        let cases = [
            ("kitaru://executions/abc", Some(What::Execution("abc".into()))),
            ("kitaru://executions/abc/journal", Some(What::Journal("abc".into()))),
            ("kitaru://executions/abc/logs", Some(What::Logs("abc".into()))),
            ("kitaru://artifacts/a%3Ab%C3%A4", Some(What::Artifact("a:bä".into()))),
            ("kitaru://executions/", None),
            ("kitaru://executions", None),
            ("kitaru://executions/abc/other", None),
            ("kitaru://executions/abc/logs/more", None),
            ("kitaru://artifacts/abc/logs", None),
            ("kitaru://artifacts/a%", None),
            ("kitaru://artifacts/a%zz", None),
            ("kitaru://artifacts/%ff", None),
            ("file:///etc/passwd", None),
        ];
        for (uri, what) in cases {
            assert_eq!(parse(uri), what, "{uri}");
        }
    }

    #[test]
    fn an_artifact_has_its_own_media_type() {
        let of = |value: Value, format: &'static str, kind: &str| {
            let artifact = ArtifactRef {
                artifact_id: "a".into(),
                name: "n".into(),
                kind: None,
                save_type: "manual".into(),
                producing_call: "c".into(),
                metadata: Value::Null,
            };
            let view =
                ArtifactValueView { artifact, value, value_format: format.into(), value_type: kind.into(), bytes: Vec::new() };
            serde_json::to_value(super::artifact("kitaru://artifacts/a", view)).unwrap()
        };
        let json = of(json!({ "a": 1 }), "json", "object");
        assert_eq!((&json["mimeType"], &json["text"]), (&json!(JSON), &json!(r#"{"a":1}"#)));
        let image = of(json!("AAEC"), "base64", "image/png");
        assert_eq!((&image["mimeType"], &image["blob"]), (&json!("image/png"), &json!("AAEC")));
        let markdown = of(json!("IyBB"), "base64", "text/markdown");
        assert_eq!((&markdown["mimeType"], &markdown["text"]), (&json!("text/markdown"), &json!("# A")));
        assert_eq!(of(json!("/w=="), "base64", "text/plain")["blob"], "/w==", "what is no text after all stays as it is");
    }
}
