//! What middleware says of itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::texts::short;

/// A place in the pipeline where middleware can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// Guardrail: decides whether a call may happen.
    Check,
    /// Request intercept: rewrites the request.
    Rewrite,
    /// Changes what is recorded of requests.
    SanitizeRequest,
    /// Changes what is recorded of responses.
    SanitizeResponse,
    /// Execution intercept: wraps the execution.
    Execute,
    /// Receives events.
    OnEvent,
}

impl Surface {
    /// All of them, in the order in which a call meets them.
    pub const ALL: [Self; 6] =
        [Self::Check, Self::Rewrite, Self::SanitizeRequest, Self::Execute, Self::SanitizeResponse, Self::OnEvent];

    /// Its word in manifests and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Rewrite => "rewrite",
            Self::SanitizeRequest => "sanitize_request",
            Self::SanitizeResponse => "sanitize_response",
            Self::Execute => "execute",
            Self::OnEvent => "on_event",
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of calls whose response is streamed, where middleware wraps executions: `execute` sees whole responses only.
/// Whether a call is streamed is for the code to choose that makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamedCalls {
    /// They go past it: it only watches, and nobody gains anything by going past.
    Pass,
    /// They fail, so that nothing goes past it.
    #[default]
    Refuse,
}

impl StreamedCalls {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pass, Self::Refuse];

    /// Its word in manifests, configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
        }
    }
}

/// What a component returns from `describe`. Fields that this host does not know are ignored: the format only gains fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiddlewareManifest {
    /// Version of this format: 1.
    pub manifest: u32,
    /// Its name, unless whoever installs it gives it another.
    pub name: String,
    /// Its version, for people and records.
    #[serde(default)]
    pub version: String,
    /// What it is for, for people.
    #[serde(default)]
    pub doc: String,
    /// Where it is to stand.
    pub surfaces: Vec<Surface>,
    /// Its priority where it is given no other: lower ones run first.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// Whether request intercepts after it do not run.
    #[serde(default)]
    pub break_chain: bool,
    /// What becomes of streamed calls, if it wraps executions. None is as good as [`StreamedCalls::Refuse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamedCalls>,
    /// What the SDK found wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

fn default_priority() -> i32 {
    100
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MiddlewareManifestError {
    /// It is not the JSON that a manifest is.
    #[error("it is not a manifest")]
    Json(#[from] serde_json::Error),
    /// A later SDK made it.
    #[error("it has format {0}, and this host reads format 1")]
    NewerFormat(u32),
    /// The SDK reports an error.
    #[error("{0}")]
    Sdk(String),
    /// The name cannot be used.
    #[error("`{}` is not a usable name: ASCII letters, digits, `.`, `_` and `-`, at most 100", .0.escape_debug())]
    Name(String),
    /// It stands nowhere.
    #[error("it has no surface, so it would never be used")]
    NoSurface,
    /// A surface is there twice.
    #[error("the surface `{0}` is named twice")]
    Duplicate(Surface),
}

impl MiddlewareManifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// When it is not one, or says what cannot be.
    pub fn parse(text: &str) -> Result<Self, MiddlewareManifestError> {
        let mut manifest: Self = serde_json::from_str(text)?;
        if manifest.manifest != 1 {
            return Err(MiddlewareManifestError::NewerFormat(manifest.manifest));
        }
        if let Some(error) = manifest.errors.first() {
            return Err(MiddlewareManifestError::Sdk(short(error.clone())));
        }
        if !is_name(&manifest.name) {
            return Err(MiddlewareManifestError::Name(manifest.name.chars().take(100).collect()));
        }
        if manifest.surfaces.is_empty() {
            return Err(MiddlewareManifestError::NoSurface);
        }
        if let Some(twice) = twice(&manifest.surfaces) {
            return Err(MiddlewareManifestError::Duplicate(twice));
        }
        manifest.surfaces.sort_unstable();
        Ok(manifest)
    }
}

/// Whether middleware can be called so. Names are recorded in events.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 100 && name.chars().all(fits)
}

/// A surface that is there more than once.
pub(super) fn twice(surfaces: &[Surface]) -> Option<Surface> {
    let mut seen = std::collections::HashSet::new();
    surfaces.iter().copied().find(|surface| !seen.insert(*surface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_wrong_a_name() {
        let least = r#"{"manifest":1,"name":"pii","surfaces":["sanitize_response","check"],"later":true}"#;
        let manifest = MiddlewareManifest::parse(least).unwrap();
        assert_eq!((manifest.priority, manifest.break_chain, manifest.streams), (100, false, None));
        assert_eq!(manifest.surfaces, [Surface::Check, Surface::SanitizeResponse]);

        let error = |text: &str| MiddlewareManifest::parse(text).unwrap_err();
        assert!(matches!(error("[]"), MiddlewareManifestError::Json(_)));
        assert!(matches!(error(r#"{"manifest":1,"name":"x","surfaces":["chek"]}"#), MiddlewareManifestError::Json(_)));
        assert!(matches!(error(r#"{"manifest":2,"name":"x","surfaces":["check"]}"#), MiddlewareManifestError::NewerFormat(2)));
        assert!(matches!(error(r#"{"manifest":1,"name":"a b","surfaces":["check"]}"#), MiddlewareManifestError::Name(_)));
        assert!(matches!(error(r#"{"manifest":1,"name":"x","surfaces":[]}"#), MiddlewareManifestError::NoSurface));
        let twice = r#"{"manifest":1,"name":"x","surfaces":["check","check"]}"#;
        assert!(matches!(error(twice), MiddlewareManifestError::Duplicate(Surface::Check)));
    }

    #[test]
    fn surfaces_are_written_as_they_are_read() {
        for surface in Surface::ALL {
            assert_eq!(serde_json::to_value(surface).unwrap(), surface.as_str());
        }
        for streams in StreamedCalls::ALL {
            assert_eq!(serde_json::to_value(streams).unwrap(), streams.as_str());
        }
    }
}
