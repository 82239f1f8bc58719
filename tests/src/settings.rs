//! What other tests write into configuration files, held against the schema of these files.

use std::path::Path;
use std::sync::OnceLock;

use kitaru_host::config::{ConfigError, ProjectConfig, schema};
use kitaru_llm::schema::Schema;
use serde_json::Value;

/// Panics where the JSON Schema of `kitaru.toml` says something else of a file than its reader: what is read fits, and a key that is unknown to one is
/// unknown to the other. Values may be wrong in ways that only the reader knows.
pub fn same_as_schema(text: &str) {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    let Ok(value) = toml::from_str::<Value>(text) else { return };
    let schema = SCHEMA.get_or_init(|| Schema::new(&schema(&[]).expect("a schema")).expect("a schema that can be used"));
    match (ProjectConfig::parse(Path::new("kitaru.toml"), text), schema.check(&value)) {
        (Ok(_), Err(misfit)) => panic!("the schema of kitaru.toml refuses what is read: {misfit}\n{text}"),
        (Err(ConfigError::Parse { source, .. }), Ok(())) if source.message().contains("unknown field") => {
            panic!("the schema of kitaru.toml knows a key that is unknown: {source}\n{text}")
        }
        _ => {}
    }
}
