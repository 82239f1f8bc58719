//! What holds for new executions that do not say otherwise: `--cache` and `--retries`, which go before all, then what a flow and its checkpoints
//! say themselves, then `KITARU_CACHE` and `KITARU_RETRIES`, then `[run]` of `kitaru.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// More runs of a flow than this are a mistake.
const MOST_RETRIES: u32 = 1_000;

/// `[run]` in `kitaru.toml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Whether checkpoints are served from the cache where neither they nor their flow say.
    pub cache: Option<bool>,
    /// How often a flow that says nothing itself is tried again.
    #[serde(deserialize_with = "some_retries")]
    #[schemars(range(max = MOST_RETRIES))]
    pub retries: Option<u32>,
}

fn some_retries<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let retries = u32::deserialize(deserializer)?;
    match retries <= MOST_RETRIES {
        true => Ok(Some(retries)),
        false => Err(serde::de::Error::custom(format!("`retries` must be at most {MOST_RETRIES}"))),
    }
}

impl RunConfig {
    /// The variable that says whether to cache.
    pub const CACHE: &'static str = "KITARU_CACHE";
    /// The variable that says how often to try again.
    pub const RETRIES: &'static str = "KITARU_RETRIES";

    /// What counts, of what the environment and this, the file's table, say.
    ///
    /// # Errors
    /// When a variable says something that is not understood.
    pub fn under(self, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = |name| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let cache = read(Self::CACHE).map(|word| truth(&word).ok_or_else(|| invalid(Self::CACHE, &word, TRUTHS))).transpose()?;
        let retries = read(Self::RETRIES).map(|word| count(&word).ok_or_else(|| invalid(Self::RETRIES, &word, COUNTS)));
        Ok(Self { cache: cache.or(self.cache), retries: retries.transpose()?.or(self.retries) })
    }
}

const TRUTHS: &str = "give 1, true, t, yes, y or on; or 0, false, f, no, n or off";
const COUNTS: &str = "give a whole number from 0 to 1000";

fn invalid(name: &'static str, value: &str, hint: &'static str) -> ConfigError {
    ConfigError::InvalidVariable { name, value: value.to_owned(), hint }
}

/// A truth in the words in which people say one.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

fn count(word: &str) -> Option<u32> {
    word.parse().ok().filter(|count| *count <= MOST_RETRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(file: RunConfig, cache: &str, retries: &str) -> Result<(Option<bool>, Option<u32>), String> {
        let read = |name: &str| Some(if name == RunConfig::CACHE { cache } else { retries }.to_owned());
        file.under(read).map(|run| (run.cache, run.retries)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let file: RunConfig = toml::from_str("cache = true\nretries = 2\n").unwrap();
        assert_eq!(under(file, "", " "), Ok((Some(true), Some(2))), "a variable without a value is none");
        assert_eq!(under(file, "Off", "5"), Ok((Some(false), Some(5))));
        assert_eq!(under(RunConfig::default(), "", ""), Ok((None, None)));
        for word in ["1", "TRUE", "t", "yes", "y", "on"] {
            assert_eq!(under(RunConfig::default(), word, ""), Ok((Some(true), None)), "{word}");
        }
        for word in ["0", "false", "F", "no", "n", "off"] {
            assert_eq!(under(RunConfig::default(), word, ""), Ok((Some(false), None)), "{word}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert_eq!(under(RunConfig::default(), "maybe", ""), Err("Invalid value for KITARU_CACHE: `maybe`".into()));
        for word in ["-1", "1.5", "many", "1001"] {
            assert_eq!(under(RunConfig::default(), "", word), Err(format!("Invalid value for KITARU_RETRIES: `{word}`")));
        }
        for bad in ["cache = 1", "retries = -1", "retries = 1001", "retry = 1"] {
            assert!(toml::from_str::<RunConfig>(bad).is_err(), "{bad}");
        }
    }
}
