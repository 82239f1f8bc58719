//! Method names in the scope where they do not belong, so that the compiler answers with a sentence instead of "no method found".
//!
//! The traits are in the prelude without a name. Each method needs a bound that nothing satisfies; the bound's trait carries the
//! sentence.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::{Blob, Checkpoint, Flow, Kind, Result, Wait};

/// The scope in which a wait is possible.
#[diagnostic::on_unimplemented(
    message = "a checkpoint cannot wait",
    label = "waiting needs a `&Flow`",
    note = "wait in the `#[flow]` function, before or after the checkpoint, and pass the answer on as an argument"
)]
pub trait MayWait {
    /// Nothing implements this.
    fn never(&self) -> !;
}

/// The scope that has a recorded clock and random numbers.
#[diagnostic::on_unimplemented(
    message = "this is for flows, whose time and random numbers must repeat",
    label = "this is a `{Self}`",
    note = "a checkpoint that succeeded is not executed again: use `std::time::SystemTime::now()` and any random number generator"
)]
pub trait MayRepeat {
    /// Nothing implements this.
    fn never(&self) -> !;
}

/// The scope in which artifacts are saved and loaded.
#[diagnostic::on_unimplemented(
    message = "a flow cannot save or load artifacts",
    label = "artifacts need a `&Checkpoint`",
    note = "move it into a function with `#[checkpoint]` and call that from the flow"
)]
pub trait MayKeep {
    /// Nothing implements this.
    fn never(&self) -> !;
}

/// The scope that reaches what was granted.
#[diagnostic::on_unimplemented(
    message = "a flow has no files, no environment and no attempts",
    label = "this needs a `&Checkpoint`",
    note = "move it into a function with `#[checkpoint]` and call that from the flow: its result is recorded"
)]
pub trait MayTouch {
    /// Nothing implements this.
    fn never(&self) -> !;
}

/// What flows have and checkpoints do not.
pub trait CheckpointMisuse {
    /// See [`Flow::wait`].
    fn wait(&self, _: impl Into<String>) -> Wait<bool>
    where
        Self: MayWait,
    {
        self.never()
    }

    /// See [`Flow::wait_unnamed`].
    fn wait_unnamed(&self) -> Wait<bool>
    where
        Self: MayWait,
    {
        self.never()
    }

    /// See [`Flow::now`].
    fn now(&self) -> SystemTime
    where
        Self: MayRepeat,
    {
        self.never()
    }

    /// See [`Flow::random`].
    fn random(&self) -> u64
    where
        Self: MayRepeat,
    {
        self.never()
    }
}

impl CheckpointMisuse for Checkpoint {}

/// What checkpoints have and flows do not.
pub trait FlowMisuse {
    /// See [`Checkpoint::save`].
    fn save(&self, _: &str, _: &(impl Serialize + ?Sized), _: Kind) -> Result<String>
    where
        Self: MayKeep,
    {
        self.never()
    }

    /// See [`Checkpoint::save_tagged`].
    fn save_tagged(&self, _: &str, _: &(impl Serialize + ?Sized), _: Kind, _: &[&str]) -> Result<String>
    where
        Self: MayKeep,
    {
        self.never()
    }

    /// See [`Checkpoint::save_blob`].
    fn save_blob(&self, _: &str, _: &str, _: impl Into<Vec<u8>>) -> Result<String>
    where
        Self: MayKeep,
    {
        self.never()
    }

    /// See [`Checkpoint::load`].
    fn load<T>(&self, _: &str, _: &str) -> Result<T>
    where
        Self: MayKeep,
    {
        self.never()
    }

    /// See [`Checkpoint::load_blob`].
    fn load_blob(&self, _: &str, _: &str) -> Result<Blob>
    where
        Self: MayKeep,
    {
        self.never()
    }

    /// See [`Checkpoint::env`].
    fn env(&self, _: &str) -> Result<String>
    where
        Self: MayTouch,
    {
        self.never()
    }

    /// See [`Checkpoint::read_to_string`].
    fn read_to_string(&self, _: impl AsRef<Path>) -> Result<String>
    where
        Self: MayTouch,
    {
        self.never()
    }

    /// See [`Checkpoint::read`].
    fn read(&self, _: impl AsRef<Path>) -> Result<Vec<u8>>
    where
        Self: MayTouch,
    {
        self.never()
    }

    /// See [`Checkpoint::write`].
    fn write(&self, _: impl AsRef<Path>, _: impl AsRef<[u8]>) -> Result<()>
    where
        Self: MayTouch,
    {
        self.never()
    }

    /// See [`Checkpoint::attempt`].
    fn attempt(&self) -> u32
    where
        Self: MayTouch,
    {
        self.never()
    }

    /// See [`Checkpoint::idempotency_key`].
    fn idempotency_key(&self) -> String
    where
        Self: MayTouch,
    {
        self.never()
    }
}

impl FlowMisuse for Flow {}
