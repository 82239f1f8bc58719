//! What every setting is where nobody says anything.

use std::collections::BTreeMap;

use kitaru_llm::gateway::GatewayConfig;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Isolation, RunConfig, ServerConfig};
use crate::sandbox::{Grants, Limits};
use crate::signing::SignaturePolicy;
use crate::store::DurabilityMode;

/// What is left out where it is not set, and is a setting all the same.
const LEFT_OUT: [(&str, &str); 4] = [("llm", "allow"), ("llm", "cache"), ("llm", "mock_response"), ("server", "public_url")];

/// Every setting by its name, with `of_others`, which others than this layer decide on. Null where nothing is set, and what holds follows from
/// elsewhere.
pub(super) fn defaults(of_others: &[(&'static str, Value)]) -> Result<BTreeMap<String, Value>, serde_json::Error> {
    let mut tables = json!({
        "limits": to_json(&Limits::default())?,
        "grants": to_json(&Grants::default())?,
        "host": {
            "parallel": null, "model_calls": null, "flows": null, "memory_mib": null, "instances_mib": null, "stack_kib": null,
            "durability": DurabilityMode::default().as_str(), "isolate": Isolation::default().to_string(),
        },
        "run": to_json(&RunConfig::default())?,
        "security": { "signatures": SignaturePolicy::default().as_str(), "trusted_keys": [] },
        "models": { "default": null, "registry": null },
        "llm": to_json(&GatewayConfig::default())?,
        "telemetry": {
            "atof": null, "otlp_endpoint": null, "service_name": "kitaru-host", "resource": {}, "content": false, "log_format": null,
        },
        "server": to_json(&ServerConfig::default())?,
        "log_store": { "backend": "local", "endpoint": null, "secret": null, "header": null },
        "client": { "server_url": null, "auth_token": null },
    });
    for (table, key) in LEFT_OUT {
        if let Some(table) = tables.get_mut(table).and_then(Value::as_object_mut) {
            table.entry(key).or_insert(Value::Null);
        }
    }
    let mut known = BTreeMap::new();
    flatten(&mut known, String::new(), tables);
    known.extend(of_others.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    Ok(known)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_value(value)
}

fn flatten(known: &mut BTreeMap<String, Value>, prefix: String, value: Value) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                flatten(known, if prefix.is_empty() { key } else { format!("{prefix}.{key}") }, value);
            }
        }
        value => {
            known.insert(prefix, value);
        }
    }
}
