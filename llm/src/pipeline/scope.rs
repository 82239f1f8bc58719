//! Scopes: what calls are nested in.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::call::merge_metadata;
use super::error::ScopeError;
use super::registrations::{Registrations, subscribers};
use super::runtime::{Emitter, Pipeline, end_time};
use crate::clock::Timestamp;
use crate::event::{Attributes, Category, Event, Kind, Phase, Profile};
use crate::mutex::lock;

tokio::task_local! {
    static CURRENT: ScopeStack;
}

/// A scope that is to be opened.
#[derive(Clone, Debug)]
pub struct NewScope {
    /// Its name.
    pub name: String,
    /// What kind of work it is.
    pub category: Category,
    /// What it is, for exactly the category `custom`.
    pub subtype: Option<String>,
    /// Its flags.
    pub attributes: Attributes,
    /// The scope around it, instead of the top of the stack.
    pub parent: Option<Uuid>,
    /// Its input, recorded as it is.
    pub input: Value,
    /// What there is to say about it.
    pub metadata: Value,
    /// When it began; none for now.
    pub at: Option<Timestamp>,
}

impl NewScope {
    /// A scope around nothing in particular.
    pub fn new(name: impl Into<String>, category: Category) -> Self {
        Self {
            name: name.into(),
            category,
            subtype: None,
            attributes: Attributes::none(),
            parent: None,
            input: Value::Null,
            metadata: Value::Null,
            at: None,
        }
    }
}

/// How a scope ends.
#[derive(Clone, Debug, Default)]
pub struct ScopeEnd {
    /// Its output, recorded as it is.
    pub output: Value,
    /// Laid over the metadata of its beginning, member by member.
    pub metadata: Map<String, Value>,
    /// When it ended; none for now. Never earlier than a microsecond after its beginning.
    pub at: Option<Timestamp>,
}

/// An open scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// Its identifier in events.
    pub uuid: Uuid,
    /// The scope around it; none at the top.
    pub parent: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What kind of work it is.
    pub category: Category,
    /// What it is, for exactly the category `custom`.
    pub subtype: Option<String>,
    /// Its flags.
    pub attributes: Attributes,
    /// What there is to say about it.
    pub metadata: Value,
    /// When it began.
    pub started_at: Timestamp,
}

impl Scope {
    fn event(&self, phase: Phase, timestamp: Timestamp, data: Value, metadata: Value) -> Event {
        let profile = self.subtype.clone().map(|subtype| Profile { subtype: Some(subtype), ..Profile::default() });
        let kind = Kind::Scope { phase, category: self.category.clone(), attributes: self.attributes.clone() };
        Event {
            uuid: self.uuid,
            parent: self.parent,
            timestamp,
            name: self.name.clone(),
            kind,
            profile,
            data,
            data_schema: None,
            metadata,
        }
    }
}

struct OpenScope {
    scope: Scope,
    registrations: Arc<Registrations>,
}

/// The open scopes of one run, innermost last. Cheap to clone; clones are the same stack. Tasks that run side by side take a
/// [`fork`](Self::fork) each, as their scopes would end in no order.
#[derive(Clone)]
pub struct ScopeStack {
    pipeline: Pipeline,
    open: Arc<Mutex<Vec<Arc<OpenScope>>>>,
    /// How many of the open scopes another stack opened.
    inherited: usize,
}

impl ScopeStack {
    pub(super) fn new(pipeline: Pipeline) -> Self {
        Self { pipeline, open: Arc::default(), inherited: 0 }
    }

    /// The stack that the current task runs in, by [`enter`](Self::enter).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` with this as its current stack. Tasks that it spawns do not inherit it: they enter a clone or a fork.
    pub async fn enter<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// A stack of its own inside the scopes that are open now, with what is registered in them. It cannot end those.
    #[must_use]
    pub fn fork(&self) -> Self {
        let open = self.lock().clone();
        let inherited = open.len();
        Self { pipeline: self.pipeline.clone(), open: Arc::new(Mutex::new(open)), inherited }
    }

    /// The pipeline that it belongs to.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The innermost open scope.
    pub fn top(&self) -> Option<Scope> {
        self.lock().last().map(|open| open.scope.clone())
    }

    /// Opens a scope inside the innermost one, and records its start.
    ///
    /// # Errors
    ///
    /// [`ScopeError::Subtype`].
    pub fn push(&self, new: NewScope) -> Result<Scope, ScopeError> {
        let NewScope { name, category, subtype, attributes, parent, input, metadata, at } = new;
        if (category == Category::Custom) != subtype.is_some() {
            return Err(ScopeError::Subtype);
        }
        let (uuid, started_at) = (self.pipeline.uuid(), at.unwrap_or_else(|| self.pipeline.now()));
        let (emitter, scope) = {
            let mut open = self.lock();
            let parent = parent.or_else(|| open.last().map(|open| open.scope.uuid));
            let scope = Scope { uuid, parent, name, category, subtype, attributes, metadata, started_at };
            let emitter = self.emitter_of(&open);
            open.push(Arc::new(OpenScope { scope: scope.clone(), registrations: Arc::default() }));
            (emitter, scope)
        };
        emitter.emit(&scope.event(Phase::Start, started_at, input, scope.metadata.clone()));
        Ok(scope)
    }

    /// Ends the innermost scope, which must be `scope`, records its end and drops everything that is registered in it.
    ///
    /// # Errors
    ///
    /// [`ScopeError::NotAtTop`], [`ScopeError::NotFound`], [`ScopeError::Inherited`].
    pub fn pop(&self, scope: &Scope, end: ScopeEnd) -> Result<(), ScopeError> {
        let scope = scope.uuid;
        let (emitter, ended) = {
            let mut open = self.lock();
            let Some(at) = open.iter().position(|open| open.scope.uuid == scope) else {
                return Err(ScopeError::NotFound { scope });
            };
            if at < self.inherited {
                return Err(ScopeError::Inherited { scope });
            }
            let top = open.last().map_or(scope, |open| open.scope.uuid);
            if top != scope {
                return Err(ScopeError::NotAtTop { scope, top });
            }
            // Its own subscribers see its end too.
            let emitter = self.emitter_of(&open);
            let Some(ended) = open.pop() else { return Err(ScopeError::NotFound { scope }) };
            (emitter, ended)
        };
        let ScopeEnd { output, metadata, at } = end;
        let at = end_time(ended.scope.started_at, at, || self.pipeline.now());
        let metadata = merge_metadata(ended.scope.metadata.clone(), metadata);
        emitter.emit(&ended.scope.event(Phase::End, at, output, metadata));
        ended.registrations.end(scope);
        Ok(())
    }

    /// Ends all scopes that this stack opened, innermost first, because the run ended without doing so. `error_type` is recorded as the
    /// class of its error, if it is one.
    pub fn unwind(&self, error_type: Option<&str>) {
        loop {
            let top = {
                let open = self.lock();
                if open.len() <= self.inherited {
                    return;
                }
                open.last().map(|open| open.scope.clone())
            };
            let metadata = error_type.map(error_metadata).unwrap_or_default();
            // Somebody else may have ended it in between, which is as good.
            if let Some(top) = top {
                let _ = self.pop(&top, ScopeEnd { metadata, ..ScopeEnd::default() });
            }
        }
    }

    /// Records a mark in the innermost scope, now.
    pub fn mark(&self, name: impl Into<String>, data: Value, metadata: Value) {
        let (emitter, parent) = {
            let open = self.lock();
            (self.emitter_of(&open), open.last().map(|open| open.scope.uuid))
        };
        emitter.emit(&Event {
            uuid: emitter.uuid(),
            parent,
            timestamp: emitter.now(),
            name: name.into(),
            kind: Kind::Mark { category: None },
            profile: None,
            data,
            data_schema: None,
            metadata,
        });
    }

    /// What is registered in an open scope: it counts for calls inside the scope, and ends with it.
    ///
    /// # Errors
    ///
    /// [`ScopeError::NotFound`].
    pub fn registrations(&self, scope: Uuid) -> Result<Arc<Registrations>, ScopeError> {
        let open = self.lock();
        let found = open.iter().find(|open| open.scope.uuid == scope);
        found.map(|open| Arc::clone(&open.registrations)).ok_or(ScopeError::NotFound { scope })
    }

    /// Whose registrations count now, outermost first; the innermost scope; and the subscribers.
    pub(super) fn snapshot(&self) -> (Vec<Arc<Registrations>>, Option<Uuid>, Emitter) {
        let open = self.lock();
        (self.owners_of(&open), open.last().map(|open| open.scope.uuid), self.emitter_of(&open))
    }

    fn owners_of(&self, open: &[Arc<OpenScope>]) -> Vec<Arc<Registrations>> {
        let scopes = open.iter().map(|open| &open.registrations);
        std::iter::once(self.pipeline.registrations()).chain(scopes).cloned().collect()
    }

    fn emitter_of(&self, open: &[Arc<OpenScope>]) -> Emitter {
        Emitter { pipeline: self.pipeline.clone(), subscribers: subscribers(&self.owners_of(open)) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<OpenScope>>> {
        lock(&self.open)
    }
}

/// What the metadata of an end says of an error, which the event format itself has no word for.
pub(super) fn error_metadata(error_type: &str) -> Map<String, Value> {
    Map::from_iter([("error.type".to_owned(), json!(error_type)), ("otel.status_code".to_owned(), json!("ERROR"))])
}
