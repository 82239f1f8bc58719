//! The engine configuration that all instances share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine, WasmBacktraceDetails};

use super::code_cache::CodeCache;
use super::deadline::Ticker;
use super::error::{PrivateFolder, SandboxError};
use super::grants::Grants;
use super::host;
use super::state::HostState;

/// Everything that is set up once per process: engine, linker, cache of compiled code.
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) linker: Linker<HostState>,
    pub(super) cache: Option<CodeCache>,
    private: Option<PathBuf>,
    _ticker: Ticker,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets the sandbox up. Compiled code is kept in the folder `cache` of `private`, whose key is `fresh` if the folder is new; a cache that
    /// cannot be used is done without. No guest is ever given `private`, nor what is in it or around it.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn new(private: Option<&Path>, fresh: [u8; 32]) -> Result<Arc<Self>, SandboxError> {
        let engine = Engine::new(&config()).map_err(SandboxError::Engine)?;
        let mut linker = Linker::new(&engine);
        host::add_to_linker(&mut linker).map_err(SandboxError::Engine)?;
        let cache = private.map(|private| private.join("cache")).and_then(|folder| {
            CodeCache::open(&folder, &engine, fresh)
                .inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "no cache of compiled code"))
                .ok()
        });
        let ticker = Ticker::start(&engine).map_err(SandboxError::Ticker)?;
        let private = private.map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        Ok(Arc::new(Self { engine, linker, cache, private, _ticker: ticker }))
    }

    /// Checks that no grant reaches the host's own data folder, where compiled code and its key, journals and answers lie.
    ///
    /// # Errors
    /// With the first grant that does.
    pub fn check_grants(&self, grants: &Grants) -> Result<(), PrivateFolder> {
        let Some(private) = &self.private else { return Ok(()) };
        for grant in grants.read.iter().chain(&grants.write) {
            let granted = grant.host.canonicalize().unwrap_or_else(|_| grant.host.clone());
            if granted.starts_with(private) || private.starts_with(&granted) {
                return Err(PrivateFolder { granted, private: private.clone() });
            }
        }
        Ok(())
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // E6: the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .epoch_interruption(true)
        // Interpreted guests (QuickJS, CPython) recurse deeply in wasm; a host thread is not touched by it.
        .max_wasm_stack(2 << 20)
        .async_stack_size(3 << 20)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}
