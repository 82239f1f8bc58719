//! From what a person types to an identifier.

use super::ServiceError;
use crate::ids::ExecutionId;
use crate::store::Store;

const HINT: &str = "list them: kitaru-host executions list";

/// The execution that `text` names: an ID or a unique prefix of one.
pub(super) async fn execution(store: &dyn Store, text: &str) -> Result<ExecutionId, ServiceError> {
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return Err(ServiceError::usage("an execution ID must not be empty"));
    }
    let not_found = || ServiceError::NotFound { message: format!("Execution '{text}' was not found."), hint: Some(HINT.into()) };
    if text.len() > 36 || !text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return Err(not_found());
    }
    let mut found = store.executions_by_prefix(&text, 4).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(not_found()),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let ids: Vec<String> = found.iter().chain([&last]).map(ToString::to_string).collect();
            let message = format!("'{text}' is the beginning of several execution IDs: {}", ids.join(", "));
            Err(ServiceError::Usage { message, hint: Some("give more of the ID".into()) })
        }
    }
}
