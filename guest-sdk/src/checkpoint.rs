//! The checkpoint's scope: artifacts, and the outside world as far as it was granted.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifact::{Blob, Kind};
use crate::bindings::kitaru::flow::{artifacts, execution};
use crate::{Error, Result, files, json, needs};

/// What a checkpoint's body may do. A checkpoint function gets it as its first parameter.
///
/// A body runs in an instance of its own, may run more than once (retries, and at least once more when the host crashes in the
/// middle), and reaches files, the network and the environment as far as they were granted: through the functions here, or with
/// `std` as usual.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn word_count(cx: &Checkpoint, path: String) -> Result<usize> {
///     let text = cx.read_to_string(&path)?;
///     Ok(text.split_whitespace().count())
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    _private: (),
}

impl Checkpoint {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }

    /// Keeps a JSON value as a named artifact that outlives the execution, and returns the artifact's ID.
    ///
    /// # Errors
    /// [`Error::Serialization`] for a value that is not JSON, [`Error::Failed`] where the host refuses it (a limit).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> {
    /// cx.save("notes", &json!({ "topic": "tides" }), Kind::Context)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, name: &str, value: &(impl Serialize + ?Sized), kind: Kind) -> Result<String> {
        self.save_tagged(name, value, kind, &[])
    }

    /// Like [`Checkpoint::save`], with tags to find it by.
    ///
    /// # Errors
    /// Like [`Checkpoint::save`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> {
    /// cx.save_tagged("summary", "All is well.", Kind::Output, &["weekly", "final"])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save_tagged(&self, name: &str, value: &(impl Serialize + ?Sized), kind: Kind, tags: &[&str]) -> Result<String> {
        let value = artifacts::Value::Json(json::to_text(value)?);
        let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
        artifacts::save(name, &value, kind.as_str(), &tags).map_err(Error::from)
    }

    /// Keeps bytes as an artifact of kind `blob`, and returns the artifact's ID.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses it (a limit).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> {
    /// cx.save_blob("table", "text/csv", "city,people\nOslo,709000\n")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save_blob(&self, name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Result<String> {
        let blob = artifacts::Blob { media_type: media_type.to_owned(), bytes: bytes.into() };
        artifacts::save(name, &artifacts::Value::Blob(blob), Kind::Blob.as_str(), &[]).map_err(Error::from)
    }

    /// Reads an artifact by its name, or a checkpoint's result by the checkpoint's name, from any execution of the store.
    ///
    /// # Errors
    /// [`Error::Failed`] of kind `usage` (the ID is no UUID), `not-found` or `ambiguous` (the message lists what matches);
    /// [`Error::Serialization`] where the value is no `T` or a blob.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint, earlier: String) -> Result<()> {
    /// let notes: Value = cx.load(&earlier, "notes")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn load<T: DeserializeOwned>(&self, execution_id: &str, name: &str) -> Result<T> {
        match artifacts::load(execution_id, name)? {
            artifacts::Value::Json(text) => json::from_text(&text)
                .map_err(|error| Error::serialization(format!("artifact `{name}` has an unexpected form: {error}"))),
            artifacts::Value::Blob(blob) => Err(Error::serialization(format!(
                "artifact `{name}` is a blob of type {}: read it with `load_blob`",
                blob.media_type
            ))),
        }
    }

    /// Reads an artifact's bytes. A JSON value comes as its text, with the media type `application/json`.
    ///
    /// # Errors
    /// [`Error::Failed`], like [`Checkpoint::load`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint, earlier: String) -> Result<()> {
    /// let table = cx.load_blob(&earlier, "table")?;
    /// assert_eq!(table.media_type, "text/csv");
    /// # Ok(())
    /// # }
    /// ```
    pub fn load_blob(&self, execution_id: &str, name: &str) -> Result<Blob> {
        Ok(match artifacts::load(execution_id, name)? {
            artifacts::Value::Json(text) => Blob { media_type: "application/json".into(), bytes: text.into_bytes() },
            artifacts::Value::Blob(blob) => Blob { media_type: blob.media_type, bytes: blob.bytes },
        })
    }

    /// An environment variable that was granted.
    ///
    /// # Errors
    /// [`Error::Capability`], which names the flag `--allow-env=NAME`, where it is not granted or not set, and none where the checkpoint declares
    /// needs and this is not among them.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<String> { cx.env("REGION") }
    /// ```
    pub fn env(&self, name: &str) -> Result<String> {
        std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent if !needs::declares_variable(name) => Error::capability(
                "",
                format!(
                    "this checkpoint does not declare that it needs the environment variable {name}, so no grant lets it see that: \
                     declare it with env = [\"{name}\"]"
                ),
            ),
            std::env::VarError::NotPresent => Error::capability(
                format!("--allow-env={name}"),
                format!(
                    "the environment variable {name} is not granted or not set: set it, and grant it with --allow-env={name}"
                ),
            ),
            std::env::VarError::NotUnicode(_) => {
                Error::new(format!("the environment variable {name} is not text")).retryable(false)
            }
        })
    }

    /// Reads a text file in a granted folder.
    ///
    /// # Errors
    /// [`Error::Capability`], which names the flag, where no granted folder holds it; [`Error::Author`] where it cannot be read.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<String> { cx.read_to_string("documents/plan.md") }
    /// ```
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> Result<String> {
        files::read(path.as_ref(), |path| std::fs::read_to_string(path))
    }

    /// Reads a file in a granted folder.
    ///
    /// # Errors
    /// Like [`Checkpoint::read_to_string`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<Vec<u8>> { cx.read("documents/plan.pdf") }
    /// ```
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        files::read(path.as_ref(), |path| std::fs::read(path))
    }

    /// Writes a file in a folder that was granted for writing, in place of what was there.
    ///
    /// # Errors
    /// [`Error::Capability`], which names the flag, where no folder granted for writing holds it; [`Error::Author`] where it
    /// cannot be written.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> { cx.write("out/report.md", "# Report\n") }
    /// ```
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
        files::write(path.as_ref(), |path| std::fs::write(path, content.as_ref()))
    }

    /// Which attempt this is, from 1.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) { if cx.attempt() > 1 { cx.warn("trying again"); } }
    /// ```
    pub fn attempt(&self) -> u32 {
        execution::get_current().attempt
    }

    /// A key that is the same for every attempt of this call and for no other: give it to outside systems, so that they recognise
    /// a repetition.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> String { format!("Idempotency-Key: {}", cx.idempotency_key()) }
    /// ```
    pub fn idempotency_key(&self) -> String {
        // Always present in checkpoint scope.
        execution::get_current().idempotency_key.unwrap_or_default()
    }
}
