//! Errors as a person or a script sees them: message, cause chain, hint.

use serde_json::{Map, Value};

use crate::config::{ConfigError, ModelsError};
use crate::ids::ExecutionId;
use crate::isolation::IsolationError;
use crate::mcp::StdioError;
use crate::registry::{BuildError, TargetError};
use crate::sandbox::{SandboxError, UnusableFolder};
use crate::service::ServiceError;
use crate::service::clean::CleanError;
use crate::store::StoreError;

/// A command failed. Boxed, because every command returns it and hardly any does.
#[derive(Debug, Default)]
pub(super) struct CliError(Box<Report>);

/// What is told about a failure.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) message: String,
    /// Name of the error's class, as Kitaru's clients know them.
    pub(super) class: Option<&'static str>,
    pub(super) causes: Vec<String>,
    pub(super) hint: Option<String>,
    /// More keys of the JSON form.
    pub(super) extra: Map<String, Value>,
}

impl std::ops::Deref for CliError {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

impl std::ops::DerefMut for CliError {
    fn deref_mut(&mut self) -> &mut Report {
        &mut self.0
    }
}

impl CliError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Report { message: message.into(), ..Report::default() }))
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).class("KitaruUsageError")
    }

    #[must_use]
    pub(super) fn class(mut self, class: &'static str) -> Self {
        self.class = Some(class);
        self
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.into(), value.into());
        self
    }

    /// The same about an execution, if there is one: programs read which.
    #[must_use]
    pub(super) fn about(self, execution: Option<ExecutionId>) -> Self {
        match execution {
            Some(id) => self.with("exec_id", id.to_string()),
            None => self,
        }
    }

    /// Message and causes in one line.
    pub(super) fn chain(&self) -> String {
        let mut chain = self.message.clone();
        for cause in &self.causes {
            chain.truncate(chain.trim_end_matches('.').len());
            chain.push_str(": ");
            chain.push_str(cause);
        }
        chain
    }

    /// The same with the hint.
    pub(super) fn with_hint(&self) -> String {
        self.hint.as_ref().map_or_else(|| self.chain(), |hint| format!("{}; {hint}", self.chain().trim_end_matches('.')))
    }

    pub(super) fn of(error: &dyn std::error::Error, class: &'static str, hint: Option<String>) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string().trim_end().to_owned();
            // Errors that pass their cause's text on would say it twice.
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        Self(Box::new(Report { message: error.to_string(), class: Some(class), causes, hint, extra: Map::new() }))
    }
}

impl From<ServiceError> for CliError {
    fn from(error: ServiceError) -> Self {
        Self::of(&error, error.class(), error.hint())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<CleanError> for CliError {
    fn from(error: CleanError) -> Self {
        let class = match &error {
            CleanError::Store(_) => "KitaruStateError",
            CleanError::Io { .. } => "KitaruBackendError",
            _ => "KitaruUsageError",
        };
        Self::of(&error, class, error.hint())
    }
}

impl From<ModelsError> for CliError {
    fn from(error: ModelsError) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<SandboxError> for CliError {
    fn from(error: SandboxError) -> Self {
        Self::of(&error, "KitaruRuntimeError", None)
    }
}

impl From<UnusableFolder> for CliError {
    fn from(error: UnusableFolder) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::of(&error, "KitaruUsageError", error.hint())
    }
}

impl From<IsolationError> for CliError {
    fn from(error: IsolationError) -> Self {
        let hint = error.hint();
        Self::of(&error, "KitaruRuntimeError", Some(hint))
    }
}

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        Self::of(&error, "KitaruUsageError", None)
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        Self::of(&error, "KitaruUsageError", error.hint())
    }
}

impl From<StdioError> for CliError {
    fn from(error: StdioError) -> Self {
        Self::of(&error, "KitaruRuntimeError", None)
    }
}
