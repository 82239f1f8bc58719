//! A verb of the table, called and noted.

use serde_json::Value;

use super::GuardedService;
use crate::access::{AccessError, Note, Outcome};
use crate::service::ServiceError;
use crate::service::verbs::{About, Effect, Entry};

/// Parameters that say what something is done to, the first that is there.
const SUBJECTS: [&str; 10] =
    ["execution", "exec_id", "wait", "flow", "secret", "alias", "digest", "component", "artifact", "model"];

impl GuardedService {
    /// Calls a verb. What changes something is noted, and so is what the caller may not.
    ///
    /// # Errors
    /// What the verb refuses.
    pub async fn call(&self, entry: &Entry, params: Value) -> Result<Value, ServiceError> {
        let subject = subject(&params);
        // Until it is done, also when nobody waits for it any more.
        let _place = self.place()?;
        let called = match self.caller.require(entry.about.role) {
            Ok(()) => (entry.call)(self, params).await,
            Err(error) => Err(error.into()),
        };
        self.noted(&entry.about, subject, called).await
    }

    /// Notes how something went that is no verb of the table, and hands on what came of it.
    ///
    /// # Errors
    /// What it refused.
    pub async fn noted<T>(
        &self,
        about: &About,
        subject: Option<String>,
        called: Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        // Verbs about access note by themselves what they did.
        let notes_itself = about.name.starts_with("auth.") || about.name == "waits.link";
        let outcome = match &called {
            Err(ServiceError::Access(AccessError::Forbidden { .. })) => Outcome::Refused,
            _ if about.effect == Effect::Reads => return called,
            Ok(_) if notes_itself => return called,
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Failed,
        };
        if let Some((access, source)) = &self.record {
            let note = Note { verb: about.name, subject, outcome, detail: None };
            if let Err(error) = access.note(&self.caller, *source, note).await {
                // What was done is done, and whoever asked has to know how it went.
                tracing::error!(verb = about.name, error = &error as &dyn std::error::Error, "what a caller did was not noted");
            }
        }
        called
    }
}

fn subject(params: &Value) -> Option<String> {
    SUBJECTS.iter().find_map(|name| params.get(name)?.as_str()).map(str::to_owned)
}
