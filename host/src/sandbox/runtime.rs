//! The engine configuration that all instances share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use super::ceiling::Ceiling;
use super::code_cache::{CodeCache, Kind};
use super::deadline::Ticker;
use super::error::{ComponentError, PrivateFolder, SandboxError};
use super::grants::Grants;
use super::limits::POOLED_TABLE_ELEMENTS;
use super::manifest::Manifest;
use super::stack::Stack;
use super::state::HostState;
use super::{host, middleware};
use crate::ids::ComponentDigest;
use crate::isolation::Walls;

/// Instances that are kept ready at a time: flows that compute or wait in memory, and bodies that run. More get theirs from the system.
const POOLED: u32 = 1_000;
/// Core instances, memories and tables of a component that the pool has room for; others get their instances from the system. A component
/// in Rust has four core instances, one memory and two tables.
const PARTS: [u32; 3] = [12, 2, 3];

/// So many bytes of a table stay with the pool when an instance ends.
const KEPT_OF_TABLE: usize = 64 * 1024;

/// An engine, and what it links. Compiled code is the same for all of them: they differ in where instances get their memory.
pub(super) struct Allocator {
    pub(super) engine: Engine,
    /// What flows are linked with.
    pub(super) linker: Linker<HostState>,
    /// What middleware is linked with; made when the first is loaded.
    middleware: OnceLock<Linker<HostState>>,
}

/// How an engine makes code. What flows can see of it is the same however it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    /// Whether Cranelift optimises.
    pub(super) optimises: bool,
    /// How much stack instances have.
    pub(super) stack: Stack,
    /// Instances that the pool has room for. With 0 there is no pool, and all get their memory from the system.
    pub(super) pooled: u32,
    /// Whether an instance that is ended leaves behind what was in its memory.
    #[cfg(feature = "observe")]
    pub(super) leaves_memory: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            optimises: true,
            stack: Stack::default(),
            pooled: POOLED,
            #[cfg(feature = "observe")]
            leaves_memory: false,
        }
    }
}

impl Allocator {
    fn new(strategy: InstanceAllocationStrategy, tuning: Tuning) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(strategy, tuning))?;
        let mut linker = Linker::new(&engine);
        host::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker, middleware: OnceLock::new() })
    }

    /// What middleware is linked with.
    pub(super) fn middleware_linker(&self) -> wasmtime::Result<&Linker<HostState>> {
        if let Some(linker) = self.middleware.get() {
            return Ok(linker);
        }
        let mut linker = Linker::new(&self.engine);
        middleware::add_to_linker(&mut linker)?;
        Ok(self.middleware.get_or_init(|| linker))
    }
}

/// Everything that is set up once per process: engines, linkers, cache of compiled code.
pub struct Sandbox {
    /// Where the machine has the address space for it.
    pooled: Option<Allocator>,
    on_demand: OnceLock<Allocator>,
    pub(super) cache: Option<CodeCache>,
    pub(super) ticker: Ticker,
    private: Option<PathBuf>,
    tuning: Tuning,
    /// What is left to a process that has given its own rights away.
    pub(super) walls: OnceLock<Walls>,
    ceiling: Ceiling,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Instances that get their memory from the pool.
    pub const POOLED: usize = POOLED as usize;

    /// Sets the sandbox up. Compiled code is kept in the folder `cache` of `private`, whose key is `fresh` if the folder is new; a cache that
    /// cannot be used is done without. No guest is ever given `private`, nor what is in it or around it.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn new(private: Option<&Path>, fresh: [u8; 32]) -> Result<Arc<Self>, SandboxError> {
        Self::tuned(private, fresh, Tuning::default())
    }

    /// The same with stacks of another size.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn with_stack(private: Option<&Path>, fresh: [u8; 32], stack: Stack) -> Result<Arc<Self>, SandboxError> {
        Self::tuned(private, fresh, Tuning { stack, ..Tuning::default() })
    }

    /// The same with engines that make their code in another way, and with a pool of another size.
    pub(super) fn tuned(private: Option<&Path>, fresh: [u8; 32], tuning: Tuning) -> Result<Arc<Self>, SandboxError> {
        let strategy = (tuning.pooled > 0).then(|| InstanceAllocationStrategy::Pooling(pool(tuning.pooled)));
        let pool = strategy.map(|strategy| Allocator::new(strategy, tuning));
        let pooled = pool.and_then(|pool| pool.inspect_err(|error| tracing::debug!(%error, "no pool of instances")).ok());
        let on_demand = OnceLock::new();
        let engine = match &pooled {
            Some(pooled) => &pooled.engine,
            None => {
                let allocator = Allocator::new(InstanceAllocationStrategy::OnDemand, tuning).map_err(SandboxError::Engine)?;
                &on_demand.get_or_init(|| allocator).engine
            }
        };
        let cache = private.map(|private| private.join("cache")).and_then(|folder| {
            CodeCache::open(&folder, engine, fresh)
                .inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "no cache of compiled code"))
                .ok()
        });
        let ticker = Ticker::start(engine).map_err(SandboxError::Ticker)?;
        let private = private.map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        let (walls, ceiling) = (OnceLock::new(), Ceiling::default());
        Ok(Arc::new(Self { pooled, on_demand, cache, ticker, private, tuning, walls, ceiling }))
    }

    /// How the engine is configured that instances come from as long as its pool has room: for whoever measures wasmtime by itself beside the host.
    pub fn configuration() -> Config {
        config(InstanceAllocationStrategy::Pooling(pool(POOLED)), Tuning::default())
    }

    /// The ceiling on the memory of all instances.
    pub fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    /// Where instances come from as long as there are any.
    pub(super) fn pooled(&self) -> Option<&Allocator> {
        self.pooled.as_ref()
    }

    /// An engine, to compile with.
    pub(super) fn any(&self) -> Result<&Allocator, ComponentError> {
        match &self.pooled {
            Some(pooled) => Ok(pooled),
            None => self.on_demand().map_err(ComponentError::Invalid),
        }
    }

    /// Where instances come from that the pool has no room for.
    pub(super) fn on_demand(&self) -> wasmtime::Result<&Allocator> {
        if let Some(allocator) = self.on_demand.get() {
            return Ok(allocator);
        }
        let allocator = Allocator::new(InstanceAllocationStrategy::OnDemand, self.tuning)?;
        Ok(self.on_demand.get_or_init(|| {
            self.ticker.watch(&allocator.engine);
            allocator
        }))
    }

    /// What a component said of itself when it was loaded here first, if that was ever.
    pub fn known_manifest(&self, digest: ComponentDigest) -> Option<Manifest> {
        let text = self.cache.as_ref()?.manifest(digest, Kind::Manifest)?;
        Manifest::parse(&text).ok()
    }

    /// Checks that no grant reaches the host's own data folder, where compiled code and its key, journals and answers lie.
    ///
    /// # Errors
    /// With the first grant that does.
    pub fn check_grants(&self, grants: &Grants) -> Result<(), PrivateFolder> {
        let Some(private) = &self.private else { return Ok(()) };
        for grant in grants.folders() {
            let granted = grant.host.canonicalize().unwrap_or_else(|_| grant.host.clone());
            if granted.starts_with(private) || private.starts_with(&granted) {
                return Err(PrivateFolder { granted, private: private.clone() });
            }
        }
        Ok(())
    }
}

/// A pool whose only limit that a component can meet is the number of instances: what else it could run out of is refused when the component
/// is loaded, so that no instance fails half way.
fn pool(pooled: u32) -> PoolingAllocationConfig {
    let [instances, memories, tables] = PARTS;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(pooled)
        .max_core_instances_per_component(instances)
        .total_core_instances(pooled * instances)
        .max_memories_per_component(memories)
        .total_memories(pooled * memories)
        .max_tables_per_component(tables)
        .max_tables_per_module(tables)
        .total_tables(pooled * tables)
        .table_elements(usize::try_from(POOLED_TABLE_ELEMENTS).unwrap_or(usize::MAX))
        // Cleared in place: giving a page of a table back costs more than all that a usual table has on it.
        .table_keep_resident(KEPT_OF_TABLE)
        .total_stacks(pooled)
        // What an instance has touched goes back to the system, every page: to find out which pages to clear in place, wasmtime would ask the
        // system, which does not tell of pages that were swapped out (bytecodealliance/wasmtime#14357).
        .decommit_batch_size(16);
    pool
}

fn config(strategy: InstanceAllocationStrategy, tuning: Tuning) -> Config {
    let mut config = Config::new();
    #[cfg(feature = "observe")]
    config.coredump_on_trap(tuning.leaves_memory);
    config
        .cranelift_opt_level(if tuning.optimises { OptLevel::Speed } else { OptLevel::None })
        .allocation_strategy(strategy)
        // Memories of more than 4 GiB would end in other ways in the pool and outside.
        .wasm_memory64(false)
        .wasm_component_model(true)
        // E6: the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .epoch_interruption(true)
        // A host thread is not touched by it.
        .max_wasm_stack(tuning.stack.of_guest())
        .async_stack_size(tuning.stack.in_all())
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}
