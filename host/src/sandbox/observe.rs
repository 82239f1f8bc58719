//! For the audit of determinism: engines with other settings, and what is in an instance's memory when a durable call ends it. And for tests of the
//! pool: one that is soon full, and how full it is.
//!
//! The memories of a component are its own, and no interface shows them. A core dump does: wasmtime attaches one to the error that ends an
//! instance, and it does so without other code, so that what is looked at is what runs otherwise. The debugger's interface shows them at any time, and
//! makes other code for it. So the audit runs a flow anew for each of its calls, and ends it there.

use std::path::Path;
use std::sync::Arc;

use wasmtime::{Store, Val, WasmCoreDump};

use super::error::SandboxError;
use super::instance::{Called, Ran};
use super::program::Program;
use super::run::FlowRun;
use super::runtime::{Sandbox, Tuning};
use super::state::HostState;

/// Settings of an engine that a flow must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditedEngine {
    /// Whether Cranelift optimises.
    pub optimises: bool,
    /// Whether instances get their memory from the pool; otherwise from the system.
    pub from_pool: bool,
}

/// What an instance had in it when it was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// BLAKE3 of all linear memories, in order, each with its size.
    pub memory: [u8; 32],
    /// BLAKE3 of the values of all globals that are numbers, in order.
    pub globals: [u8; 32],
    /// Bytes of memory that were looked at.
    pub bytes: u64,
}

impl Sandbox {
    /// A sandbox without a cache, on an engine with these settings, whose instances can be looked at.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly so.
    pub fn for_audit(settings: AuditedEngine) -> Result<Arc<Self>, SandboxError> {
        let usual = Tuning::default();
        let pooled = if settings.from_pool { usual.pooled } else { 0 };
        Self::tuned(None, [0; 32], Tuning { optimises: settings.optimises, leaves_memory: true, pooled, ..usual })
    }

    /// A sandbox like any other, whose pool has room for so many instances.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn with_pool_of(private: Option<&Path>, fresh: [u8; 32], instances: u32) -> Result<Arc<Self>, SandboxError> {
        Self::tuned(private, fresh, Tuning { pooled: instances, ..Tuning::default() })
    }

    /// How many instances have their memory from the pool now. None where there is no pool.
    pub fn pooled_now(&self) -> Option<u64> {
        Some(self.pooled()?.engine.pooling_allocator_metrics()?.component_instances())
    }
}

impl Program {
    /// Runs a flow as [`Program::run_flow`] does, and looks at what was in its instance if the host or a trap ended it. One that returned has
    /// nothing to look at.
    pub async fn run_flow_observed(&self, run: FlowRun) -> (Ran, Option<Sight>) {
        self.run_flow_and_look(run, look).await
    }
}

fn look(store: &mut Store<HostState>, called: &Called) -> Option<Sight> {
    let dump = called.as_ref().err()?.downcast_ref::<WasmCoreDump>()?;
    let (mut memory, mut globals, mut bytes) = (blake3::Hasher::new(), blake3::Hasher::new(), 0);
    for one in dump.memories() {
        let data = one.data(&*store);
        memory.update(&(data.len() as u64).to_le_bytes()).update(data);
        bytes += data.len() as u64;
    }
    for one in dump.globals() {
        let bits = match one.get(&mut *store) {
            Val::I32(value) => u128::from(value.cast_unsigned()),
            Val::I64(value) => u128::from(value.cast_unsigned()),
            Val::F32(bits) => u128::from(bits),
            Val::F64(bits) => u128::from(bits),
            Val::V128(value) => value.as_u128(),
            // References are addresses of the host's.
            _ => 0,
        };
        globals.update(&bits.to_le_bytes());
    }
    Some(Sight { memory: *memory.finalize().as_bytes(), globals: *globals.finalize().as_bytes(), bytes })
}
