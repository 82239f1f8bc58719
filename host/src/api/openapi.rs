//! The description of the API, made from the table of verbs (OpenAPI 3.1).

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::conditional;
use super::identity::Asker;
use super::problem::Problem;
use super::{Api, BASE};
use crate::service::verbs::{self, About, Effect, Entry};

/// Where other descriptions lie that a schema refers to.
const HOISTED: &str = "#/components/schemas/";

static DOCUMENT: LazyLock<Value> = LazyLock::new(made);

/// `GET /openapi.json`. Whoever may call anything may read it.
pub(super) async fn document(State(api): State<Api>, asker: Asker, request: Request) -> Result<Response, Problem> {
    api.held(asker.caller(), conditional::json(StatusCode::OK, &DOCUMENT, Some(request.headers())))
}

fn made() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    schemas.insert("Problem".into(), problem());
    for entry in verbs::all() {
        let operation = operation(entry, &mut schemas);
        add(&mut paths, &entry.about, operation);
    }
    for about in verbs::specials() {
        add(&mut paths, about, special(about));
    }
    for (path, method, operation) in beside(&mut schemas) {
        set(&mut paths, path, method, operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kitaru-host",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Durable flows compiled to WebAssembly components: the verbs of the host, over HTTP.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": BASE }],
        "security": [{ "bearer": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key or a short-lived token." },
                "session": { "type": "apiKey", "in": "cookie", "name": super::identity::COOKIE_NAME },
            },
        },
    })
}

fn add(paths: &mut Map<String, Value>, about: &About, operation: Value) {
    set(paths, about.path, &about.method.as_str().to_ascii_lowercase(), operation);
}

fn set(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let path = paths.entry(path).or_insert_with(|| json!({}));
    if let Some(path) = path.as_object_mut() {
        path.insert(method.to_owned(), operation);
    }
}

/// What is no verb: browsers that log in and out, and links that answer a question, which are credentials themselves.
fn beside(schemas: &mut Map<String, Value>) -> [(&'static str, &'static str, Value); 4] {
    let who = verbs::all().iter().find(|entry| entry.about.name == "auth.whoami");
    let who = who.map(|entry| hoisted((entry.output)().to_value(), entry.about.name, schemas)).unwrap_or_default();
    let text = |most: u32| json!({ "type": "string", "maxLength": most });
    let one = |name: &str, of: Value| json!({ "type": "object", "properties": { name: of }, "required": [name], "additionalProperties": false });
    let takes = |schema: Value| json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    let gives = |schema: Value| json!({ "description": "Done.", "content": { "application/json": { "schema": schema } } });
    let token = || json!([parameter("token", "path", true, json!({ "type": "string" }))]);
    let open = |name: &str, summary: &str, parameters: Value, given: Value| {
        json!({
            "operationId": name, "summary": summary, "tags": ["auth"], "security": [], "parameters": parameters,
            "responses": responses(200, gives(given)),
        })
    };
    let with_body = |mut operation: Value, schema: Value| {
        if let Some(fields) = operation.as_object_mut() {
            fields.insert("requestBody".into(), takes(schema));
        }
        operation
    };
    let log_in = open("auth.log-in", "Logs a browser in, with an API key or the code of a log-in link.", json!([]), who);
    let log_in = with_body(log_in, json!({ "oneOf": [one("code", text(1_000)), one("api_key", text(1_000))] }));
    let log_out = json!({
        "operationId": "auth.log-out", "summary": "Logs a browser out.", "tags": ["auth"], "x-kitaru-role": "viewer", "parameters": [],
        "responses": responses(204, json!({ "description": "Done." })),
    });
    let object = || json!({ "type": "object" });
    let show = open("answers.show", "Shows the question that a link answers.", token(), object());
    let answer = open("answers.give", "Answers the question of a link, once.", token(), object());
    let answer = with_body(answer, one("value", json!({})));
    [
        ("/session", "post", log_in),
        ("/session", "delete", log_out),
        ("/answers/{token}", "get", show),
        ("/answers/{token}", "post", answer),
    ]
}

fn head(about: &About) -> Map<String, Value> {
    let area = about.name.split('.').next().unwrap_or(about.name);
    let fields = json!({
        "operationId": about.name,
        "summary": about.summary.trim(),
        "tags": [area],
        "x-kitaru-role": about.role.as_str(),
        "x-kitaru-effect": match about.effect { Effect::Reads => "reads", Effect::Changes => "changes", Effect::Destroys => "destroys" },
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn operation(entry: &Entry, schemas: &mut Map<String, Value>) -> Value {
    let about = &entry.about;
    let params = hoisted((entry.params)().to_value(), about.name, schemas);
    let output = hoisted((entry.output)().to_value(), about.name, schemas);
    let mut operation = head(about);
    let of_path: Vec<&str> = about.path_parameters().collect();
    let properties = params.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required: Vec<&str> =
        params.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut parameters: Vec<Value> = Vec::new();
    for name in &of_path {
        let schema = properties.get(*name).cloned().unwrap_or_else(|| json!({ "type": "string" }));
        parameters.push(parameter(name, "path", true, schema));
    }
    let others: Map<String, Value> = properties.into_iter().filter(|(name, _)| !of_path.contains(&name.as_str())).collect();
    if about.method.has_body() {
        if others.contains_key("idempotency_key") {
            let schema =
                json!({ "type": "string", "minLength": 1, "maxLength": 255, "description": "Carries the request out once." });
            parameters.push(parameter("Idempotency-Key", "header", false, schema));
        }
        let needed: Vec<&str> = required.iter().copied().filter(|name| !of_path.contains(name)).collect();
        let mut schema = json!({ "type": "object", "properties": others, "additionalProperties": false });
        if let (Some(fields), false) = (schema.as_object_mut(), needed.is_empty()) {
            fields.insert("required".into(), json!(needed));
        }
        let body = json!({ "required": !needed.is_empty(), "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".into(), body);
    } else {
        for (name, schema) in others {
            let is_required = required.contains(&name.as_str());
            parameters.push(parameter(&name, "query", is_required, schema));
        }
    }
    operation.insert("parameters".into(), parameters.into());
    let good = json!({ "description": "Done.", "content": { "application/json": { "schema": output } } });
    operation.insert("responses".into(), responses(about.status, good));
    operation.into()
}

fn parameter(name: &str, place: &str, required: bool, schema: Value) -> Value {
    json!({ "name": name, "in": place, "required": required, "schema": schema })
}

fn responses(status: u16, good: Value) -> Value {
    let reference = format!("{HOISTED}Problem");
    let mut responses = Map::new();
    responses.insert(status.to_string(), good);
    responses.insert(
        "default".into(),
        json!({
            "description": "A refusal or a failure (RFC 9457).",
            "content": { "application/problem+json": { "schema": { "$ref": reference } } },
        }),
    );
    responses.into()
}

/// Verbs that take or give bytes, or a stream.
fn special(about: &About) -> Value {
    let mut operation = head(about);
    let text = || json!({ "type": "string" });
    let mut parameters: Vec<Value> = about.path_parameters().map(|name| parameter(name, "path", true, text())).collect();
    let media_type = match about.name {
        "components.put" => {
            let mut signature = text();
            if let Some(fields) = signature.as_object_mut() {
                fields.insert("contentEncoding".into(), "base64".into());
            }
            parameters.push(parameter("Kitaru-Signature", "header", false, signature));
            "application/json"
        }
        "executions.export" => {
            parameters.push(parameter("execution", "query", true, json!({ "type": "array", "items": text(), "minItems": 1 })));
            "application/x-tar"
        }
        "executions.import" => {
            parameters.push(parameter("trusted", "query", false, json!({ "type": "boolean" })));
            "application/json"
        }
        "artifacts.content" => "*/*",
        "components.content" => "application/wasm",
        "executions.events.stream" => {
            parameters.push(parameter("content", "query", false, json!({ "type": "boolean" })));
            parameters.push(parameter("Last-Event-ID", "header", false, text()));
            "text/event-stream"
        }
        _ => {
            parameters.push(parameter("Last-Event-ID", "header", false, text()));
            "text/event-stream"
        }
    };
    if about.method.has_body() {
        let body = json!({ "required": true, "content": { "application/octet-stream": {} } });
        operation.insert("requestBody".into(), body);
    }
    let content = Map::from_iter([(media_type.to_owned(), json!({}))]);
    operation.insert("parameters".into(), parameters.into());
    operation.insert("responses".into(), responses(about.status, json!({ "description": "Done.", "content": content })));
    operation.into()
}

/// A schema whose definitions are the document's. Two that have one name and say different things have two names.
fn hoisted(mut schema: Value, verb: &str, schemas: &mut Map<String, Value>) -> Value {
    let definitions = match schema.as_object_mut() {
        Some(fields) => {
            fields.remove("$schema");
            fields.remove("title");
            fields.remove("$defs")
        }
        None => None,
    };
    let Some(Value::Object(definitions)) = definitions else { return schema };
    let mut names: Map<String, Value> = Map::new();
    for (name, definition) in &definitions {
        let mut moved = definition.clone();
        refer(&mut moved, &|other| format!("{HOISTED}{other}"));
        let is_other = schemas.get(name).is_some_and(|there| *there != moved);
        let called = if is_other { format!("{name}.{verb}") } else { name.clone() };
        names.insert(name.clone(), called.into());
    }
    let target = |name: &str| format!("{HOISTED}{}", names.get(name).and_then(Value::as_str).unwrap_or(name));
    for (name, mut definition) in definitions {
        refer(&mut definition, &target);
        let called = names.get(&name).and_then(Value::as_str).unwrap_or(&name).to_owned();
        schemas.entry(called).or_insert(definition);
    }
    refer(&mut schema, &target);
    schema
}

/// Has references to definitions point elsewhere.
fn refer(schema: &mut Value, target: &dyn Fn(&str) -> String) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if name == "$ref" => {
                        if let Some(to) = text.strip_prefix("#/$defs/").map(target) {
                            *text = to;
                        }
                    }
                    field => refer(field, target),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, target)),
        _ => {}
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "class", "causes"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What went wrong." },
            "class": { "type": "string", "description": "The error's class, as Kitaru's clients know it." },
            "causes": { "type": "array", "items": { "type": "string" }, "description": "What led to it, the nearest first." },
            "hint": { "type": "string", "description": "What to do about it." },
            "done": {
                "type": "object",
                "description": "What was done before it, of several: as the verb would have answered, under one of `verifications`, `deletion`, `replays`.",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| match field {
                Value::String(text) if name == "$ref" => found.push(text),
                field => references(field, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_verb_is_described_once_and_all_that_is_referred_to_is_there() {
        let document = made();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
        let operations: Vec<&Value> =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()).collect();
        assert_eq!(operations.len(), verbs::all().len() + verbs::specials().len() + beside(&mut Map::new()).len());
        for operation in operations {
            let text = operation["summary"].as_str().unwrap();
            assert!(!text.is_empty() && !text.contains("  "), "{text}");
        }
        assert!(!document.to_string().contains("$defs"));
    }
}
