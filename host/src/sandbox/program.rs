//! A component, compiled, checked and asked for its manifest.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::bindings::{Flow, FlowPre};
use super::code_cache::Kind;
use super::error::ComponentError;
use super::manifest::Manifest;
use super::prepared::{Compiled, Prepared, World};
use super::runtime::{Allocator, Sandbox};
use super::state::HostState;
use super::{imports, instance};
use crate::ids::ComponentDigest;

/// A component that can run: one compiled module for all its instances.
pub struct Program {
    pub(super) sandbox: Arc<Sandbox>,
    prepared: Prepared<FlowPre<HostState>>,
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
        let compiled = Compiled::new(sandbox, bytes).await?;
        let (digest, engine) = (compiled.digest, &compiled.allocator.engine);
        imports::check(engine, &compiled.component, &imports::FLOW)?;
        let imports = imports::names(engine, &compiled.component);
        let prepared = Prepared::new(&compiled).map_err(ComponentError::Shape)?;
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.manifest(digest, Kind::Manifest));
        let manifest = match cached {
            Some(text) => Manifest::parse(&text)?,
            None => {
                let text = instance::describe(sandbox, &prepared).await?;
                let manifest = Manifest::parse(&text)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store_manifest(digest, Kind::Manifest, &text);
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

    /// Memory and tables that an instance begins with, in bytes.
    pub fn initial_bytes(&self) -> u64 {
        self.prepared.initial_bytes
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

impl World for FlowPre<HostState> {
    type Instance = Flow;

    fn linker(allocator: &Allocator) -> wasmtime::Result<&Linker<HostState>> {
        Ok(&allocator.linker)
    }

    fn linked(pre: InstancePre<HostState>) -> wasmtime::Result<Self> {
        Self::new(pre)
    }

    fn pre(&self) -> &InstancePre<HostState> {
        self.instance_pre()
    }

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<Flow> {
        self.instantiate_async(store).await
    }
}
