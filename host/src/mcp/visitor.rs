//! Whoever talks with the server.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::access::Role;
use crate::service::guarded::GuardedService;
use crate::service::verbs::Entry;
use crate::service::{Service, ServiceError};

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
}

impl Visitor {
    /// The owner of the data folder, who may do everything.
    pub fn owner(service: Arc<dyn Service>) -> Self {
        Self { service, guarded: None, who: "local".into(), role: Role::Admin }
    }

    /// Somebody from the network.
    pub fn guest(service: Arc<GuardedService>, who: String) -> Self {
        let role = service.caller().role;
        Self { service: service.clone(), guarded: Some(service), who, role }
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
