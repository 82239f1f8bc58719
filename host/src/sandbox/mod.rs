//! Wasmtime, and nothing else: compiles components, gives each instance what its scope may have, runs it and classifies how it ended.
//!
//! Knows nothing of storage. What a durable call does is decided behind the traits in `port`, which the engine implements; one file per
//! WIT interface in `host/` only decodes, asks and encodes. Keeps E6 (flow scope is deterministic) and the deny-by-default half of section 7
//! of the design: an instance has what its [`Grants`] say, and a flow has none.

mod bindings;
mod code_cache;
mod deadline;
mod determinism;
mod error;
mod grants;
mod host;
mod imports;
mod instance;
mod limits;
mod manifest;
pub mod middleware;
mod network;
mod port;
mod prepared;
mod program;
mod run;
mod runtime;
mod state;
mod stdio;
mod wasi;

pub use error::{ComponentError, PrivateFolder, SandboxError};
pub use grants::{FolderGrant, GrantError, Grants, ModelGrant, NetGrant};
pub use instance::Ran;
pub use limits::{LimitChanges, Limits};
pub use manifest::{CheckpointInfo, CheckpointOptions, Effect, FlowInfo, FlowOptions, Manifest, ManifestError, OnUnknown};
pub use port::{
    ArtifactValue, CheckpointPort, CheckpointRequest, ChildRequest, Current, Denials, FlowClock, FlowPort, LogSink, ModelSpan,
    ModelStream, Scope, Stop, Submitted, WaitRequest,
};
pub use program::Program;
pub use run::{CheckpointRun, FlowRun};
pub use runtime::Sandbox;
