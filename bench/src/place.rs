//! Where something is measured: a data folder on the disk that the repository is on, and an engine over it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{DriveOptions, Engine, EngineSettings, FrozenSpec, Submission, Submitted};
use kitaru_host::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use kitaru_host::sandbox::{Grants, Limits, Sandbox};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Status, StoreOptions, get_text};
use serde_json::Value;

/// What is measured, and with what.
pub(crate) struct Bench {
    /// The optimised host.
    pub(crate) host: PathBuf,
    /// The guest with the flows that are run.
    pub(crate) guest: PathBuf,
    /// The example of the first five minutes.
    pub(crate) hello: PathBuf,
    /// Where data folders are made.
    pub(crate) disk: PathBuf,
    /// Lengths are divided by it.
    pub(crate) scale: u64,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// A new data folder.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(&self.disk)?)
    }

    /// A new data folder, and an engine over it that knows the guest.
    pub(crate) fn place(&self) -> Result<Arc<Place>> {
        self.place_with(StoreOptions::default())
    }

    /// The same, with a store that is opened so.
    pub(crate) fn place_with(&self, options: StoreOptions) -> Result<Arc<Place>> {
        let home = self.folder()?;
        let engine = open(home.path(), options)?;
        let guest = std::fs::read(&self.guest)?;
        let digest = self.runtime.block_on(engine.store().put_component(&guest))?;
        let place = Place { home, engine, digest };
        // Compiles the component, which is not what is measured.
        self.runtime.block_on(place.run("no_calls", "{}", Grants::default()))?;
        Ok(Arc::new(place))
    }

    /// How long a command of the host took, and what it said.
    pub(crate) fn command(&self, home: &Path, arguments: &[&str]) -> Result<(Duration, Value)> {
        let mut command = Command::new(&self.host);
        command.args(arguments).args(["--output", "json"]).env("KITARU_HOME", home);
        let started = Instant::now();
        let output = command.output()?;
        let time = started.elapsed();
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{arguments:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
        Ok((time, serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))?))
    }

    /// A length, of the whole measurement or a quick one.
    pub(crate) fn scaled(&self, length: u64) -> u64 {
        (length / self.scale).max(1)
    }
}

/// An engine over a data folder.
pub(crate) fn open(folder: &Path, options: StoreOptions) -> Result<Engine> {
    let store = SqliteStore::open_with(folder, options)?;
    let sandbox = Sandbox::new(Some(folder), SystemIds.seed())?;
    let settings = EngineSettings::default();
    Ok(Engine::new(Arc::new(store), sandbox, Arc::new(SystemClock), Arc::new(SystemIds), settings))
}

/// Bytes of all files in a folder.
pub(crate) fn size_of(folder: &Path) -> Result<f64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        size += if meta.is_dir() { size_of(&entry.path())? as u64 } else { meta.len() };
    }
    Ok(size as f64)
}

/// A data folder, and an engine over it.
pub(crate) struct Place {
    pub(crate) home: tempfile::TempDir,
    pub(crate) engine: Engine,
    digest: ComponentDigest,
}

impl Place {
    /// Creates an execution of a flow of the guest.
    pub(crate) async fn submit(&self, flow: &str, input: &str, grants: Grants) -> Result<ExecutionId> {
        Ok(self.engine.submit(self.submission(flow, input, grants)?).await?)
    }

    fn submission(&self, flow: &str, input: &str, grants: Grants) -> Result<Submission> {
        let spec = FrozenSpec::new(grants, Limits::default());
        let (component, flow) = (Submitted::Stored(self.digest), Some(flow.to_owned()));
        Ok(Submission { component, flow, input: serde_json::from_str(input)?, spec, tags: Vec::new() })
    }

    /// Runs it as far as it goes.
    pub(crate) async fn drive(&self, id: ExecutionId) -> Result<Status> {
        Ok(self.engine.drive(id, DriveOptions::default()).await?.status)
    }

    /// Creates an execution and runs it as far as it goes; the result.
    pub(crate) async fn run(&self, flow: &str, input: &str, grants: Grants) -> Result<(ExecutionId, String)> {
        let begun = self.engine.begin(self.submission(flow, input, grants)?).await?;
        let id = begun.id();
        begun.drive(DriveOptions::default()).await?;
        Ok((id, self.result(id).await?))
    }

    /// The result of an execution that has ended well.
    pub(crate) async fn result(&self, id: ExecutionId) -> Result<String> {
        let row = self.engine.store().execution(id).await?;
        let result = row.result.with_context(|| format!("{}: {:?}", row.status, row.failure))?;
        Ok(get_text(self.engine.store().as_ref(), &result).await?)
    }

    /// A grant of something that nobody uses, because it is not there: whoever has it could be observed, and nothing is on record of its use.
    pub(crate) fn capability(&self) -> Grants {
        Grants { env: vec!["KITARU_BENCH_THAT_NOBODY_SETS".into()], ..Grants::default() }
    }

    /// A grant of something that is there, and that the flows that look use: each use is on record.
    pub(crate) fn used_capability(&self) -> Grants {
        Grants { env: vec!["PATH".into()], ..Grants::default() }
    }
}
