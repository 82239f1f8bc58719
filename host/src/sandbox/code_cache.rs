//! What is worked out about a component once and kept on disk: its compiled code and its manifest.
//!
//! Loading compiled code executes it, so a file counts only if this data folder made it: each begins with a keyed BLAKE3 of the rest, under
//! a random key that never leaves the folder (mode 0600). The key also covers engine version and settings, so that code for another engine
//! does not match. Whatever does not match is compiled again.

use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::ids::ComponentDigest;

/// What a file holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Code,
    /// What a flow component says of itself.
    Manifest,
    /// What middleware says of itself.
    Middleware,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Code => "cwasm",
            Self::Manifest => "manifest.json",
            Self::Middleware => "middleware.json",
        }
    }
}

/// A folder of compiled code.
#[derive(Debug)]
pub(super) struct CodeCache {
    folder: PathBuf,
    key: [u8; 32],
}

impl CodeCache {
    /// Opens the cache in `folder`, making it if need be. `fresh` is used as the key of a new folder.
    pub(super) fn open(folder: &Path, engine: &Engine, fresh: [u8; 32]) -> std::io::Result<Self> {
        create_private(folder)?;
        let path = folder.join("key");
        let secret = match fs::read(&path) {
            Ok(bytes) if bytes.len() == 32 => bytes,
            Ok(_) => replace(&path, &fresh).map(|()| fresh.to_vec())?,
            Err(error) if error.kind() == ErrorKind::NotFound => match write_new(&path, &fresh) {
                Ok(()) => fresh.to_vec(),
                // Another process was first, and its key is whole: a key gets its name when it is written.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::read(&path)?,
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let mut settings = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let mut key = blake3::Hasher::new_derive_key("kitaru-host 2026-11 compiled code");
        key.update(&secret).update(&settings.finish().to_le_bytes());
        Ok(Self { folder: folder.to_owned(), key: *key.finalize().as_bytes() })
    }

    fn path(&self, digest: ComponentDigest, kind: Kind) -> PathBuf {
        let tag = blake3::Hash::from_bytes(self.key).to_hex();
        self.folder.join(format!("{digest}-{}.{}", tag.get(..8).unwrap_or_default(), kind.extension()))
    }

    fn tag(&self, digest: ComponentDigest, kind: Kind, content: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(digest.as_bytes()).update(kind.extension().as_bytes()).update(&[0]).update(content);
        hasher.finalize()
    }

    fn read(&self, digest: ComponentDigest, kind: Kind) -> Option<Vec<u8>> {
        let mut file = fs::read(self.path(digest, kind)).ok()?;
        let (tag, content) = file.split_at_checked(32)?;
        let tag: [u8; 32] = tag.try_into().ok()?;
        // Comparing hashes of this type takes the same time wherever they differ.
        if blake3::Hash::from_bytes(tag) != self.tag(digest, kind, content) {
            tracing::warn!(%digest, "a file in the cache of compiled code is not ours; it is made again");
            return None;
        }
        file.drain(..32);
        Some(file)
    }

    /// A cache that cannot be written costs time and nothing else.
    fn write(&self, digest: ComponentDigest, kind: Kind, content: &[u8]) {
        let mut file = self.tag(digest, kind, content).as_bytes().to_vec();
        file.extend_from_slice(content);
        if let Err(error) = replace(&self.path(digest, kind), &file) {
            tracing::warn!(%digest, %error, "the cache of compiled code could not be written");
        }
    }

    /// What the component's `describe` returned: it is asked once.
    pub(super) fn manifest(&self, digest: ComponentDigest, kind: Kind) -> Option<String> {
        String::from_utf8(self.read(digest, kind)?).ok()
    }

    /// Keeps what the component's `describe` returned.
    pub(super) fn store_manifest(&self, digest: ComponentDigest, kind: Kind, manifest: &str) {
        self.write(digest, kind, manifest.as_bytes());
    }

    /// The compiled code of a component, if the cache has it.
    pub(super) fn code(&self, digest: ComponentDigest) -> Option<Code> {
        self.read(digest, Kind::Code).map(Code)
    }

    /// Keeps the compiled code of a component.
    pub(super) fn store(&self, digest: ComponentDigest, code: &[u8]) {
        self.write(digest, Kind::Code, code);
    }
}

/// Compiled code that is our own: an engine of this process made it, or the cache's key proves it.
pub(super) struct Code(Vec<u8>);

impl Code {
    /// What an engine of this process has written out.
    pub(super) fn of_this_process(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// The component, in an engine with the same settings; these may get their memory from different places.
    ///
    /// # Errors
    /// When the engine has no room for what the component is made of.
    #[expect(unsafe_code, reason = "the project's one exception: loading compiled code that is known to be our own")]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: there are two ways to get a `Code`. An engine of this process has made it a moment ago; or `read` has verified, with a key that
        // only this data folder knows, that these bytes came out of an engine with the same version and settings.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist_noclobber(path).map(drop).map_err(|error| error.error)
}

/// Writes beside and renames, so that nobody ever reads half a file.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_code_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let bytes = wat::parse_str("(component)").unwrap();
        let (digest, component) = (ComponentDigest::of(&bytes), Component::new(&engine, &bytes).unwrap());
        let cache = CodeCache::open(folder.path(), &engine, [1; 32]).unwrap();
        assert!(cache.code(digest).is_none());
        cache.store(digest, &component.serialize().unwrap());
        assert!(cache.code(digest).is_some());

        // The same folder later: the key stays, whatever fresh bytes are offered.
        assert!(CodeCache::open(folder.path(), &engine, [2; 32]).unwrap().code(digest).is_some());

        // A file that somebody else wrote, or changed.
        let path = cache.path(digest, Kind::Code);
        let mut file = fs::read(&path).unwrap();
        *file.last_mut().unwrap() ^= 1;
        fs::write(&path, &file).unwrap();
        assert!(cache.code(digest).is_none());
        fs::write(&path, component.serialize().unwrap()).unwrap();
        assert!(cache.code(digest).is_none());
        fs::write(&path, b"").unwrap();
        assert!(cache.code(digest).is_none());

        // The code of one component under the name of another.
        cache.store(digest, &component.serialize().unwrap());
        let other = ComponentDigest::of(b"other");
        fs::copy(&path, cache.path(other, Kind::Code)).unwrap();
        assert!(cache.code(other).is_none());

        // Something else of the same component.
        cache.store_manifest(digest, Kind::Manifest, "{}");
        assert_eq!(cache.manifest(digest, Kind::Manifest).as_deref(), Some("{}"));
        assert!(cache.manifest(digest, Kind::Middleware).is_none());
        fs::copy(cache.path(digest, Kind::Manifest), &path).unwrap();
        assert!(cache.code(digest).is_none());
        cache.store(digest, &component.serialize().unwrap());

        // Another engine.
        let slower = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        assert!(CodeCache::open(folder.path(), &slower, [1; 32]).unwrap().code(digest).is_none());
    }
}
