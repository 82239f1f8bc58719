//! Middleware that is loaded and installed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kitaru_llm::policy::canonical_json;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::bindings::MiddlewarePre;
use super::error::{MiddlewareError, MiddlewareProblem};
use super::manifest::{MiddlewareManifest, StreamedCalls, Surface};
use super::one_use::{Allowance, MiddlewarePort, OneUse};
use super::settings::MiddlewareSettings;
use crate::ids::ComponentDigest;
use crate::journal::LogLevel;
use crate::sandbox::code_cache::Kind;
use crate::sandbox::error::ComponentError;
use crate::sandbox::imports;
use crate::sandbox::instance::{DESCRIBE, Silent};
use crate::sandbox::limits::Limits;
use crate::sandbox::port::LogSink;
use crate::sandbox::prepared::{Compiled, Prepared};
use crate::sandbox::runtime::Sandbox;
use crate::sandbox::state::HostState;

/// Middleware of model calls that is loaded, checked and installed. Cheap to clone; clones are the same middleware.
///
/// Every use of it gets a fresh instance without any capability. [`register`](Self::register) puts it into a pipeline.
#[derive(Clone)]
pub struct MiddlewareComponent {
    inner: Arc<Inner>,
    log: Arc<dyn LogSink>,
}

struct Inner {
    sandbox: Arc<Sandbox>,
    prepared: Prepared<MiddlewarePre<HostState>>,
    digest: ComponentDigest,
    manifest: MiddlewareManifest,
    settings: MiddlewareSettings,
    /// Where it stands, in order.
    surfaces: Vec<Surface>,
    /// The configuration as it is handed over.
    config: String,
}

impl fmt::Debug for MiddlewareComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareComponent").field("name", &self.name()).field("digest", &self.digest()).finish_non_exhaustive()
    }
}

impl MiddlewareComponent {
    /// Compiles a component (or takes it from the cache), checks that this host can run it, and reads its manifest. Compiling occupies the
    /// calling thread. What it logs goes to the host's own log.
    ///
    /// # Errors
    /// When the bytes are no middleware that this host can run, or it cannot be installed with these settings.
    pub async fn load(sandbox: &Arc<Sandbox>, bytes: &[u8], settings: MiddlewareSettings) -> Result<Self, ComponentError> {
        let compiled = Compiled::new(sandbox, bytes).await?;
        let digest = compiled.digest;
        imports::check(&compiled.allocator.engine, &compiled.component, &imports::MIDDLEWARE)?;
        let prepared = Prepared::new(&compiled).map_err(ComponentError::Shape)?;
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.manifest(digest, Kind::Middleware));
        let manifest = match cached {
            Some(text) => MiddlewareManifest::parse(&text)?,
            None => {
                let text = describe(sandbox, &prepared).await.map_err(|problem| ComponentError::Describe(problem.to_string()))?;
                let manifest = MiddlewareManifest::parse(&text)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store_manifest(digest, Kind::Middleware, &text);
                }
                manifest
            }
        };
        let surfaces = settings.check(&manifest)?;
        let config = Value::Object(settings.config.clone()).to_string();
        let name = settings.name.clone().unwrap_or_else(|| manifest.name.clone());
        let log: Arc<dyn LogSink> = Arc::new(HostLog { name });
        let sandbox = sandbox.clone();
        Ok(Self { inner: Arc::new(Inner { sandbox, prepared, digest, manifest, settings, surfaces, config }), log })
    }

    /// The same with another place for what it logs.
    #[must_use]
    pub fn logging_to(self, log: Arc<dyn LogSink>) -> Self {
        Self { log, ..self }
    }

    /// The name that it is registered under.
    pub fn name(&self) -> &str {
        self.inner.settings.name.as_deref().unwrap_or(&self.inner.manifest.name)
    }

    /// Its priority: lower ones run first.
    pub fn priority(&self) -> i32 {
        self.inner.settings.priority.unwrap_or(self.inner.manifest.priority)
    }

    /// Where it stands, in order.
    pub fn surfaces(&self) -> &[Surface] {
        &self.inner.surfaces
    }

    /// How long one use may take.
    pub fn timeout(&self) -> Duration {
        self.inner.settings.timeout
    }

    /// The flows whose calls it is for; of all where there are none.
    pub fn flows(&self) -> &[String] {
        &self.inner.settings.flows
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &MiddlewareManifest {
        &self.inner.manifest
    }

    /// Its identity.
    pub fn digest(&self) -> ComponentDigest {
        self.inner.digest
    }

    /// What a record says of it as a policy: which code with which configuration stands where. The configuration itself is not in it.
    pub fn policy(&self) -> Value {
        let Inner { manifest, settings, surfaces, .. } = &*self.inner;
        let config = sha2::Sha256::digest(canonical_json(&Value::Object(settings.config.clone())).as_bytes());
        let config: String = config.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "name": self.name(),
            "component": self.digest().to_string(),
            "version": manifest.version,
            "priority": self.priority(),
            "surfaces": surfaces,
            "streams": self.streams().map(StreamedCalls::as_str),
            "break_chain": manifest.break_chain,
            "flows": settings.flows,
            "timeout_ms": u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
            "config_sha256": config,
        })
    }

    /// What tells it from another that has its name: its own version, its bytes, its configuration, and what becomes of what it cannot see. Recorded
    /// with each call that it governs.
    pub(super) fn version(&self) -> String {
        let policy = self.policy();
        let text = |key: &str| policy.get(key).and_then(Value::as_str).unwrap_or_default();
        let known = format!("{} sha256:{} config sha256:{}", text("version"), text("component"), text("config_sha256"));
        self.streams().map_or_else(|| known.clone(), |streams| format!("{known} streams:{}", streams.as_str()))
    }

    pub(super) fn breaks_chain(&self) -> bool {
        self.inner.manifest.break_chain
    }

    /// What becomes of streamed calls; none where it does not wrap executions, so that nothing goes past it.
    pub fn streams(&self) -> Option<StreamedCalls> {
        self.inner.settings.streams_beside(&self.inner.manifest, self.surfaces())
    }

    pub(super) fn config(&self) -> &String {
        &self.inner.config
    }

    pub(super) fn limits(&self) -> Limits {
        self.inner.settings.limits()
    }

    /// Whether calls of `flow` are its business.
    pub(super) fn is_for(&self, flow: Option<&str>) -> bool {
        let flows = self.flows();
        flows.is_empty() || flow.is_some_and(|flow| flows.iter().any(|wanted| wanted == flow))
    }

    /// Begins a use, which may compute for `time`.
    pub(super) async fn begin(&self, port: MiddlewarePort, time: Duration) -> Result<OneUse, MiddlewareProblem> {
        let Inner { sandbox, prepared, .. } = &*self.inner;
        OneUse::begin(sandbox, prepared, port, Allowance { limits: self.limits(), time, log: self.log.clone() }).await
    }

    pub(super) fn error(&self, surface: Surface, problem: MiddlewareProblem) -> MiddlewareError {
        MiddlewareError { middleware: self.name().to_owned(), surface, problem }
    }
}

/// Asks a component for its manifest.
async fn describe(sandbox: &Sandbox, prepared: &Prepared<MiddlewarePre<HostState>>) -> Result<String, MiddlewareProblem> {
    let allowance = Allowance { limits: Limits::default(), time: DESCRIBE, log: Arc::new(Silent) };
    let mut one = OneUse::begin(sandbox, prepared, MiddlewarePort::default(), allowance).await?;
    let (hooks, store) = one.hooks();
    let said = hooks.call_describe(store).await;
    let (manifest, _) = one.end(said)?;
    Limits::default().check_value("its manifest", manifest.len()).map_err(|over| MiddlewareProblem::Limit(over.message))?;
    Ok(manifest)
}

/// The host's own log.
struct HostLog {
    name: String,
}

impl LogSink for HostLog {
    fn line(&self, level: LogLevel, module: &'static str, message: String) {
        let middleware = self.name.as_str();
        // It may be for a terminal.
        let message = message.escape_debug();
        match level {
            LogLevel::Trace => tracing::trace!(middleware, module, "{message}"),
            LogLevel::Debug => tracing::debug!(middleware, module, "{message}"),
            LogLevel::Info => tracing::info!(middleware, module, "{message}"),
            LogLevel::Warn => tracing::warn!(middleware, module, "{message}"),
            LogLevel::Error => tracing::error!(middleware, module, "{message}"),
        }
    }

    fn progress(&self, _: String, _: Option<f64>) {}
}
