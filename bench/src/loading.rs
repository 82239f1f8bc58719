//! Compiled code as the host loads it, and as it could be loaded by somebody who need not check it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use kitaru_host::sandbox::Sandbox;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::samples::micros;

/// For the hash that stands before the code.
const KEY: [u8; 32] = [7; 32];

/// The compiled code of a component: in a file with a keyed hash before it, as in the host's cache, and in one as wasmtime writes it.
pub(crate) struct CompiledCode {
    engine: Engine,
    hashed: PathBuf,
    plain: PathBuf,
    /// How much it is.
    pub(crate) kib: u64,
}

impl CompiledCode {
    pub(crate) fn of(component: &[u8], folder: &Path) -> Result<Self> {
        let engine = Engine::new(&Sandbox::configuration()).map_err(|error| anyhow!("{error:?}"))?;
        let code = engine.precompile_component(component).map_err(|error| anyhow!("{error:?}"))?;
        let (hashed, plain) = (folder.join("hashed"), folder.join("plain"));
        std::fs::write(&hashed, [blake3::keyed_hash(&KEY, &code).as_bytes().as_slice(), &code].concat())?;
        std::fs::write(&plain, &code)?;
        Ok(Self { engine, hashed, plain, kib: code.len() as u64 / 1024 })
    }

    /// Microseconds to read the code, check it against its hash, and copy it to where it runs.
    #[expect(unsafe_code, reason = "what the host does with code that it has checked, to measure it")]
    pub(crate) fn checked(&self) -> Result<f64> {
        let started = Instant::now();
        let file = std::fs::read(&self.hashed)?;
        let (hash, code) = file.split_first_chunk::<32>().context("no code")?;
        ensure!(blake3::Hash::from_bytes(*hash) == blake3::keyed_hash(&KEY, code), "other code");
        // SAFETY: this process has compiled it, and the hash is right.
        let component = unsafe { Component::deserialize(&self.engine, code) };
        let time = micros(started.elapsed());
        component.map(|_| time).map_err(|error| anyhow!("{error:?}"))
    }

    /// Microseconds to map the file. What of it is used is read when it runs.
    #[expect(unsafe_code, reason = "what the host does not do, to know what that costs")]
    pub(crate) fn mapped(&self) -> Result<f64> {
        let started = Instant::now();
        // SAFETY: this process has compiled it, into a folder of its own that nobody else writes.
        let component = unsafe { Component::deserialize_file(&self.engine, &self.plain) };
        let time = micros(started.elapsed());
        component.map(|_| time).map_err(|error| anyhow!("{error:?}"))
    }
}
