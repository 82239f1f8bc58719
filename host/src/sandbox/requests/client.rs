//! What the requests of one attempt have in common: their policy, their secrets, their number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use wasmtime_wasi_http::{Error, Result};

use super::names::{Names, SystemNames};
use crate::journal::Failure;
use crate::mutex::lock;
use crate::sandbox::audit::Audit;
use crate::sandbox::limits::Limits;
use crate::sandbox::network::NetPolicy;
use crate::sandbox::reached::reached as count;
use crate::sandbox::secrets::Secrets;

/// Sends the requests of one attempt.
pub(in crate::sandbox) struct Client {
    pub(super) network: Arc<NetPolicy>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) audit: Audit,
    pub(super) names: Arc<dyn Names>,
    pub(super) limits: Limits,
    open: AtomicUsize,
    /// The limit that the last request reached.
    reached: Mutex<Option<Failure>>,
}

/// The place of one open request.
pub(in crate::sandbox) struct Place(Arc<Client>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Client {
    pub(in crate::sandbox) fn new(network: &Arc<NetPolicy>, secrets: &Arc<Secrets>, audit: &Audit, limits: Limits) -> Arc<Self> {
        Self::with_names(network, secrets, audit, limits, Arc::new(SystemNames::default()))
    }

    /// The same, which looks names up elsewhere.
    pub(super) fn with_names(
        network: &Arc<NetPolicy>,
        secrets: &Arc<Secrets>,
        audit: &Audit,
        limits: Limits,
        names: Arc<dyn Names>,
    ) -> Arc<Self> {
        let (network, secrets, audit) = (network.clone(), secrets.clone(), audit.clone());
        Arc::new(Self { network, secrets, audit, names, limits, open: AtomicUsize::new(0), reached: Mutex::default() })
    }

    /// Where the names of requests and sockets are looked up.
    pub(in crate::sandbox) fn names(&self) -> Arc<dyn Names> {
        self.names.clone()
    }

    /// Requests that are open: their bodies are being sent or read, or could be.
    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A place for one more request beside `sockets` open sockets.
    pub(super) fn place(self: &Arc<Self>, sockets: usize) -> Result<Place> {
        if !self.has_room(sockets) {
            return Err(Error::ConnectionLimitReached);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Place(self.clone()))
    }

    /// Whether one more request or socket may be opened beside `sockets` open sockets; that it may not is noted.
    pub(in crate::sandbox) fn has_room(&self, sockets: usize) -> bool {
        let most = usize::try_from(self.limits.requests).unwrap_or(usize::MAX);
        let has_room = self.open().saturating_add(sockets) < most;
        if !has_room {
            count("requests");
            let text = format!("it has more requests and sockets open at a time than the limit `requests` of {most}");
            self.reach(Failure::runtime("limit", text));
        }
        has_room
    }

    /// Notes that a request reached a limit.
    pub(super) fn reach(&self, failure: Failure) {
        *lock(&self.reached) = Some(failure);
    }

    /// Notes that a request went well: an earlier one that reached a limit is not what the guest fails of.
    pub(super) fn went_well(&self) {
        *lock(&self.reached) = None;
    }

    /// `failure`, or, where it is only what the guest's libraries made of a limit that its last request reached, that limit.
    pub(in crate::sandbox) fn explained(&self, failure: Failure) -> Failure {
        if !matches!(failure.kind.as_str(), "error" | "trap" | "exit" | "limit" | "http") {
            return failure;
        }
        let Some(reached) = lock(&self.reached).take() else { return failure };
        let details = json!({ "guest_message": failure.message, "guest_kind": failure.kind });
        reached.with_details(&details)
    }
}
