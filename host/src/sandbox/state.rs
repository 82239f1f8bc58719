//! What belongs to one instance: its scope, its WASI, its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::audit::Audit;
use super::ceiling::Seat;
use super::cpu::CpuTime;
use super::deadline::Ticking;
use super::determinism::Entropy;
use super::folders::Files;
use super::limiter::InstanceLimiter;
use super::limits::Limits;
use super::middleware::MiddlewarePort;
use super::network::NetPolicy;
use super::port::{CheckpointPort, FlowPort, LogSink, ModelSpan, ModelStream, Scope};
use super::requests::HttpState;
use super::secrets::Secrets;
use super::stdio::LogBudget;

/// What an instance has of the world outside, and where it is noted what becomes of that.
pub(super) struct Capabilities {
    pub(super) network: Arc<NetPolicy>,
    pub(super) files: Files,
    pub(super) http: HttpState,
    pub(super) secrets: Arc<Secrets>,
    pub(super) audit: Audit,
}

impl Capabilities {
    /// None at all.
    pub(super) fn none(limits: &Limits) -> Self {
        let audit = Audit::default();
        Self {
            network: Arc::new(NetPolicy::new(&[], &audit)),
            files: Files::none(limits),
            http: HttpState::new(None),
            secrets: Arc::new(Secrets::new(&[], &audit)),
            audit,
        }
    }
}

/// What makes an instance what it is.
pub(super) struct Fresh {
    pub(super) port: Port,
    pub(super) wasi: WasiCtx,
    pub(super) entropy: Option<Entropy>,
    pub(super) limits: Limits,
    pub(super) log: Arc<dyn LogSink>,
    pub(super) capabilities: Capabilities,
    /// Its place among all instances.
    pub(super) seat: Seat,
    pub(super) deadline: Instant,
}

/// Where the calls of an instance go.
pub(super) enum Port {
    Flow(Box<dyn FlowPort>),
    Checkpoint(Box<dyn CheckpointPort>),
    Middleware(Box<MiddlewarePort>),
    Describe,
}

/// A call under way, as the guest holds it.
#[expect(unreachable_pub, reason = "the generated bindings name it in what they re-export")]
pub struct PendingCall {
    /// Its call index.
    pub(super) index: u32,
}

/// An answer in pieces, as the guest holds it. Empty once it has ended.
#[expect(unreachable_pub, reason = "the generated bindings name it in what they re-export")]
pub struct OpenStream(pub(super) Option<Pieces>);

/// Where the pieces of an answer come from.
pub(super) enum Pieces {
    /// The model, as it writes.
    Live(Box<dyn ModelStream>),
    /// The record of a durable call: the pieces that are left, the last one first, and the whole.
    Recorded { left: Vec<String>, whole: String },
}

/// A call of a model that the guest makes by itself. Empty once it has ended.
#[expect(unreachable_pub, reason = "the generated bindings name it in what they re-export")]
pub struct OpenSpan(pub(super) Option<Box<dyn ModelSpan>>);

/// The data of one instance's store.
pub(super) struct HostState {
    pub(super) port: Port,
    pub(super) wasi: WasiCtx,
    /// What a flow draws; a checkpoint draws from the system.
    pub(super) entropy: Option<Entropy>,
    pub(super) table: ResourceTable,
    /// Calls under way.
    pub(super) pending: ResourceTable,
    /// Calls of models that have begun and not ended.
    pub(super) model_calls: usize,
    pub(super) limits: Limits,
    pub(super) limiter: InstanceLimiter,
    pub(super) log: Arc<dyn LogSink>,
    pub(super) budget: LogBudget,
    pub(super) network: Arc<NetPolicy>,
    /// Granted folders, and what is open in them.
    pub(super) files: Files,
    pub(super) http: HttpState,
    /// What it asked for of those that were granted.
    pub(super) secrets: Arc<Secrets>,
    /// What was used and denied.
    pub(super) audit: Audit,
    /// Look-ups of names that it has open.
    pub(super) lookups: usize,
    /// When the guest's present stretch of computing is over, whether it likes it or not.
    pub(super) deadline: Instant,
    /// What it has computed.
    pub(super) cpu: Arc<CpuTime>,
    /// The same at the last tick.
    pub(super) cpu_at_tick: Duration,
    /// Ticks in a row for which it has computed.
    pub(super) ticks_computed: u32,
    /// The same as `cpu` when the flow's present stretch began.
    pub(super) cpu_before: Duration,
    /// A stretch has begun since that was noted. Noted at the next tick, because asking the clock costs more than a served call.
    pub(super) is_new_stretch: bool,
    pub(super) _ticking: Ticking,
}

impl HostState {
    pub(super) fn scope(&self) -> Scope {
        match self.port {
            Port::Flow(_) => Scope::Flow,
            Port::Checkpoint(_) => Scope::Checkpoint,
            Port::Middleware(_) => Scope::Middleware,
            Port::Describe => Scope::Describe,
        }
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
