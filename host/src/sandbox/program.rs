//! A component, compiled, checked and asked for its manifest.

use std::sync::{Arc, OnceLock};

use wasmtime::component::Component;
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::bindings::{Flow, FlowPre};
use super::code_cache::Code;
use super::error::ComponentError;
use super::manifest::Manifest;
use super::runtime::{Allocator, Sandbox};
use super::state::HostState;
use super::{imports, instance};
use crate::ids::ComponentDigest;

/// A component that can run: one compiled module for all its instances.
pub struct Program {
    pub(super) sandbox: Arc<Sandbox>,
    prepared: Prepared,
    digest: ComponentDigest,
    manifest: Manifest,
    imports: Vec<String>,
    size: u64,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles a component (or takes it from the cache), checks that this host can run it, and reads its manifest. Compiling occupies the
    /// calling thread.
    ///
    /// # Errors
    /// When the bytes are not a flow component that this host can run.
    pub async fn load(sandbox: &Arc<Sandbox>, bytes: &[u8]) -> Result<Self, ComponentError> {
        check_header(bytes)?;
        let digest = ComponentDigest::of(bytes);
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.code(digest));
        let cached = cached.and_then(|code| {
            let loaded = loaded(sandbox, &code);
            loaded.inspect_err(|error| tracing::warn!(%error, "compiled code in the cache is unusable; compiling again")).ok()
        });
        let (component, allocator) = match cached {
            Some(loaded) => loaded,
            None => {
                let code = sandbox.any()?.engine.precompile_component(bytes).map_err(ComponentError::Invalid)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store(digest, &code);
                }
                loaded(sandbox, &Code::of_this_process(code)).map_err(ComponentError::Invalid)?
            }
        };
        imports::check(&allocator.engine, &component)?;
        let imports = imports::names(&allocator.engine, &component);
        let pre = allocator.linker.instantiate_pre(&component).and_then(FlowPre::new).map_err(ComponentError::Shape)?;
        let prepared = Prepared { pre, overflow: OnceLock::new() };
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.manifest(digest));
        let manifest = match cached {
            Some(text) => Manifest::parse(&text)?,
            None => {
                let text = super::instance::describe(sandbox, &prepared).await?;
                let manifest = Manifest::parse(&text)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store_manifest(digest, &text);
                }
                manifest
            }
        };
        Ok(Self { sandbox: sandbox.clone(), prepared, digest, manifest, imports, size: bytes.len() as u64 })
    }

    /// A fresh instance, with `state`.
    pub(super) async fn instantiate(&self, state: HostState) -> (Store<HostState>, wasmtime::Result<Flow>) {
        self.prepared.instantiate(&self.sandbox, state).await
    }

    /// Its identity.
    pub fn digest(&self) -> ComponentDigest {
        self.digest
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The names of what it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Size of the component in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// A component that is ready to be instantiated.
pub(super) struct Prepared {
    /// From the pool, where that has room for its parts.
    pre: FlowPre<HostState>,
    /// For instances that the pool has no room for.
    overflow: OnceLock<FlowPre<HostState>>,
}

impl Prepared {
    /// A fresh instance, with `state`. Where the pool is exhausted it gets its memory from the system, which takes longer.
    pub(super) async fn instantiate(&self, sandbox: &Sandbox, state: HostState) -> (Store<HostState>, wasmtime::Result<Flow>) {
        let mut store = instance::store(self.pre.engine(), state);
        let instance = self.pre.instantiate_async(&mut store).await;
        match instance {
            // Nothing of it has run: the pool counts whole components first.
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                let state = store.into_data();
                let overflow = match self.overflow(sandbox) {
                    Ok(overflow) => overflow,
                    Err(error) => return (instance::store(self.pre.engine(), state), Err(error)),
                };
                let mut store = instance::store(overflow.engine(), state);
                let instance = overflow.instantiate_async(&mut store).await;
                (store, instance)
            }
            instance => (store, instance),
        }
    }

    fn overflow(&self, sandbox: &Sandbox) -> wasmtime::Result<&FlowPre<HostState>> {
        if let Some(overflow) = self.overflow.get() {
            return Ok(overflow);
        }
        let allocator = sandbox.on_demand()?;
        let code = Code::of_this_process(self.pre.instance_pre().component().serialize()?);
        let component = code.load(&allocator.engine)?;
        let overflow = allocator.linker.instantiate_pre(&component).and_then(FlowPre::new)?;
        Ok(self.overflow.get_or_init(|| overflow))
    }
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
