//! The command that starts a version over HTTP.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{CurlView, DeploymentParams, DeploymentView, SelectorView};

/// Where a server listens that was told nothing else.
const USUAL_SERVER: &str = "http://127.0.0.1:8383";
const TOKEN: &str = "KITARU_SERVER_ACCESS_TOKEN";

impl CurlView {
    /// The command for a version that `asked` chose, on the server at `server`, or on the usual one.
    pub fn of(asked: &DeploymentParams, version: &DeploymentView, server: Option<&str>) -> Self {
        view(asked, version, server)
    }
}

fn view(asked: &DeploymentParams, row: &DeploymentView, server: Option<&str>) -> CurlView {
    let server_url = server.unwrap_or(USUAL_SERVER).trim_end_matches('/').to_owned();
    let invoke_url = format!("{server_url}/api/v1/flows/{}/executions", in_path(&row.flow));
    let mut body = Map::new();
    // As it was asked for: a tag goes on to mean the version that has it.
    body.extend(asked.version.map(|version| ("version".to_owned(), version.into())));
    body.extend(asked.tag.as_ref().map(|tag| ("tag".to_owned(), tag.trim().into())));
    body.insert("input".into(), Value::Object(arguments(row)));
    let request_body = Value::Object(body);
    let curl_command = format!(
        "curl -X POST {} -H \"Authorization: Bearer ${TOKEN}\" -H 'Content-Type: application/json' -d {}",
        quoted(&invoke_url),
        quoted(&request_body.to_string()),
    );
    let warning_lines: Vec<String> = server
        .is_none()
        .then(|| format!("No server was named: {USUAL_SERVER} is where `kitaru-host serve` listens if nothing else is said."))
        .into_iter()
        .collect();
    CurlView {
        flow: row.flow.clone(),
        selector: SelectorView { version: asked.version, tag: asked.tag.clone() },
        resolved_deployment_version: row.version,
        deployment_id: row.deployment_id.clone(),
        server_url,
        invoke_url,
        token_env_var: TOKEN.into(),
        token_command: format!("export {TOKEN}=\"$(kitaru-host auth token)\""),
        request_body,
        curl_command,
        warning: (!warning_lines.is_empty()).then(|| warning_lines.join("\n")),
        warning_lines,
    }
}

/// The version's own arguments, and null for each that it needs beside them, for whoever sends the request to fill in.
fn arguments(row: &DeploymentView) -> Map<String, Value> {
    let required = row.schema.get("required").and_then(Value::as_array);
    let mut arguments: Map<String, Value> =
        required.into_iter().flatten().filter_map(Value::as_str).map(|name| (name.to_owned(), json!(null))).collect();
    arguments.extend(row.input.clone());
    arguments
}

/// A word of a URL's path.
fn in_path(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// One word for a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sandbox::{Grants, Limits};

    #[test]
    fn a_command_can_be_pasted() {
        let row = DeploymentView {
            deployment_id: "d".into(),
            flow: "write it".into(),
            version: 3,
            tags: BTreeMap::new(),
            component_digest: "c".into(),
            created_at: "now".into(),
            created_by: "local".into(),
            schema: json!({ "required": ["topic", "count"] }),
            input: Map::from_iter([("topic".to_owned(), json!("it's $HOME"))]),
            grants: Grants::default(),
            limits: Limits::default(),
            cache: None,
            retries: None,
            stack: "local".into(),
        };
        let asked = DeploymentParams { flow: "write it".into(), tag: Some("canary".into()), version: None };
        let view = view(&asked, &row, Some("https://kitaru.example.com/"));
        assert_eq!(view.invoke_url, "https://kitaru.example.com/api/v1/flows/write%20it/executions");
        assert_eq!(view.request_body, json!({ "tag": "canary", "input": { "topic": "it's $HOME", "count": null } }));
        assert!(view.curl_command.contains(r#""topic":"it'\''s $HOME""#), "{}", view.curl_command);
        assert!(view.curl_command.contains("\"Authorization: Bearer $KITARU_SERVER_ACCESS_TOKEN\""), "{}", view.curl_command);
        assert_eq!((view.resolved_deployment_version, view.warning), (3, None));
        let usual = super::view(&asked, &row, None);
        assert_eq!((usual.server_url.as_str(), usual.warning_lines.len()), (USUAL_SERVER, 1));
    }
}
