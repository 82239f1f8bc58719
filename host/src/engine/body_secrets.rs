//! Secrets, as checkpoint bodies ask for them: opened for one attempt, which holds a placeholder unless its grant reveals the value.

use super::{Engine, EngineError};
use crate::journal::Failure;
use crate::sandbox::OpenedSecret;

impl Engine {
    /// The value of `key` in a secret, or its only one, in the version that it has now. What is in the way is the body's failure, and not the
    /// engine's: the rest of the flow may do without it.
    pub(super) async fn open_secret(&self, name: &str, key: Option<&str>) -> Result<Result<OpenedSecret, Failure>, EngineError> {
        let Some(row) = self.secret(name).await?.filter(|row| row.name == name) else {
            let text = format!("there is no secret `{name}`: set it with kitaru-host secrets set {name} --from-prompt KEY");
            return Ok(Err(Failure::runtime("not-found", text)));
        };
        let keys: Vec<&str> = row.values.iter().map(|value| value.key.as_str()).collect();
        let key = match (key, keys.as_slice()) {
            (Some(key), keys) if keys.contains(&key) => key,
            (None, [only]) => only,
            (None, [_, _, ..]) => {
                let text = format!("the secret `{name}` has several values: name one of {}", keys.join(", "));
                return Ok(Err(Failure::usage(text)));
            }
            (key, _) => {
                let text = format!(
                    "the secret `{name}` has no value `{}`: set it with kitaru-host secrets set {name} --from-prompt KEY",
                    key.unwrap_or_default()
                );
                return Ok(Err(Failure::runtime("not-found", text)));
            }
        };
        match self.secret_value(name, key).await {
            Ok(Some((version, value))) => Ok(Ok(OpenedSecret { key: key.to_owned(), version, value })),
            Ok(None) => Ok(Err(Failure::runtime("not-found", format!("the secret `{name}` was changed meanwhile")).retryable())),
            Err(EngineError::Secrets(error)) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                Ok(Err(Failure::runtime("credentials", format!("{error}{hint}"))))
            }
            Err(error) => Err(error),
        }
    }
}
