//! Who comes over the network, and what they may: API keys, short-lived tokens, sessions of browsers, links that answer one question, limits on
//! how often, and the record of who did what.
//!
//! [`Access`] turns what somebody brings along into a [`Caller`], or refuses it. What a caller may do is decided by whoever serves the verb, with
//! [`Caller::require`] and [`Scope::covers`]. Knows nothing of HTTP.
//!
//! - No secret is kept: of those that are random there is a SHA-256, tokens and links are signed with a key in a private file.
//! - Whatever rests on a key ends with it: each use of a token, a session or a link looks the key and its account up, and is allowed no more than
//!   they are at that moment.
//! - What is wrong with a credential is told to nobody: unknown, revoked and wrong are one answer, after the same work.

mod accounts;
mod answer_links;
mod api_keys;
mod audit;
mod authenticate;
mod caller;
mod credential;
mod error;
mod login_codes;
mod rate;
mod role;
mod sessions;
mod shares;
mod signed;
mod source;
#[cfg(test)]
mod tests;
mod throttle;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

pub use accounts::{Account, AccountUpdate, NewAccount};
pub use answer_links::{AnswerLink, MadeLink};
pub use api_keys::{ApiKey, MadeApiKey};
pub use audit::{AuditPage, AuditQuery, Note, Outcome};
pub use caller::{Caller, Via, Who};
pub use credential::{Credential, SessionId};
pub use error::{AccessError, Invalid, LinkProblem, Needs};
pub use login_codes::MadeLoginCode;
pub use role::{Role, UnknownRole};
pub use sessions::MadeSession;
pub use shares::{Full, Share, Shares};
pub use source::Source;
pub use tokens::{MadeToken, TokenRequest};

use crate::clock::{Clock, Timestamp};
use crate::ids::{Ids, StoreId};
use crate::mutex::lock;
pub use crate::scope::{InvalidScope, Scope};
use crate::store::Store;
use rate::Rates;
use signed::Signer;
use throttle::Throttle;

/// The file of the key that signs tokens and links.
const KEY_FILE: &str = "access.key";

/// Authenticates, and makes what others authenticate with. Cheap to clone; clones share what they count.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    key_file: PathBuf,
    /// Looked for when it is first needed.
    signer: OnceCell<Signer>,
    throttle: Mutex<Throttle>,
    rates: Mutex<Rates>,
    refusals: Mutex<audit::Refusals>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("key_file", &self.shared.key_file).finish_non_exhaustive()
    }
}

impl Access {
    /// For the store in the data folder `folder`. Nothing is read or made yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, folder: &Path) -> Self {
        let shared = Shared {
            store,
            clock,
            ids,
            key_file: folder.join(KEY_FILE),
            signer: OnceCell::new(),
            throttle: Mutex::default(),
            rates: Mutex::default(),
            refusals: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// From now on each caller may make so many requests per second for long, and three times as many at once.
    pub fn limit_requests(&self, per_second: u32) {
        lock(&self.shared.rates).set(per_second);
    }

    fn store(&self) -> &dyn Store {
        self.shared.store.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// What signs here. The key is made by whoever needs it first.
    async fn signer(&self) -> Result<&Signer, AccessError> {
        let found = self.shared.signer.get_or_try_init(async || {
            let store: StoreId = self.store().store_id().await?;
            let file = self.shared.key_file.clone();
            let made = tokio::task::spawn_blocking(move || Signer::from_file(&file, store)).await;
            made.map_err(|error| AccessError::Interrupted(Box::new(error)))?
        });
        found.await
    }
}
