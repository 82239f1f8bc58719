//! A model provider on the loopback interface, for tests of the whole: a real HTTP server that speaks the protocols, says what the test has
//! scripted, misbehaves where the script says so, and keeps everything that it was asked.
//!
//! | protocol | path | base URL |
//! |---|---|---|
//! | OpenAI Chat, and all that are compatible with it | `/v1/chat/completions` | [`Provider::openai`] |
//! | OpenAI Responses | `/v1/responses` | [`Provider::openai`] |
//! | Anthropic Messages | `/v1/messages` | [`Provider::anthropic`] |
//! | Gemini | `/v1beta/models/<model>:generateContent`, `:streamGenerateContent` | [`Provider::gemini`] |
//!
//! One script serves all of them, whole and as streams, whichever the request asks for. Lists of models (`GET …/models`) are answered beside
//! the script.
//!
//! ```no_run
//! use kitaru_tests::provider::{Provider, Reaction};
//!
//! let provider = Provider::answering([Reaction::text("An outline."), Reaction::status(429).header("retry-after", "0")]);
//! let base = provider.openai(); // http://127.0.0.1:<port>/v1
//! // … the host runs a flow …
//! assert_eq!(provider.calls()[0].received.model(), "gpt-4o-mini");
//! ```

mod gate;
mod protocol;
mod reaction;
mod received;
mod serve;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::serve::ListenerExt as _;
use tokio::runtime::Runtime;

pub use gate::Gate;
pub use protocol::Protocol;
pub use reaction::{Finish, Reaction};
pub use received::{Ending, Exchange, Received};

use crate::until;
use serve::{Script, Shared, answer, lock};

/// What the list of models has, if nothing else is said.
const MODELS: [&str; 3] = ["gpt-4o-mini", "claude-3-5-haiku-latest", "gemini-2.0-flash"];

/// A provider that runs until it is dropped. It is for tests that are not async themselves.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    queue: Arc<Mutex<VecDeque<Reaction>>>,
    runtime: Option<Runtime>,
}

impl Provider {
    /// A provider with these reactions, one for each call, in the order in which calls come. A call for which there is none is refused with
    /// status 400, which nobody tries again.
    pub fn answering(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        let queue = Arc::new(Mutex::new(reactions.into_iter().collect::<VecDeque<_>>()));
        let rest = Arc::clone(&queue);
        let script = move |received: &Received| {
            let next = lock(&rest).pop_front();
            next.unwrap_or_else(|| {
                Reaction::status(400).body(format!(
                    r#"{{"error":{{"message":"nothing is scripted for request {}","type":"invalid_request_error"}}}}"#,
                    received.number
                ))
            })
        };
        Self::start(Box::new(script), queue)
    }

    /// A provider that reacts to each call as a function says.
    pub fn reacting(script: impl FnMut(&Received) -> Reaction + Send + 'static) -> Self {
        Self::start(Box::new(script), Arc::default())
    }

    fn start(script: Script, queue: Arc<Mutex<VecDeque<Reaction>>>) -> Self {
        let models = Mutex::new(MODELS.map(str::to_owned).to_vec());
        let shared = Arc::new(Shared { script: Mutex::new(script), exchanges: Mutex::default(), models });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port of the loopback interface");
        let address = listener.local_addr().expect("a bound listener has an address");
        // Each piece is a packet of its own.
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        let asked = Arc::clone(&shared);
        let router = axum::Router::new().fallback(move |request: Request| answer(Arc::clone(&asked), request));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, shared, queue, runtime: Some(runtime) }
    }

    /// Adds a reaction to those of [`Provider::answering`].
    pub fn then(&self, reaction: Reaction) {
        lock(&self.queue).push_back(reaction);
    }

    /// How many reactions are left.
    pub fn left(&self) -> usize {
        lock(&self.queue).len()
    }

    /// The models that lists of models have.
    pub fn set_models(&self, models: &[&str]) {
        *lock(&self.shared.models) = models.iter().map(|model| (*model).to_owned()).collect();
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for OpenAI's protocols.
    pub fn openai(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The base URL for Anthropic's.
    pub fn anthropic(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL for Gemini's.
    pub fn gemini(&self) -> String {
        format!("http://{}/v1beta", self.address)
    }

    /// Everything that it was asked so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared.exchanges).clone()
    }

    /// The model calls among it.
    pub fn calls(&self) -> Vec<Exchange> {
        self.exchanges().into_iter().filter(|exchange| exchange.received.protocol.is_some()).collect()
    }

    /// Waits until it was asked so many model calls, and gives them.
    #[track_caller]
    pub fn until_called(&self, times: usize) -> Vec<Exchange> {
        until(&format!("{times} model calls"), || Some(self.calls()).filter(|calls| calls.len() >= times))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits until the port is free, and for nobody who holds on.
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}
