//! A component that is compiled, linked and ready to be instantiated, whichever of our worlds it is of.

use std::future::Future;
use std::sync::OnceLock;

use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::code_cache::Code;
use super::error::ComponentError;
use super::limits::POOLED_TABLE_ELEMENTS;
use super::runtime::{Allocator, Sandbox};
use super::state::HostState;
use super::{complexity, instance};
use crate::ids::ComponentDigest;

/// Components that are compiled at a time, by all of the process. Each takes as many threads as the machine has, and up to some hundred megabytes: many
/// that come together, over the network say, must not take that much each.
const AT_A_TIME: usize = 2;
static COMPILING: Semaphore = Semaphore::const_new(AT_A_TIME);

/// A component as code, in the engine that its instances come from.
pub(super) struct Compiled<'a> {
    pub(super) digest: ComponentDigest,
    pub(super) component: Component,
    pub(super) allocator: &'a Allocator,
}

impl<'a> Compiled<'a> {
    /// Compiles a component, or takes it from the cache. Compiling occupies the calling thread, after those that came before.
    pub(super) async fn new(sandbox: &'a Sandbox, bytes: &[u8]) -> Result<Self, ComponentError> {
        check_header(bytes)?;
        let digest = ComponentDigest::of(bytes);
        let cached = || {
            let code = sandbox.cache.as_ref().and_then(|cache| cache.code(digest))?;
            let loaded = loaded(sandbox, &code);
            loaded.inspect_err(|error| tracing::warn!(%error, "compiled code in the cache is unusable; compiling again")).ok()
        };
        if let Some((component, allocator)) = cached() {
            return Ok(Self { digest, component, allocator });
        }
        complexity::check(bytes)?;
        // Nobody closes it.
        let _turn = COMPILING.acquire().await.ok();
        // Whoever was before may have compiled the same.
        let (component, allocator) = match cached() {
            Some(loaded) => loaded,
            None => {
                let code = sandbox.any()?.engine.precompile_component(bytes).map_err(ComponentError::Invalid)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store(digest, &code);
                }
                loaded(sandbox, &Code::of_this_process(code)).map_err(ComponentError::Invalid)?
            }
        };
        Ok(Self { digest, component, allocator })
    }
}

/// What components of one of our worlds have in common: a component that is linked, and whose exports were found.
pub(super) trait World: Sized {
    /// An instance with its exports.
    type Instance;

    /// What such components are linked with.
    fn linker(allocator: &Allocator) -> wasmtime::Result<&Linker<HostState>>;
    /// Finds the exports.
    fn linked(pre: InstancePre<HostState>) -> wasmtime::Result<Self>;
    /// What is linked.
    fn pre(&self) -> &InstancePre<HostState>;
    /// A fresh instance.
    fn instantiate(&self, store: &mut Store<HostState>) -> impl Future<Output = wasmtime::Result<Self::Instance>> + Send;
}

/// A component that is ready to be instantiated.
pub(super) struct Prepared<W> {
    /// From the pool, where that has room for its parts.
    world: W,
    /// For instances that the pool has no room for.
    overflow: OnceLock<W>,
    /// Memory and tables that an instance begins with, in bytes.
    pub(super) initial_bytes: u64,
}

impl<W: World> Prepared<W> {
    /// Links a component.
    pub(super) fn new(compiled: &Compiled<'_>) -> wasmtime::Result<Self> {
        let world = link(compiled.allocator, &compiled.component)?;
        Ok(Self { world, overflow: OnceLock::new(), initial_bytes: initial_bytes(&compiled.component) })
    }

    /// A fresh instance, with `state`. Where the pool is exhausted it gets its memory from the system, which takes longer.
    pub(super) async fn instantiate(
        &self,
        sandbox: &Sandbox,
        state: HostState,
    ) -> (Store<HostState>, wasmtime::Result<W::Instance>) {
        // A table of the pool cannot grow to more than it was made for.
        if state.limits.table_elements > POOLED_TABLE_ELEMENTS {
            return self.instantiate_outside(sandbox, state).await;
        }
        let mut store = instance::store(self.world.pre().engine(), state);
        let instance = self.world.instantiate(&mut store).await;
        match instance {
            // Nothing of it has run: the pool counts whole components first.
            Err(error) if error.is::<PoolConcurrencyLimitError>() => self.instantiate_outside(sandbox, store.into_data()).await,
            instance => (store, instance),
        }
    }

    /// The same, with memory from the system.
    async fn instantiate_outside(
        &self,
        sandbox: &Sandbox,
        state: HostState,
    ) -> (Store<HostState>, wasmtime::Result<W::Instance>) {
        let overflow = match self.overflow(sandbox) {
            Ok(overflow) => overflow,
            Err(error) => return (instance::store(self.world.pre().engine(), state), Err(error)),
        };
        let mut store = instance::store(overflow.pre().engine(), state);
        let instance = overflow.instantiate(&mut store).await;
        (store, instance)
    }

    fn overflow(&self, sandbox: &Sandbox) -> wasmtime::Result<&W> {
        if let Some(overflow) = self.overflow.get() {
            return Ok(overflow);
        }
        let allocator = sandbox.on_demand()?;
        let code = Code::of_this_process(self.world.pre().component().serialize()?);
        let overflow = link(allocator, &code.load(&allocator.engine)?)?;
        Ok(self.overflow.get_or_init(|| overflow))
    }
}

/// Memory and tables that an instance begins with, in bytes; at least, where its modules are not its own.
fn initial_bytes(component: &Component) -> u64 {
    const PAGE: u64 = 64 * 1024;
    const ELEMENT: u64 = size_of::<usize>() as u64;
    let Some(needs) = component.resources_required() else { return PAGE };
    let memories = u64::from(needs.num_memories).saturating_mul(needs.max_initial_memory_size.unwrap_or(0));
    let tables = u64::from(needs.num_tables).saturating_mul(needs.max_initial_table_size.unwrap_or(0));
    memories.saturating_mul(PAGE).saturating_add(tables.saturating_mul(ELEMENT))
}

fn link<W: World>(allocator: &Allocator, component: &Component) -> wasmtime::Result<W> {
    W::linked(W::linker(allocator)?.instantiate_pre(component)?)
}

/// The component in the engine whose instances come from the pool, or else in the other one: the code is the same, and the pool refuses a
/// component with more parts than it has room for.
fn loaded<'a>(sandbox: &'a Sandbox, code: &Code) -> wasmtime::Result<(Component, &'a Allocator)> {
    if let Some(pooled) = sandbox.pooled()
        && let Ok(component) = code.load(&pooled.engine)
    {
        return Ok((component, pooled));
    }
    let on_demand = sandbox.on_demand()?;
    Ok((code.load(&on_demand.engine)?, on_demand))
}

/// Tells the common mistakes apart by the first eight bytes: magic, version, layer (component model binary format, preamble).
fn check_header(bytes: &[u8]) -> Result<(), ComponentError> {
    match bytes {
        [] => Err(ComponentError::Empty),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(ComponentError::CoreModule),
        _ => Err(ComponentError::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Components that come together are compiled a few at a time; what is compiled already waits for nobody.
    #[tokio::test]
    async fn compiling_waits_for_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(Some(folder.path()), [7; 32]).unwrap();
        let component = |memories: usize| {
            let text =
                format!("(component (core module $m (memory 1)) {})", "(core instance (instantiate $m)) ".repeat(memories));
            wat::parse_str(text).unwrap()
        };
        let known = component(1);
        Compiled::new(&sandbox, &known).await.unwrap();
        let all = COMPILING.acquire_many(u32::try_from(AT_A_TIME).unwrap()).await.unwrap();
        Compiled::new(&sandbox, &known).await.unwrap();
        let new = component(2);
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), Compiled::new(&sandbox, &new)).await;
        assert!(waiting.is_err(), "it has no turn yet");
        drop(all);
        Compiled::new(&sandbox, &new).await.unwrap();
    }

    fn code(sandbox: &Sandbox, memories: usize) -> Code {
        let text = format!("(component (core module $m (memory 1)) {})", "(core instance (instantiate $m)) ".repeat(memories));
        let engine = &sandbox.any().unwrap().engine;
        Code::of_this_process(engine.precompile_component(&wat::parse_str(text).unwrap()).unwrap())
    }

    /// The same code runs in both engines, so that an instance can come from outside when the pool is exhausted.
    #[tokio::test]
    async fn a_component_that_the_pool_has_no_room_for_runs_outside_it() {
        let sandbox = Sandbox::new(None, [0; 32]).unwrap();
        let Some(pooled) = sandbox.pooled() else { return };
        let (small, large) = (code(&sandbox, 1), code(&sandbox, 3));
        let is_pooled = |code: &Code| std::ptr::eq(loaded(&sandbox, code).unwrap().1, pooled);
        assert!(is_pooled(&small) && !is_pooled(&large));
        for code in [&small, &large] {
            let engine = &sandbox.on_demand().unwrap().engine;
            let component = code.load(engine).unwrap();
            let mut store = Store::new(engine, ());
            store.set_epoch_deadline(1);
            wasmtime::component::Linker::new(engine).instantiate_async(&mut store, &component).await.unwrap();
        }
    }

    #[test]
    fn headers() {
        assert!(matches!(check_header(b""), Err(ComponentError::Empty)));
        assert!(matches!(check_header(b"\x7fELF...."), Err(ComponentError::NotWasm)));
        assert!(matches!(check_header(b"\0asm"), Err(ComponentError::NotWasm)));
        assert!(matches!(check_header(&wat::parse_str("(module)").unwrap()), Err(ComponentError::CoreModule)));
        assert!(check_header(&wat::parse_str("(component)").unwrap()).is_ok());
    }
}
