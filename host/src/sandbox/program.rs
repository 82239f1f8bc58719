//! A component, compiled, checked and asked for its manifest.

use std::sync::Arc;

use wasmtime::component::Component;

use super::bindings::FlowPre;
use super::error::ComponentError;
use super::imports;
use super::manifest::Manifest;
use super::runtime::Sandbox;
use super::state::HostState;
use crate::ids::ComponentDigest;

/// A component that can run: one compiled module for all its instances.
pub struct Program {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) pre: FlowPre<HostState>,
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
        let engine = &sandbox.engine;
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.load(engine, digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let component = Component::from_binary(engine, bytes).map_err(ComponentError::Invalid)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store(digest, &component);
                }
                component
            }
        };
        imports::check(engine, &component)?;
        let imports = imports::names(engine, &component);
        let pre = sandbox.linker.instantiate_pre(&component).and_then(FlowPre::new).map_err(ComponentError::Shape)?;
        let cached = sandbox.cache.as_ref().and_then(|cache| cache.manifest(digest));
        let manifest = match cached {
            Some(text) => Manifest::parse(&text)?,
            None => {
                let text = super::instance::describe(sandbox, &pre).await?;
                let manifest = Manifest::parse(&text)?;
                if let Some(cache) = &sandbox.cache {
                    cache.store_manifest(digest, &text);
                }
                manifest
            }
        };
        Ok(Self { sandbox: sandbox.clone(), pre, digest, manifest, imports, size: bytes.len() as u64 })
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

    #[test]
    fn headers() {
        assert!(matches!(check_header(b""), Err(ComponentError::Empty)));
        assert!(matches!(check_header(b"\x7fELF...."), Err(ComponentError::NotWasm)));
        assert!(matches!(check_header(b"\0asm"), Err(ComponentError::NotWasm)));
        assert!(matches!(check_header(&wat::parse_str("(module)").unwrap()), Err(ComponentError::CoreModule)));
        assert!(check_header(&wat::parse_str("(component)").unwrap()).is_ok());
    }
}
