//! Large values and components, as files named by their content.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::SqliteStore;
use super::blocking::blocking;
use super::errors;
use super::folder::{self, Folder};
use super::kept_values::ROW_LIMIT;
use crate::ids::ComponentDigest;
use crate::journal::PayloadHash;
use crate::store::{Blobs, Components, StoreError};

#[async_trait]
impl Blobs for SqliteStore {
    async fn put_blob(&self, bytes: Vec<u8>) -> Result<PayloadHash, StoreError> {
        if bytes.len() <= ROW_LIMIT {
            return self.put_value(bytes).await;
        }
        let folder = self.folder.clone();
        blocking(move || {
            let hash = PayloadHash::of(&bytes);
            let _keeping = folder.keeping()?;
            folder::write_once(&folder.blob(&hash), &bytes)?;
            Ok(hash)
        })
        .await
    }

    async fn keep_blob(&self, hash: &PayloadHash) -> Result<bool, StoreError> {
        if self.keep_value(*hash).await? {
            return Ok(true);
        }
        let (folder, path) = (self.folder.clone(), self.folder.blob(hash));
        blocking(move || keep(&folder, path)).await
    }

    async fn get_blob(&self, hash: &PayloadHash) -> Result<Vec<u8>, StoreError> {
        if let Some(value) = self.value(*hash).await? {
            return Ok(value);
        }
        let (path, hash) = (self.folder.blob(hash), *hash);
        blocking(move || read(path, "blob", hash, |bytes| PayloadHash::of(bytes) == hash)).await
    }
}

#[async_trait]
impl Components for SqliteStore {
    async fn put_component(&self, bytes: &[u8]) -> Result<ComponentDigest, StoreError> {
        let (folder, bytes) = (self.folder.clone(), bytes.to_vec());
        blocking(move || {
            let digest = ComponentDigest::of(&bytes);
            let _keeping = folder.keeping()?;
            folder::write_once(&folder.component(digest), &bytes)?;
            Ok(digest)
        })
        .await
    }

    async fn keep_component(&self, digest: ComponentDigest) -> Result<bool, StoreError> {
        // Three calls of the system: another thread would take longer to wake up.
        keep(&self.folder, self.folder.component(digest))
    }

    async fn get_component(&self, digest: ComponentDigest) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.component(digest);
        blocking(move || read(path, "component", digest, |bytes| ComponentDigest::of(bytes) == digest)).await
    }

    async fn put_signature(&self, digest: ComponentDigest, key: &str, text: &str) -> Result<(), StoreError> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(StoreError::Conflict { message: "a key is named by letters and digits".into() });
        }
        let (folder, path, text) = (self.folder.clone(), self.folder.signature(digest, key), text.to_owned());
        blocking(move || {
            let _keeping = folder.keeping()?;
            folder::write_once(&path, text.as_bytes())
        })
        .await
    }

    async fn signatures(&self, digest: ComponentDigest) -> Result<Vec<String>, StoreError> {
        let component = self.folder.component(digest);
        blocking(move || {
            let folder = component.parent().unwrap_or(Path::new("."));
            let files = match std::fs::read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                files => files.map_err(|error| errors::of_read(folder, error))?,
            };
            let beginning = format!("{digest}.");
            let is_signature = |name: &str| name.starts_with(&beginning) && name.ends_with(folder::SIGNATURE);
            let named = files.flatten().filter(|file| file.file_name().to_str().is_some_and(is_signature));
            let mut paths: Vec<PathBuf> = named.map(|file| file.path()).collect();
            paths.sort();
            // One that went meanwhile is none.
            Ok(paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect())
        })
        .await
    }
}

/// Makes a file that is named by its content as young as a new one. Whether it is there.
fn keep(folder: &Folder, path: PathBuf) -> Result<bool, StoreError> {
    let _keeping = folder.keeping()?;
    match folder::make_young(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(errors::of_write(path, error)),
    }
}

fn read(
    path: PathBuf,
    what: &'static str,
    name: impl ToString,
    is_it: impl FnOnce(&[u8]) -> bool,
) -> Result<Vec<u8>, StoreError> {
    match std::fs::read(&path) {
        Ok(bytes) if is_it(&bytes) => Ok(bytes),
        Ok(_) => Err(errors::malformed(damaged_file(what, &path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::not_found(what, name)),
        Err(error) => Err(errors::of_read(path, error)),
    }
}

fn damaged_file(what: &str, path: &Path) -> String {
    format!("the {what} file `{}`", path.display())
}
