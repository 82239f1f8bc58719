//! The verbs of another host, over its HTTP API: the same traits as in process, with the same types and the same errors.
//!
//! - Requests are made from the table of verbs ([`verbs`](crate::service::verbs)), from which the server makes its routes: nothing about a route is
//!   written twice. [`RemoteService::call`] asks for any verb; the traits are made of it.
//! - What is sent again is what may be: whatever only reads, and `run` and `invoke`, which have an idempotency key each: one whose answer is lost starts once.
//! - Whoever follows is told everything once and in order, however often the connection is lost.
//! - An error says what it says at the server. The key is in none, and in no `Debug`.
//! - A server drives what it has. [`drive`](crate::service::Service::drive) watches an execution there to its next stop; what only a data folder can
//!   do is refused.
//!
//! ```no_run
//! use kitaru_host::client::{ClientSettings, RemoteService};
//! use kitaru_host::config::ServerConnection;
//! use kitaru_host::service::{FlowVerbs as _, FollowEvent, InvokeParams, LogQuery, Service as _};
//! use serde_json::json;
//!
//! # async fn example(key: kitaru_host::secrets::SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! let connection = ServerConnection::new("https://flows.example.com", key)?;
//! let host = RemoteService::new(connection, ClientSettings::default())?;
//!
//! // Start a published flow.
//! let input = json!({ "topic": "rivers" }).as_object().cloned().unwrap_or_default();
//! let id = host.invoke(&InvokeParams { flow: "write".into(), input, ..InvokeParams::default() }).await?;
//!
//! // Follow it to its end, and answer what it asks.
//! let mut follow = host.follow(id, &LogQuery::default()).await?;
//! while let Some(event) = follow.next().await? {
//!     match event {
//!         FollowEvent::Log { entry, .. } => println!("{}", entry.message),
//!         FollowEvent::Waiting { wait_id, question, .. } => {
//!             println!("{}", question.unwrap_or_default());
//!             host.input(id, Some(&wait_id), &json!(true)).await?;
//!         }
//!         FollowEvent::Terminal { status, .. } => println!("{status}: {}", host.get(id).await?.result),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod access;
mod archive;
mod backoff;
mod driving;
mod events;
mod flows;
mod following;
mod log_places;
mod login;
mod orders;
mod pages;
mod problem;
mod request;
mod resuming;
mod settings;
mod steps;
mod transfers;
mod trouble;
mod verbs;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;

pub use login::log_in_with_code;
pub use settings::ClientSettings;

use crate::config::ServerConnection;
use crate::ids::ExecutionId;
use crate::mutex::lock;
use crate::service::ServiceError;
use crate::service::verbs::Verb;
use request::Ask;
use wire::Wire;

/// The service of another host. Cheap to clone.
#[derive(Clone)]
pub struct RemoteService {
    wire: Wire,
    /// Executions that were started from here, and that nobody has watched yet: all that they do is news.
    started: Arc<Mutex<BTreeSet<ExecutionId>>>,
}

impl fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteService").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl RemoteService {
    /// The service of the host at `connection`. Nothing is sent yet; [`who_am_i`](crate::service::AccessVerbs::who_am_i) tells whether it is there
    /// and takes the key.
    ///
    /// # Errors
    /// When the key is none that could be sent, or a file of certificates cannot be used.
    pub fn new(connection: ServerConnection, settings: ClientSettings) -> Result<Self, ServiceError> {
        Ok(Self { wire: Wire::new(connection, settings)?, started: Arc::default() })
    }

    /// Where the host is.
    pub fn address(&self) -> &str {
        self.wire.address.as_str()
    }

    /// Asks for a verb.
    ///
    /// # Errors
    /// What the host refuses, and what fails on the way to it.
    pub async fn call<V: Verb>(&self, params: V::Params) -> Result<V::Output, ServiceError> {
        let params = serde_json::to_value(params)
            .map_err(|error| ServiceError::usage(format!("the parameters cannot be sent: {error}")))?;
        self.json(&Ask::verb(&V::ABOUT, params)?).await
    }

    async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ServiceError> {
        let (headers, body) = self.wire.fetch(ask).await?;
        if problem::media_type(&headers) != "application/json" {
            return Err(problem::no_server(&self.wire.address, &headers));
        }
        self.read(ask, &body)
    }

    fn read<T: DeserializeOwned>(&self, ask: &Ask, body: &[u8]) -> Result<T, ServiceError> {
        serde_json::from_slice(body).map_err(|error| problem::unreadable(&self.wire.address, ask.name, &error))
    }

    /// Notes what was started from here.
    fn started(&self, exec_id: &str) -> Result<ExecutionId, ServiceError> {
        let id = self.id(exec_id)?;
        lock(&self.started).insert(id);
        Ok(id)
    }

    /// An identifier that the server named.
    fn id(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        text.parse().map_err(|_| ServiceError::state(format!("the server at {} names what is no execution", self.address())))
    }
}
