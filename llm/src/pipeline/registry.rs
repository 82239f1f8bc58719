//! Registrations of one kind and one owner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use uuid::Uuid;

use super::error::RegistryError;

use crate::mutex::lock;

/// How something is registered.
#[derive(Clone, Debug)]
pub struct Registration {
    name: String,
    priority: i32,
    time_limit: Option<Duration>,
    breaks_chain: bool,
    version: Option<String>,
}

impl Registration {
    /// Under `name`, with a priority: lower ones run first (and so, around an execution, outermost). Equal ones run by the byte order
    /// of their names, those of the pipeline before those of a scope, and those of outer scopes before those of inner ones.
    pub fn new(name: impl Into<String>, priority: i32) -> Self {
        Self { name: name.into(), priority, time_limit: None, breaks_chain: false, version: None }
    }

    /// With a limit on the time of one evaluation. Time that an execution intercept spends in what comes after it does not count.
    ///
    /// Timers are those of Tokio: a call that meets a limit must be awaited in a Tokio runtime with time enabled.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// With a version: a number, or a digest of what it does. For records of what governed a call.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// For request intercepts: those that come later do not run.
    #[must_use]
    pub fn break_chain(mut self) -> Self {
        self.breaks_chain = true;
        self
    }
}

/// What is registered, with how.
pub(super) struct Registered<T: ?Sized> {
    pub(super) name: String,
    pub(super) priority: i32,
    pub(super) time_limit: Option<Duration>,
    pub(super) breaks_chain: bool,
    pub(super) version: Option<String>,
    /// Position among all registrations that were ever made.
    pub(super) order: u64,
    /// How often it failed where failures are only counted.
    pub(super) failures: AtomicU64,
    pub(super) item: Arc<T>,
}

impl<T: ?Sized> Registered<T> {
    /// What belongs to one call alone, after everything that is registered.
    pub(super) fn last(name: &str, item: Arc<T>) -> Self {
        Self {
            name: name.to_owned(),
            priority: i32::MAX,
            time_limit: None,
            breaks_chain: false,
            version: None,
            order: u64::MAX,
            failures: AtomicU64::new(0),
            item,
        }
    }
}

/// What one call sees of a kind of registrations, in order. Nothing that happens to the registries afterwards changes it.
pub(super) type Chain<T> = Arc<[Arc<Registered<T>>]>;

/// Registrations of one kind and one owner (the pipeline, or one scope), under unique names.
///
/// The lock is held for single operations on the list only, never while something that is registered runs: any callback may register
/// and deregister.
pub struct Registry<T: ?Sized> {
    state: Mutex<State<T>>,
}

struct State<T: ?Sized> {
    /// The scope that owned the registrations, once it has ended.
    ended: Option<Uuid>,
    entries: Vec<Arc<Registered<T>>>,
}

impl<T: ?Sized> Default for Registry<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { ended: None, entries: Vec::new() }) }
    }
}

static ORDER: AtomicU64 = AtomicU64::new(0);

impl<T: ?Sized> Registry<T> {
    /// Registers `item`. Calls that began before do not see it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::AlreadyExists`] if the name is taken, [`RegistryError::ScopeEnded`] if the owner has ended.
    pub fn register(&self, registration: Registration, item: Arc<T>) -> Result<(), RegistryError> {
        let Registration { name, priority, time_limit, breaks_chain, version } = registration;
        let mut state = self.lock();
        if let Some(scope) = state.ended {
            return Err(RegistryError::ScopeEnded { scope });
        }
        if state.entries.iter().any(|entry| entry.name == name) {
            return Err(RegistryError::AlreadyExists { name });
        }
        let order = ORDER.fetch_add(1, Ordering::Relaxed);
        let at = state.entries.partition_point(|entry| (entry.priority, &entry.name) < (priority, &name));
        let failures = AtomicU64::new(0);
        let entry = Registered { name, priority, time_limit, breaks_chain, version, order, failures, item };
        state.entries.insert(at, Arc::new(entry));
        Ok(())
    }

    /// Removes what is registered under `name`, and tells whether there was something. Calls that began before still see it.
    pub fn deregister(&self, name: &str) -> bool {
        let mut state = self.lock();
        let before = state.entries.len();
        state.entries.retain(|entry| entry.name != name);
        state.entries.len() < before
    }

    /// The names in order of priority.
    pub fn names(&self) -> Vec<String> {
        self.lock().entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// The names in order of priority, each with its version where it has one.
    pub fn versions(&self) -> Vec<(String, Option<String>)> {
        self.lock().entries.iter().map(|entry| (entry.name.clone(), entry.version.clone())).collect()
    }

    /// How often what is registered under `name` failed where failures are only counted (subscribers and sanitisers); none if there
    /// is no such name.
    pub fn failures(&self, name: &str) -> Option<u64> {
        let state = self.lock();
        state.entries.iter().find(|entry| entry.name == name).map(|entry| entry.failures.load(Ordering::Relaxed))
    }

    pub(super) fn entries(&self) -> Vec<Arc<Registered<T>>> {
        self.lock().entries.clone()
    }

    /// Drops everything and takes nothing any more.
    pub(super) fn end(&self, scope: Uuid) {
        let entries = {
            let mut state = self.lock();
            state.ended = Some(scope);
            std::mem::take(&mut state.entries)
        };
        // Outside the lock: dropping an item runs somebody else's code.
        drop(entries);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

/// Merges the registries of the pipeline and of all open scopes, outermost first, by priority.
pub(super) fn merge<'a, T: ?Sized + 'a>(registries: impl Iterator<Item = &'a Registry<T>>) -> Chain<T> {
    let mut entries: Vec<_> = registries.flat_map(Registry::entries).collect();
    entries.sort_by_key(|entry| entry.priority);
    entries.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chain: &Chain<str>) -> Vec<&str> {
        chain.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn order_is_priority_then_owner_then_name() {
        let (global, outer, inner) = (Registry::<str>::default(), Registry::default(), Registry::default());
        let add = |registry: &Registry<str>, name: &str, priority| {
            registry.register(Registration::new(name, priority), Arc::from("")).unwrap();
        };
        add(&inner, "a", 10);
        add(&outer, "b", 10);
        add(&global, "d", 10);
        add(&global, "c", 10);
        add(&global, "last", 11);
        add(&inner, "first", -1);
        assert_eq!(names(&merge([&global, &outer, &inner].into_iter())), ["first", "c", "d", "b", "a", "last"]);
    }

    #[test]
    fn names_are_unique_until_removed_and_an_ended_owner_takes_nothing() {
        let registry = Registry::<str>::default();
        let add = |name: &str| registry.register(Registration::new(name, 0), Arc::from(""));
        add("ri").unwrap();
        assert_eq!(add("ri").unwrap_err().to_string(), "already exists: `ri`");
        assert!(registry.deregister("ri"));
        assert!(!registry.deregister("ri"));
        add("ri").unwrap();
        registry.end(Uuid::nil());
        assert!(registry.names().is_empty());
        assert_eq!(add("x").unwrap_err(), RegistryError::ScopeEnded { scope: Uuid::nil() });
    }
}
