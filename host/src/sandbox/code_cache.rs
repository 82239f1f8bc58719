//! Compiled code on disk, so that a component is compiled once per engine and not once per process.
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
                // Another process was first.
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

    fn path(&self, digest: ComponentDigest) -> PathBuf {
        let tag = blake3::Hash::from_bytes(self.key).to_hex();
        self.folder.join(format!("{digest}-{}.cwasm", tag.get(..8).unwrap_or_default()))
    }

    fn tag(&self, digest: ComponentDigest, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(digest.as_bytes()).update(code);
        hasher.finalize()
    }

    /// The compiled code of a component, if the cache has it.
    pub(super) fn load(&self, engine: &Engine, digest: ComponentDigest) -> Option<Component> {
        let file = fs::read(self.path(digest)).ok()?;
        let (tag, code) = file.split_at_checked(32)?;
        let tag: [u8; 32] = tag.try_into().ok()?;
        // Comparing hashes of this type takes the same time wherever they differ.
        if blake3::Hash::from_bytes(tag) != self.tag(digest, code) {
            tracing::warn!(%digest, "compiled code in the cache is not ours; compiling again");
            return None;
        }
        deserialize(engine, code)
    }

    /// Keeps the compiled code of a component. A cache that cannot be written costs time and nothing else.
    pub(super) fn store(&self, digest: ComponentDigest, component: &Component) {
        let written = component.serialize().map_err(std::io::Error::other).and_then(|code| {
            let mut file = self.tag(digest, &code).as_bytes().to_vec();
            file.extend_from_slice(&code);
            replace(&self.path(digest), &file)
        });
        if let Err(error) = written {
            tracing::warn!(%digest, %error, "compiled code could not be cached");
        }
    }
}

#[expect(unsafe_code, reason = "the project's one exception: loading compiled code that a keyed hash proves to be our own")]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `load` has verified with a key that only this data folder knows that these bytes came out of `Component::serialize` of an
    // engine with the same version and settings.
    unsafe { Component::deserialize(engine, code) }
        .inspect_err(|error| tracing::warn!(%error, "compiled code in the cache is unusable; compiling again"))
        .ok()
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
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
        assert!(cache.load(&engine, digest).is_none());
        cache.store(digest, &component);
        assert!(cache.load(&engine, digest).is_some());

        // The same folder later: the key stays, whatever fresh bytes are offered.
        assert!(CodeCache::open(folder.path(), &engine, [2; 32]).unwrap().load(&engine, digest).is_some());

        // A file that somebody else wrote, or changed.
        let path = cache.path(digest);
        let mut file = fs::read(&path).unwrap();
        *file.last_mut().unwrap() ^= 1;
        fs::write(&path, &file).unwrap();
        assert!(cache.load(&engine, digest).is_none());
        fs::write(&path, component.serialize().unwrap()).unwrap();
        assert!(cache.load(&engine, digest).is_none());
        fs::write(&path, b"").unwrap();
        assert!(cache.load(&engine, digest).is_none());

        // The code of one component under the name of another.
        cache.store(digest, &component);
        let other = ComponentDigest::of(b"other");
        fs::copy(&path, cache.path(other)).unwrap();
        assert!(cache.load(&engine, other).is_none());

        // Another engine.
        let slower = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        assert!(CodeCache::open(folder.path(), &slower, [1; 32]).unwrap().load(&slower, digest).is_none());
    }
}
