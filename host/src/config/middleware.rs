//! `[[llm.middleware]]` of `kitaru.toml`: components that stand in the way of model calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ids::ComponentDigest;
use crate::sandbox::middleware::{MiddlewareSettings, StreamedCalls, Surface};

/// One component that stands in the way of model calls. The keys are those of the file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiddlewareConfig {
    /// Where it comes from: a file, or the digest of a component in the store.
    pub component: MiddlewareSource,
    /// The name that it is registered under; its own where this is none.
    #[serde(default)]
    pub name: Option<String>,
    /// Its priority; its own where this is none. Lower ones run first.
    #[serde(default)]
    pub priority: Option<i32>,
    /// Where it is to stand, of the places that it has; all of them where this is none.
    #[serde(default)]
    #[schemars(schema_with = "surfaces")]
    pub surfaces: Option<Vec<Surface>>,
    /// What becomes of calls whose response is streamed, where it wraps executions: they `pass` it, or it is to `refuse` them. Where this is none, what the
    /// component says of itself; and if that says nothing, they are refused.
    #[serde(default)]
    #[schemars(schema_with = "streamed_calls")]
    pub streams: Option<StreamedCalls>,
    /// How long one use may take, in milliseconds, what it waits for others not counted.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Memory of one instance, in MiB.
    #[serde(default)]
    pub memory_mib: Option<u64>,
    /// One request or response that it is given or hands back, in MiB.
    #[serde(default)]
    pub value_mib: Option<u64>,
    /// Only calls of these flows; of all where there are none.
    #[serde(default)]
    pub flows: Vec<String>,
    /// What it is told with each use.
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// The places where middleware can stand, by their words.
fn surfaces(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "enum": Surface::ALL.map(Surface::as_str) } })
}

/// What may become of streamed calls, by its words.
fn streamed_calls(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": StreamedCalls::ALL.map(StreamedCalls::as_str) })
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String")]
pub enum MiddlewareSource {
    /// A file. Relative paths are relative to the configuration file.
    File(PathBuf),
    /// The store: 64 hexadecimal digits.
    Stored(ComponentDigest),
}

impl MiddlewareSource {
    /// The digest, of a component in the store.
    pub fn stored(&self) -> Option<ComponentDigest> {
        match self {
            Self::Stored(digest) => Some(*digest),
            Self::File(_) => None,
        }
    }
}

impl From<String> for MiddlewareSource {
    fn from(text: String) -> Self {
        text.parse().map_or_else(|_| Self::File(text.into()), Self::Stored)
    }
}

impl std::fmt::Display for MiddlewareSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stored(digest) => digest.fmt(f),
        }
    }
}

impl MiddlewareConfig {
    /// Makes a relative path relative to `folder`, where the configuration file is.
    pub fn resolve(&mut self, folder: &Path) {
        if let MiddlewareSource::File(path) = &mut self.component {
            *path = folder.join(&*path);
        }
    }

    /// How it is to be installed.
    pub fn settings(&self) -> MiddlewareSettings {
        let default = MiddlewareSettings::default();
        MiddlewareSettings {
            name: self.name.clone(),
            priority: self.priority,
            surfaces: self.surfaces.clone(),
            streams: self.streams,
            timeout: self.timeout_ms.map_or(default.timeout, Duration::from_millis),
            memory_mib: self.memory_mib.unwrap_or(default.memory_mib),
            value_mib: self.value_mib.unwrap_or(default.value_mib),
            flows: self.flows.clone(),
            config: self.config.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Table {
        middleware: Vec<MiddlewareConfig>,
    }

    fn read(text: &str) -> Result<Vec<MiddlewareConfig>, toml::de::Error> {
        toml::from_str::<Table>(text).map(|table| table.middleware)
    }

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_misspelt_is_an_error() {
        let digest = "ab".repeat(32);
        let text = format!(
            "[[middleware]]\ncomponent = \"pii.wasm\"\n[[middleware]]\ncomponent = \"{digest}\"\npriority = -5\nsurfaces = [\"check\"]\n\
             streams = \"pass\"\ntimeout_ms = 250\nflows = [\"a\"]\nconfig = {{ words = [\"x\"], level = 2 }}\n"
        );
        let mut read_ones = read(&text).unwrap();
        read_ones[0].resolve(Path::new("/project"));
        assert_eq!(read_ones[0].component, MiddlewareSource::File("/project/pii.wasm".into()));
        assert_eq!(read_ones[0].settings(), MiddlewareSettings::default());
        read_ones[1].resolve(Path::new("/project"));
        assert_eq!(read_ones[1].component.to_string(), digest);
        let settings = read_ones[1].settings();
        assert_eq!((settings.priority, settings.surfaces), (Some(-5), Some(vec![Surface::Check])));
        assert_eq!(settings.streams, Some(StreamedCalls::Pass));
        assert_eq!((settings.timeout, settings.flows), (Duration::from_millis(250), vec!["a".to_owned()]));
        assert_eq!(Value::Object(settings.config), json!({ "words": ["x"], "level": 2 }));

        for bad in [
            "priority = 1",
            "component = \"a\"\nprio = 1",
            "component = \"a\"\nsurfaces = [\"chek\"]",
            "component = \"a\"\nstreams = \"maybe\"",
            "component = \"a\"\nconfig = 1",
        ] {
            assert!(read(&format!("[[middleware]]\n{bad}\n")).is_err(), "{bad}");
        }
    }
}
