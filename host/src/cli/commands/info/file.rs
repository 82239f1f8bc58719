//! What is told, in a file: JSON, YAML or TOML by its name, whole or not there.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::yaml;
use crate::cli::error::CliError;

/// Forms of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Yaml,
    Toml,
}

impl Form {
    /// The form that a file's name asks for.
    pub(super) fn of(path: &Path) -> Result<Self, CliError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("json") => Ok(Self::Json),
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("toml") => Ok(Self::Toml),
            _ => Err(CliError::usage(format!("`{}` does not say which form it is to have", path.display()))
                .hint("give it a name that ends with .json, .yaml or .toml")),
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
        }
    }

    fn text(self, value: &Value) -> Result<String, CliError> {
        let cannot = |error: &dyn std::fmt::Display| CliError::new(format!("it cannot be written as {}: {error}", self.as_str()));
        match self {
            Self::Json => {
                let text = serde_json::to_string_pretty(value).map_err(|error| cannot(&error))?;
                Ok(format!("{text}\n"))
            }
            Self::Yaml => Ok(yaml::document(value)),
            Self::Toml => toml::to_string_pretty(&without_nulls(value)).map_err(|error| cannot(&error)),
        }
    }

    /// Writes the file: it has its name when it is whole.
    pub(super) fn write(self, path: &Path, value: &Value) -> Result<(), CliError> {
        let text = self.text(value)?;
        let failed = |error: std::io::Error| CliError::new(format!("cannot write `{}`: {error}", path.display()));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map(drop).map_err(|error| failed(error.error))
    }
}

/// TOML has no null: what is nothing is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            members.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().filter(|value| !value.is_null()).map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_whole_and_of_the_form_that_its_name_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let value = json!({ "a": { "b": [1, "x"], "nothing": null }, "c": true });
        let write = |name: &str| {
            let path = folder.path().join(name);
            Form::of(&path).unwrap().write(&path, &value).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(serde_json::from_str::<Value>(&write("a.json")).unwrap(), value);
        assert_eq!(toml::from_str::<Value>(&write("a.TOML")).unwrap(), json!({ "a": { "b": [1, "x"] }, "c": true }));
        assert!(write("a.yml").contains("\"b\":\n    - 1\n    - \"x\"\n"));
        assert!(Form::of(Path::new("a.txt")).is_err() && Form::of(Path::new("json")).is_err());
        let nowhere = folder.path().join("nowhere/a.json");
        assert!(Form::Json.write(&nowhere, &value).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing half written is left");
    }
}
