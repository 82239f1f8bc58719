//! What any call can be given.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::call::CallInfo;
use super::middleware::Payload;
use super::registrations::{Chains, Hooks, Registrations};
use super::scope::ScopeStack;
use crate::clock::Timestamp;
use crate::codec::{Codec, ResponseCodec};
use crate::event::{Attributes, Category, Subscriber};

/// What any call can be given.
#[derive(Clone, Default)]
pub struct CallOptions {
    /// The scope around it, instead of the innermost one of the stack.
    pub parent: Option<Uuid>,
    /// Its flags.
    pub attributes: Attributes,
    /// A payload of the caller, recorded at the end where there is no output.
    pub data: Value,
    /// What there is to say about it, recorded at both ends.
    pub metadata: Value,
    /// When it began, for a call that is recorded by hand; none for now.
    pub at: Option<Timestamp>,
    /// Its identifier in events, for one that is known beforehand; none for a fresh one. Whoever gives one gives it once.
    pub uuid: Option<Uuid>,
    /// What the caller's own middleware is to know of the call ([`CallInfo::attached`](super::CallInfo::attached)). Never recorded.
    pub attached: Option<Arc<dyn Any + Send + Sync>>,
    /// Receives the events of this call alone, after all subscribers that are registered.
    pub observer: Option<Arc<dyn Subscriber>>,
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("parent", &self.parent)
            .field("attributes", &self.attributes)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// How a call that is recorded by hand ends.
#[derive(Clone, Debug, Default)]
pub struct CallEnd {
    /// Recorded where there is no output, instead of the payload that the call began with.
    pub data: Option<Value>,
    /// Laid over the metadata of its beginning, member by member.
    pub metadata: Map<String, Value>,
    /// When it ended; none for now. Never earlier than a microsecond after its beginning.
    pub at: Option<Timestamp>,
    /// The class of the error, if it failed.
    pub error_type: Option<String>,
}

/// What a call is called, and what understands it.
pub(super) struct Naming {
    pub(super) name: String,
    pub(super) category: Category,
    pub(super) model_name: Option<String>,
    pub(super) tool_call_id: Option<String>,
    pub(super) codec: Option<Arc<dyn Codec>>,
    pub(super) response_codec: Option<Arc<dyn ResponseCodec>>,
}

/// What a call sees, and the owners of that.
pub(super) struct Begun<R: Payload> {
    pub(super) call: Arc<CallInfo>,
    pub(super) chains: Chains<R>,
    pub(super) owners: Vec<Arc<Registrations>>,
}

/// Takes the snapshot that a call lives with.
pub(super) fn begin<R: Payload>(
    stack: &ScopeStack,
    naming: Naming,
    options: &CallOptions,
    hooks: fn(&Registrations) -> &Hooks<R>,
) -> Begun<R> {
    let (owners, top, emitter) = stack.snapshot();
    let emitter = emitter.with_observer(options.observer.clone());
    let Naming { name, category, model_name, tool_call_id, codec, response_codec } = naming;
    let call = Arc::new(CallInfo {
        name,
        category,
        parent: options.parent.or(top),
        attributes: options.attributes.clone(),
        metadata: options.metadata.clone(),
        model_name,
        tool_call_id,
        codec,
        response_codec,
        attached: options.attached.clone(),
        wanted_uuid: options.uuid,
        emitter,
        begun: OnceLock::new(),
        notes: Mutex::default(),
    });
    Begun { call, chains: Chains::of(&owners, hooks), owners }
}
