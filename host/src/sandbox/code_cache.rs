//! What is worked out about a component once and kept on disk: its compiled code and its manifest.
//!
//! Loading compiled code executes it, so a file counts only if this data folder made it: each begins with a keyed BLAKE3 of the rest, under
//! a random key that never leaves the folder (mode 0600). The key also covers engine version and settings, so that code for another engine
//! does not match. Whatever does not match is compiled again. What was verified is loaded from memory: the file may change meanwhile.
//!
//! The key is as good as the folder is private. A folder that others could write had its key for nothing: it gets a new one. One that cannot be
//! made private is not used.

use std::hash::{Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::private_folder::{self, Found};
use crate::ids::ComponentDigest;

/// Larger than any compiled component that could be run.
const LARGEST: u64 = 2 << 30;

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
    /// Opens the cache in `folder`, making it if need be. `fresh` is used as the key of a new folder, and where the key that is there may be
    /// known to others.
    ///
    /// # Errors
    /// When the folder cannot be made private, or its key cannot be read or written: then it is better to have no cache.
    pub(super) fn open(folder: &Path, engine: &Engine, fresh: [u8; 32]) -> std::io::Result<Self> {
        let found = private_folder::open(folder)?;
        let path = folder.join("key");
        let secret = match (found, private_folder::read_secret(&path, 32)) {
            (Found::Private, Ok(Some(bytes))) if bytes.len() == 32 => bytes,
            (Found::Private, Ok(None)) => match private_folder::write(&path, &fresh, true) {
                Ok(()) => fresh.to_vec(),
                // Another process was first, and its key is whole: a key gets its name when it is written.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    private_folder::read_secret(&path, 32)?.filter(|bytes| bytes.len() == 32).ok_or(ErrorKind::InvalidData)?
                }
                Err(error) => return Err(error),
            },
            (found, read) => {
                let problem = match (found, read) {
                    (Found::WasOpen, _) => "others could write the folder".to_owned(),
                    (_, Err(error)) => error.to_string(),
                    (_, Ok(_)) => "it is no key".to_owned(),
                };
                tracing::warn!(file = %path.display(), problem, "the key of compiled code is replaced; all of it is made again");
                private_folder::write(&path, &fresh, false)?;
                fresh.to_vec()
            }
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
        let path = self.path(digest, kind);
        let foreign = |problem: &dyn std::fmt::Display| {
            tracing::warn!(file = %path.display(), %problem, "a file in the cache of compiled code is not ours; it is made again");
        };
        let mut file = private_folder::read(&path, LARGEST).inspect_err(|error| foreign(error)).ok()??;
        if !self.is_ours(digest, kind, &file) {
            foreign(&"it does not have the mark of this folder");
            return None;
        }
        file.drain(..32);
        Some(file)
    }

    fn is_ours(&self, digest: ComponentDigest, kind: Kind, file: &[u8]) -> bool {
        let Some((tag, content)) = file.split_first_chunk::<32>() else { return false };
        // Comparing hashes of this type takes the same time wherever they differ.
        blake3::Hash::from_bytes(*tag) == self.tag(digest, kind, content)
    }

    /// A cache that cannot be written costs time and nothing else.
    fn write(&self, digest: ComponentDigest, kind: Kind, content: &[u8]) {
        let mut file = self.tag(digest, kind, content).as_bytes().to_vec();
        file.extend_from_slice(content);
        if let Err(error) = private_folder::write(&self.path(digest, kind), &file, false) {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn component() -> (ComponentDigest, Engine, Vec<u8>) {
        let engine = Engine::default();
        let bytes = wat::parse_str("(component)").unwrap();
        let code = Component::new(&engine, &bytes).unwrap().serialize().unwrap();
        (ComponentDigest::of(&bytes), engine, code)
    }

    /// Whoever cuts a file short, anywhere, has nothing loaded.
    #[test]
    fn no_part_of_a_file_is_loaded() {
        let (digest, engine, code) = component();
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path(), &engine, [1; 32]).unwrap();
        cache.store(digest, &code);
        let path = cache.path(digest, Kind::Code);
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by((whole.len() / 40).max(1)).chain([31, 32, 33, whole.len() - 1]) {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(cache.code(digest).is_none(), "{length} of {} bytes", whole.len());
        }
        fs::write(&path, [&whole[..], b"\0"].concat()).unwrap();
        assert!(cache.code(digest).is_none(), "something was added");
        fs::write(&path, &whole).unwrap();
        assert!(cache.code(digest).unwrap().load(&engine).is_ok());
    }

    /// Code is loaded from the bytes that were verified, whatever becomes of the file in between.
    #[test]
    fn a_file_that_changes_after_it_was_verified_changes_nothing() {
        let (digest, engine, code) = component();
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path(), &engine, [1; 32]).unwrap();
        cache.store(digest, &code);
        let verified = cache.code(digest).unwrap();
        fs::write(cache.path(digest, Kind::Code), b"something else").unwrap();
        assert!(verified.load(&engine).is_ok());
    }

    #[test]
    fn another_key_is_another_cache() {
        let (digest, engine, code) = component();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = CodeCache::open(one.path(), &engine, [1; 32]).unwrap();
        cache.store(digest, &code);
        let foreign = CodeCache::open(other.path(), &engine, [2; 32]).unwrap();
        foreign.store(digest, &code);
        // A file of another cache, under the name that it would have here.
        fs::copy(foreign.path(digest, Kind::Code), cache.path(digest, Kind::Code)).unwrap();
        assert!(cache.code(digest).is_none());
        // The key of another cache: what was made under the old one is not loaded any more.
        cache.store(digest, &code);
        fs::copy(other.path().join("key"), one.path().join("key")).unwrap();
        assert!(CodeCache::open(one.path(), &engine, [3; 32]).unwrap().code(digest).is_none());
        // No key at all, half a key, and too much of one.
        for key in [&b""[..], &[7; 16], &[7; 33]] {
            fs::write(one.path().join("key"), key).unwrap();
            let reopened = CodeCache::open(one.path(), &engine, [4; 32]).unwrap();
            assert!(reopened.code(digest).is_none());
            assert_eq!(fs::read(one.path().join("key")).unwrap(), [4; 32], "a fresh one");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_could_read_or_write_is_not_believed() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let (digest, engine, code) = component();
        let around = tempfile::tempdir().unwrap();
        let (folder, key) = (around.path().join("cache"), around.path().join("cache/key"));
        let open = |fresh| CodeCache::open(&folder, &engine, [fresh; 32]).unwrap();
        let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(1).store(digest, &code);
        // Others could look at what lies there, and not at the key: it is closed, and goes on.
        set_mode(&folder, 0o755);
        assert!(open(2).code(digest).is_some());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        // They could read the key, so they could have made any file.
        set_mode(&key, 0o644);
        assert!(open(3).code(digest).is_none());
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        open(4).store(digest, &code);
        // They could have put a key of theirs there.
        set_mode(&folder, 0o777);
        assert!(open(5).code(digest).is_none());
        assert_eq!(fs::read(&key).unwrap(), [5; 32]);
        // A key that lies somewhere else is somebody else's.
        let elsewhere = around.path().join("elsewhere");
        fs::write(&elsewhere, [9; 32]).unwrap();
        fs::remove_file(&key).unwrap();
        symlink(&elsewhere, &key).unwrap();
        drop(open(6));
        assert!(fs::symlink_metadata(&key).unwrap().is_file());
        assert_eq!(fs::read(&elsewhere).unwrap(), [9; 32], "nothing is written through a link");
    }

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
