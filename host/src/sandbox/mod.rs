//! Wasmtime, and nothing else: compiles components, gives each instance what its scope may have, runs it and classifies how it ended.
//!
//! Knows nothing of storage. What a durable call does is decided behind the traits in `port`, which the engine implements; one file per
//! WIT interface in `host/` only decodes, asks and encodes. Keeps E6 (flow scope is deterministic) and the deny-by-default half of section 7
//! of the design: an instance has what its [`Grants`] say, and a flow has none.

mod addresses;
mod audit;
mod below;
mod bindings;
mod ceiling;
mod code_cache;
mod complexity;
mod confined;
mod cpu;
mod deadline;
mod determinism;
mod error;
mod fault;
mod folders;
mod grants;
mod host;
mod imports;
mod instance;
mod limiter;
mod limits;
mod manifest;
pub mod middleware;
mod network;
#[cfg(feature = "observe")]
mod observe;
mod port;
mod prepared;
mod private_folder;
mod program;
mod quota;
mod reached;
mod refused;
mod requests;
mod run;
mod runtime;
mod secrets;
mod stack;
mod state;
mod stdio;
mod turns;
mod wasi;

pub use audit::{Access, AccessKind, Audit, together};
pub use ceiling::{Ceiling, Entry, Held, InLine, NoRoom, Pausing, Relief, Role, Seat, WeakSeat};
pub use confined::OutsideWalls;
pub use error::{ComponentError, PrivateFolder, SandboxError};
pub use grants::{
    FolderGrant, GrantError, Grants, HttpScheme, ModelGrant, Narrowed, Need, NeedKind, Needs, NetGrant, PathPattern, Reach,
    RequestTarget, SecretGrant, UnusableFolder,
};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use host::fuzzing;
pub use imports::wasi_interfaces;
pub use instance::Ran;
pub use limits::{LimitChanges, Limits};
pub use manifest::{CheckpointInfo, CheckpointOptions, Effect, FlowInfo, FlowOptions, Manifest, ManifestError, OnUnknown};
#[cfg(feature = "observe")]
pub use observe::{AuditedEngine, Sight};
pub use port::{
    ArtifactValue, CheckpointPort, CheckpointRequest, ChildRequest, Current, FlowClock, FlowPort, LogSink, ModelSpan,
    ModelStream, OpenedSecret, Scope, Stop, Submitted, WaitRequest,
};
pub use program::Program;
pub use reached::{limits_reached, reached};
pub use run::{CheckpointRun, FlowRun};
pub use runtime::Sandbox;
pub use stack::{Stack, StackError};
