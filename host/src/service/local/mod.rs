//! The service in process: what it works with, and, in `verbs`, every verb.

mod verbs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::access::Behalf;
use super::folded::FoldedJournals;
use super::{HostDefaults, HostFacts, ServiceError};
use crate::config::{GrantMemory, ModelSources};
use crate::engine::{Begun, Engine, Measures};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::store::Store;

/// The service of this process.
#[derive(Debug, Clone)]
pub struct LocalService {
    engine: Engine,
    /// Created here, and yet to be driven.
    begun: Arc<Mutex<HashMap<ExecutionId, Begun>>>,
    pub(super) models: ModelSources,
    /// Components of the store that stand in the way of model calls, and that no execution names.
    pub(super) middleware: Arc<[ComponentDigest]>,
    grants: GrantMemory,
    host: Arc<HostDefaults>,
    facts: Arc<HostFacts>,
    /// Those that are read part by part.
    journals: Arc<FoldedJournals>,
    pub(super) behalf: Behalf,
}

impl LocalService {
    /// The service over an engine. It knows no model aliases.
    pub fn new(engine: Engine) -> Self {
        let (models, middleware, grants, host, facts) = Default::default();
        let (begun, journals) = Default::default();
        Self { engine, begun, models, middleware, grants, host, facts, journals, behalf: Behalf::default() }
    }

    /// The same service, which learns there which models there are.
    #[must_use]
    pub fn with_models(self, models: ModelSources) -> Self {
        Self { models, ..self }
    }

    /// The same service, which keeps these components when it removes what nobody needs.
    #[must_use]
    pub fn keeping(self, middleware: impl IntoIterator<Item = ComponentDigest>) -> Self {
        Self { middleware: middleware.into_iter().collect(), ..self }
    }

    /// The same service, which remembers there what components are granted for good.
    #[must_use]
    pub fn with_grants(self, grants: GrantMemory) -> Self {
        Self { grants, ..self }
    }

    /// The same service, which tells that of its host.
    #[must_use]
    pub fn with_facts(self, facts: HostFacts) -> Self {
        Self { facts: Arc::new(facts), ..self }
    }

    /// The same service, which gives that to what is started by name.
    #[must_use]
    pub fn with_host(self, host: HostDefaults) -> Self {
        Self { host: Arc::new(host), ..self }
    }
}

impl LocalService {
    /// Calls may wait for what has just become known. It is known, whatever becomes of them now: whoever looks after them finds them too.
    async fn tell_models_changed(&self) {
        if let Err(error) = self.engine.models_changed().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "calls that wait for a model were not looked at");
        }
    }

    /// Notes the signature that came with a component, and checks that it may run here. What is to be said of it, if anything, is returned.
    ///
    /// # Errors
    /// When nobody whom this host trusts has signed it, and somebody must have.
    pub async fn admit(&self, component: &[u8], signature: Option<String>) -> Result<Option<String>, ServiceError> {
        self.note_signature(component, signature);
        Ok(self.engine.admit(component).await?)
    }

    /// Notes the signature that came with a component.
    pub fn note_signature(&self, component: &[u8], signature: Option<String>) {
        if let Some(text) = signature {
            self.engine.offer_signature(component, text);
        }
    }

    /// The store behind it.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.engine.store()
    }

    /// What this process does now: memory of its instances, flows, limits that were reached.
    pub fn measures(&self) -> Measures {
        self.engine.measures()
    }

    /// Journals that are read part by part.
    pub(super) fn journals(&self) -> &FoldedJournals {
        &self.journals
    }

    /// What is given to whatever is started by name.
    pub(super) fn host(&self) -> &HostDefaults {
        &self.host
    }

    /// Where it is said which models there are.
    pub(super) fn model_sources(&self) -> &ModelSources {
        &self.models
    }

    /// What components were granted for good.
    pub(super) fn grant_memory(&self) -> &GrantMemory {
        &self.grants
    }

    /// The engine behind it.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}
