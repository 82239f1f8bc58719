//! Whether guests run in a process that has given its own rights away: `--isolate`, else `KITARU_ISOLATE`, else `[host] isolate`, else no.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::ConfigError;

/// Whether guests run in a process that has given its own rights away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Isolation {
    /// No.
    #[default]
    Off,
    /// As far as the kernel can, with a warning about what it cannot.
    BestEffort,
    /// Yes, or not at all.
    On,
}

/// As `kitaru.toml` has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whether(bool),
    Word(String),
}

/// The truths and words that the file may have.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<Value> = [true, false].map(Value::from).into_iter().chain(Isolation::WORDS.map(Value::from)).collect();
    json_schema!({ "type": ["boolean", "string"], "enum": all })
}

/// A word that is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say whether to isolate: give `on`, `best-effort` or `off`")]
pub struct UnknownIsolation(String);

impl Isolation {
    /// The environment variable.
    pub const VARIABLE: &'static str = "KITARU_ISOLATE";
    /// Its words.
    pub const WORDS: [&'static str; 3] = ["off", "best-effort", "on"];

    /// Chooses among what the command line, the environment variable and the project's file say.
    ///
    /// # Errors
    /// When the environment variable counts, and says nothing that is understood.
    pub fn choose(flag: Option<Self>, variable: Option<OsString>, project: Option<Self>) -> Result<Self, ConfigError> {
        if let Some(isolation) = flag {
            return Ok(isolation);
        }
        match variable.filter(|word| !word.is_empty()) {
            Some(word) => word
                .to_string_lossy()
                .parse()
                .map_err(|error: UnknownIsolation| ConfigError::Environment { name: Self::VARIABLE, problem: error.to_string() }),
            None => Ok(project.unwrap_or_default()),
        }
    }
}

impl FromStr for Isolation {
    type Err = UnknownIsolation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "off" | "false" => Ok(Self::Off),
            "best-effort" => Ok(Self::BestEffort),
            "on" | "true" => Ok(Self::On),
            _ => Err(UnknownIsolation(text.to_owned())),
        }
    }
}

impl TryFrom<Written> for Isolation {
    type Error = UnknownIsolation;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Whether(true) => Ok(Self::On),
            Written::Whether(false) => Ok(Self::Off),
            Written::Word(word) => word.parse(),
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::BestEffort => "best-effort",
            Self::On => "on",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_precedence() {
        let choose = |flag, variable: Option<&str>, project| Isolation::choose(flag, variable.map(OsString::from), project).ok();
        assert_eq!(choose(None, None, None), Some(Isolation::Off));
        assert_eq!(choose(None, None, Some(Isolation::On)), Some(Isolation::On));
        assert_eq!(choose(None, Some("best-effort"), Some(Isolation::On)), Some(Isolation::BestEffort));
        assert_eq!(choose(None, Some(""), Some(Isolation::On)), Some(Isolation::On));
        assert_eq!(choose(Some(Isolation::Off), Some("on"), Some(Isolation::On)), Some(Isolation::Off));
        assert_eq!(choose(None, Some("maybe"), None), None, "a misspelt word must not be `off`");
    }

    #[test]
    fn the_file_has_it_as_a_truth_or_a_word() {
        #[derive(Deserialize)]
        struct Table {
            isolate: Isolation,
        }
        let read = |text: &str| toml::from_str::<Table>(&format!("isolate = {text}\n")).map(|table| table.isolate).ok();
        assert_eq!(read("true"), Some(Isolation::On));
        assert_eq!(read("false"), Some(Isolation::Off));
        assert_eq!(read("\"best-effort\""), Some(Isolation::BestEffort));
        assert_eq!(read("\"yes\""), None);
        assert_eq!(read("1"), None);
        for word in Isolation::WORDS {
            assert_eq!(word.parse::<Isolation>().unwrap().to_string(), word);
        }
    }
}
