//! Whoever talks with the server.

use std::fmt;
use std::sync::Arc;

use crate::access::Role;
use crate::service::Service;

/// Whoever talks with the server, and the service as it is for him.
#[derive(Clone)]
pub struct Visitor {
    /// What he calls: a service that refuses what he may not do.
    pub service: Arc<dyn Service>,
    /// Who he is: sessions of one are no business of another.
    pub who: String,
    /// What he may do. Tools that he may not use are not shown to him; that they are refused is the service's business.
    pub role: Role,
}

impl Visitor {
    /// The owner of the data folder, who may do everything.
    pub fn owner(service: Arc<dyn Service>) -> Self {
        Self { service, who: "local".into(), role: Role::Admin }
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("who", &self.who).field("role", &self.role).finish_non_exhaustive()
    }
}
