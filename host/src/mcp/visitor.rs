//! Whoever talks with the server.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::access::{Role, Share, Who};
use crate::service::clean::CleanPreviewer;
use crate::service::guarded::GuardedService;
use crate::service::verbs::Entry;
use crate::service::{Service, ServiceError};

/// Knows whether a visitor may still be here as he came.
#[async_trait]
pub trait Stays: Send + Sync {
    /// Whether he may.
    async fn stays(&self) -> bool;
}

/// Whoever talks with the server, and the service as it is for him.
#[derive(Clone)]
pub struct Visitor {
    /// What he calls: a service that refuses what he may not do.
    pub service: Arc<dyn Service>,
    /// The same, where what he does is noted.
    pub guarded: Option<Arc<GuardedService>>,
    /// Who he is: sessions of one are no business of another.
    pub who: String,
    /// What he may do. Tools that he may not use are not shown to him; that they are refused is the service's business.
    pub role: Role,
    /// Whether he may still be here; none of whoever owns what is served.
    pub stays: Option<Arc<dyn Stays>>,
    /// What shows him which folders of this machine `clean` would delete; none of whoever is not at this machine, or works with a server.
    pub cleaning: Option<Arc<CleanPreviewer>>,
}

impl Visitor {
    /// The owner of the data folder, who may do everything.
    pub fn owner(service: Arc<dyn Service>) -> Self {
        Self { service, guarded: None, who: "local".into(), role: Role::Admin, stays: None, cleaning: None }
    }

    /// The same, who is shown what `clean` would delete.
    #[must_use]
    pub fn with_cleaning(self, previewer: CleanPreviewer) -> Self {
        Self { cleaning: Some(Arc::new(previewer)), ..self }
    }

    /// Somebody from the network.
    pub fn guest(service: Arc<GuardedService>, stays: Arc<dyn Stays>) -> Self {
        let caller = service.caller();
        // A name may be another's later.
        let who = match &caller.who {
            Who::Owner => Who::OWNER.to_owned(),
            Who::Account { id, .. } => id.to_string(),
        };
        Self { service: service.clone(), role: caller.role, guarded: Some(service), who, stays: Some(stays), cleaning: None }
    }

    /// His place for what is no call of a verb, until this goes.
    ///
    /// # Errors
    /// When he has as many as one gets, or all are taken.
    pub(super) fn place(&self) -> Result<Option<Share<String>>, ServiceError> {
        self.guarded.as_ref().map_or(Ok(None), |guarded| guarded.place())
    }

    /// Calls a verb, and notes what becomes of it where that is noted.
    ///
    /// # Errors
    /// What the verb refuses.
    pub(super) async fn call(&self, entry: &Entry, params: Value) -> Result<Value, ServiceError> {
        match &self.guarded {
            Some(guarded) => guarded.call(entry, params).await,
            None => (entry.call)(self.service.as_ref(), params).await,
        }
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("who", &self.who).field("role", &self.role).finish_non_exhaustive()
    }
}
