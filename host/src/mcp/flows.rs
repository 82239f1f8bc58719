//! Published flows as tools: each is started by a tool of its name, with its own arguments.

use std::collections::BTreeSet;

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::visitor::Visitor;
use super::{schemas, tools, verb};
use crate::service::verbs::Entry;
use crate::service::{Service, ServiceError};

/// What lists published flows: pages of `{flow, default_version, deployments: [{version, schema, input}]}`.
const LIST: &str = "flow.list";
/// What starts one, by `{flow, input}`.
const INVOKE: &str = "invoke";
/// As long as names of tools may be everywhere.
const LONGEST: usize = 64;
/// So many flows are asked for at a time.
const PAGE: u64 = 1_000;

/// A published flow, as a tool needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Published {
    /// Its name.
    pub(super) flow: String,
    version: u64,
    schema: Value,
    /// Arguments that the version has values for.
    defaults: Map<String, Value>,
}

/// The flows that somebody may see, by name, each in the version that is meant where none is named. Through the table of verbs: where that has no
/// published flows, there are none.
pub(super) async fn published(service: &dyn Service) -> Result<Vec<Published>, ServiceError> {
    let Some(list) = verb(LIST).filter(|_| verb(INVOKE).is_some()) else { return Ok(Vec::new()) };
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let mut query = json!({ "limit": PAGE });
        if let (Some(cursor), Some(query)) = (cursor, query.as_object_mut()) {
            query.insert("cursor".into(), cursor);
        }
        let page = (list.call)(service, query).await?;
        let items = page.get("items").and_then(Value::as_array);
        found.extend(items.into_iter().flatten().filter_map(read));
        cursor = page.get("next_cursor").filter(|next| !next.is_null()).cloned();
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// A flow as the list has it. None without a version that is meant by its name alone.
fn read(item: &Value) -> Option<Published> {
    let version = item.get("default_version").and_then(Value::as_u64)?;
    let deployments = item.get("deployments").and_then(Value::as_array)?;
    let meant = deployments.iter().find(|one| one.get("version").and_then(Value::as_u64) == Some(version))?;
    Some(Published {
        flow: item.get("flow").and_then(Value::as_str)?.to_owned(),
        version,
        schema: meant.get("schema").cloned().unwrap_or_default(),
        defaults: meant.get("input").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}

/// The tools of published flows that somebody may start.
pub(super) async fn tools(visitor: &Visitor) -> Result<Vec<Tool>, ServiceError> {
    if verb(INVOKE).is_none_or(|invoke| invoke.about.role > visitor.role) {
        return Ok(Vec::new());
    }
    let flows = published(visitor.service.as_ref()).await?;
    Ok(named(&flows).map(|(name, flow)| tool(name, flow)).collect())
}

/// The flow that a tool starts, and the verb for that.
pub(super) async fn of_tool(visitor: &Visitor, tool: &str) -> Result<Option<(String, &'static Entry)>, ServiceError> {
    let Some(invoke) = verb(INVOKE).filter(|_| tool.starts_with(PREFIX)) else { return Ok(None) };
    let flows = published(visitor.service.as_ref()).await?;
    let found = named(&flows).find(|(name, _)| name == tool);
    Ok(found.map(|(_, flow)| (flow.flow.clone(), invoke)))
}

/// The parameters with which a flow is started.
pub(super) fn parameters(flow: String, given: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([("flow".to_owned(), Value::String(flow)), ("input".to_owned(), Value::Object(given))])
}

const PREFIX: &str = "flow_";

/// The name of each flow's tool: the flow's, as far as names of tools may have its characters.
fn named(flows: &[Published]) -> impl Iterator<Item = (String, &Published)> {
    let mut taken = BTreeSet::new();
    flows.iter().map(move |flow| {
        let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
        let whole: String = PREFIX.chars().chain(flow.flow.chars().map(fits)).collect();
        let mut name: String = whole.chars().take(LONGEST).collect();
        let mut number = 2_u32;
        while !taken.insert(name.clone()) {
            let suffix = format!("_{number}");
            name = whole.chars().take(LONGEST.saturating_sub(suffix.len())).chain(suffix.chars()).collect();
            number = number.saturating_add(1);
        }
        (name, flow)
    })
}

fn tool(name: String, flow: &Published) -> Tool {
    let about = flow.schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = format!(
        "Starts the published flow `{}` (version {}), and waits some seconds for it to end or to ask something. {about}",
        flow.flow, flow.version
    );
    let schema = schemas::of_flow(&flow.schema, &flow.defaults);
    let annotations = ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(true);
    Tool::new(name, text.trim_end().to_owned(), schema)
        .with_title(format!("Flow: {}", flow.flow))
        .with_annotations(annotations)
        .with_raw_output_schema(tools::started().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(name: &str) -> Published {
        let schema = json!({ "type": "object", "description": "Writes.", "properties": { "topic": { "type": "string" } }, "required": ["topic"] });
        Published { flow: name.into(), version: 3, schema, defaults: Map::new() }
    }

    #[test]
    fn the_version_is_the_one_that_the_name_means() {
        let item = json!({
            "flow": "write", "default_version": 1, "latest_version": 2,
            "deployments": [{ "version": 2, "schema": {}, "input": {} }, { "version": 1, "schema": { "type": "object" }, "input": { "a": 1 } }],
        });
        let read_one = read(&item).unwrap();
        assert_eq!((read_one.version, &read_one.schema), (1, &json!({ "type": "object" })));
        assert_eq!(Value::Object(read_one.defaults), json!({ "a": 1 }));
        assert_eq!(read(&json!({ "flow": "write", "default_version": null, "deployments": [] })), None);
    }

    #[test]
    fn every_flow_has_a_name_of_its_own() {
        let flows = [flow("write"), flow("a.b"), flow("a b"), flow(&"x".repeat(200)), flow(&"x".repeat(201))];
        let names: Vec<String> = named(&flows).map(|(name, _)| name).collect();
        let long = format!("flow_{}", "x".repeat(59));
        assert_eq!(names, ["flow_write", "flow_a_b", "flow_a_b_2", &long, &format!("flow_{}_2", "x".repeat(57))]);
        assert!(names.iter().all(|name| name.len() <= LONGEST));
    }

    #[test]
    fn a_tool_has_the_flow_s_arguments() {
        let tool = serde_json::to_value(tool("flow_write".into(), &flow("write"))).unwrap();
        assert_eq!(tool["inputSchema"]["required"], json!(["topic"]));
        assert!(
            tool["description"].as_str().unwrap().contains("version 3")
                && tool["description"].as_str().unwrap().ends_with("Writes.")
        );
        assert_eq!(tool["outputSchema"]["properties"]["exec_id"]["type"], "string");
        let given = parameters("write".into(), Map::from_iter([("topic".into(), json!("x"))]));
        assert_eq!(Value::Object(given), json!({ "flow": "write", "input": { "topic": "x" } }));
    }
}
