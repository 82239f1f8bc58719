//! What middleware says of itself.

use serde::Serialize;

/// A place in which middleware can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Surface {
    /// [`Middleware::check`](crate::Middleware::check)
    Check,
    /// [`Middleware::rewrite`](crate::Middleware::rewrite)
    Rewrite,
    /// [`Middleware::sanitize_request`](crate::Middleware::sanitize_request)
    SanitizeRequest,
    /// [`Middleware::sanitize_response`](crate::Middleware::sanitize_response)
    SanitizeResponse,
    /// [`Middleware::execute`](crate::Middleware::execute)
    Execute,
    /// [`Middleware::on_event`](crate::Middleware::on_event)
    OnEvent,
}

/// What middleware says of itself. The host asks once per component, without any configuration.
///
/// ```
/// use kitaru_middleware::{Manifest, Surface};
/// let manifest = Manifest::new("pii", "1.0.0").surfaces([Surface::SanitizeRequest, Surface::SanitizeResponse]).priority(10);
/// # let _ = manifest;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[must_use]
pub struct Manifest {
    manifest: u32,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    doc: String,
    surfaces: Vec<Surface>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    break_chain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<String>,
}

impl Manifest {
    /// Middleware that stands nowhere yet. The name is at most 100 ASCII letters, digits, `.`, `_` and `-`; whoever installs the
    /// middleware may give it another.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            manifest: 1,
            name: name.into(),
            version: version.into(),
            doc: String::new(),
            surfaces: Vec::new(),
            priority: None,
            break_chain: false,
            streams: None,
            errors: Vec::new(),
        }
    }

    /// What it is for, for people.
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = doc.into();
        self
    }

    /// Where it stands. What is not named here is never called.
    pub fn surfaces(mut self, surfaces: impl IntoIterator<Item = Surface>) -> Self {
        self.surfaces = surfaces.into_iter().collect();
        self
    }

    /// Its priority, unless whoever installs it gives it another: lower ones run first, and so, around an execution, outermost. 100 where
    /// nothing is said.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Request intercepts after it do not run.
    pub fn break_chain(mut self) -> Self {
        self.break_chain = true;
        self
    }

    /// Calls whose response is streamed go past [`Middleware::execute`](crate::Middleware::execute), which sees whole responses only: for what
    /// only watches. Whether a call is streamed is for the code to say that makes it, so whatever decides something should not say this.
    pub fn pass_streams(mut self) -> Self {
        self.streams = Some("pass");
        self
    }

    /// Calls whose response is streamed fail where [`Middleware::execute`](crate::Middleware::execute) stands. So they do where the manifest says
    /// nothing; whoever installs the middleware can say otherwise.
    pub fn refuse_streams(mut self) -> Self {
        self.streams = Some("refuse");
        self
    }
}
