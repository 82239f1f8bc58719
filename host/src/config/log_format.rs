//! How the host writes its own log: `KITARU_LOG_FORMAT`, else `[telemetry] log_format`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;

/// How the host writes its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object in each line, for programs.
    Json,
}

impl LogFormat {
    /// The environment variable.
    pub const VARIABLE: &'static str = "KITARU_LOG_FORMAT";

    /// Chooses between what the environment variable and the files say; nothing where neither says anything.
    ///
    /// # Errors
    /// When the variable says nothing that is understood.
    pub fn choose(variable: Option<String>, configured: Option<Self>) -> Result<Option<Self>, ConfigError> {
        match variable.as_deref().map(str::trim).filter(|word| !word.is_empty()) {
            None => Ok(configured),
            Some("text") => Ok(Some(Self::Text)),
            Some("json") => Ok(Some(Self::Json)),
            Some(other) => Err(ConfigError::Environment {
                name: Self::VARIABLE,
                problem: format!("`{other}` is no format of logs: give `text` or `json`"),
            }),
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_precedence() {
        let choose = |variable: Option<&str>, file| LogFormat::choose(variable.map(str::to_owned), file).ok();
        let (text, json) = (LogFormat::Text, LogFormat::Json);
        assert_eq!(choose(None, None), Some(None));
        assert_eq!(choose(Some(" "), Some(json)), Some(Some(json)));
        assert_eq!(choose(Some("text"), Some(json)), Some(Some(text)));
        assert_eq!(choose(Some(" json "), None), Some(Some(json)));
        assert_eq!(choose(Some("xml"), Some(json)), None, "what is not understood is said, and not passed over");
    }
}
