//! Who gets in, with what, and for how long.

mod credentials;
mod links;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::{Access, AccessError, AccountUpdate, Caller, MadeApiKey, NewAccount, Role, Scope, Source};
use crate::clock::{Clock, Timestamp};
use crate::ids::SystemIds;
use crate::secrets::ExposeSecret as _;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// Time that stands still until somebody moves it.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Access to a store of its own.
struct Scene {
    folder: TempDir,
    clock: Arc<Hands>,
    store: Arc<dyn Store>,
    access: Access,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(1_700_000_000_000_000)));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let access = Access::new(store.clone(), clock.clone(), Arc::new(SystemIds), folder.path());
        Self { folder, clock, store, access }
    }

    /// The same data folder after the host was started again: nothing is counted any more.
    fn restarted(&self) -> Access {
        Access::new(self.store.clone(), self.clock.clone(), Arc::new(SystemIds), self.folder.path())
    }

    fn pass(&self, seconds: u64) {
        let micros = i64::try_from(Duration::from_secs(seconds).as_micros()).unwrap();
        self.clock.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// An account with this role, and a key of it.
    async fn key(&self, name: &str, role: Role, scope: Scope) -> MadeApiKey {
        let new = NewAccount { name: name.into(), description: String::new(), role, scope };
        self.access.create_account(new).await.unwrap();
        self.access.create_api_key(name, "first", "").await.unwrap()
    }

    async fn bearer(&self, text: &str) -> Result<Caller, AccessError> {
        self.access.bearer(text, somewhere()).await
    }

    async fn update(&self, account: &str, update: AccountUpdate) {
        self.access.update_account(account, update).await.unwrap();
    }
}

fn somewhere() -> Source {
    Source::at([192, 0, 2, 7].into())
}

fn text(made: &MadeApiKey) -> &str {
    made.text.expose_secret()
}

#[track_caller]
fn unknown<T: std::fmt::Debug>(outcome: Result<T, AccessError>) {
    assert!(matches!(outcome, Err(AccessError::Unauthenticated)), "{outcome:?}");
}
