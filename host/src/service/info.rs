//! What a host is, for a bug report and for whoever looks after it. What it does now tells `status`.

mod packages;

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{LocalService, ModelsView, Service as _, ServiceError, StoreView, Word, built};
use crate::config::{HostDurability, LogStore};
use crate::engine::EngineSettings;
use crate::journal::RECORD_FORMAT;
use crate::store::sqlite::DATA_FORMAT;

/// For so long the sizes of what lies in the data folder are not looked up again, which takes the longer the more there is.
const SIZES_COUNT_FOR: Duration = Duration::from_secs(10);
/// What this program was built with, beside what is always in it.
const FEATURES: [(&str, bool); 4] = [
    ("keyring", cfg!(feature = "keyring")),
    ("genai", cfg!(feature = "genai")),
    ("fault-injection", cfg!(feature = "fault-injection")),
    ("observe", cfg!(feature = "observe")),
];

/// What the process was started with, and its service cannot find out.
#[derive(Debug, Default)]
pub struct HostFacts {
    /// The data folder.
    pub folder: PathBuf,
    /// How durable what it commits is, where that can be told.
    pub durability: Option<HostDurability>,
    /// How much it does at a time.
    pub settings: EngineSettings,
    /// How much stack an instance has, in KiB.
    pub stack_kib: u64,
    /// Where log lines go beside the data folder, where that can be told.
    pub log_store: Option<LogStore>,
    /// In what kind of place it runs.
    pub environment_type: &'static str,
    /// What somebody should look at.
    pub warning: Option<String>,
    /// What its folder has, once that was looked up.
    pub sizes: Sizes,
}

/// What a data folder has, and when that was looked up.
#[derive(Debug, Default)]
pub struct Sizes(Mutex<Option<(Instant, DiskView)>>);

/// What to tell of a host beside what is always told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InfoParams {
    /// The versions of all crates that it was built with.
    pub all: bool,
    /// The versions of these crates; null for those that are not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

/// A host.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InfoView {
    /// Its version.
    pub sdk_version: String,
    /// The commit that it was built from; null where that is not known.
    pub commit: Option<String>,
    /// The format of data folders that it writes, and the latest that it reads.
    #[serde(default)]
    pub data_format: u32,
    /// The same of the records of journals.
    #[serde(default)]
    pub journal_format: u32,
    /// The contract between it and its guests.
    pub wit_package: String,
    /// The version of wasmtime, which runs them.
    pub wasm_engine: Option<String>,
    /// What it was built with, beside what is always in it.
    pub features: Vec<Word>,
    /// The data folder; null for whoever is no admin.
    pub connection_target: Option<String>,
    /// Where it is reached, where it serves.
    pub server_url: Option<String>,
    /// What a commit survives: `full`, the death of the machine, or `process`.
    pub durability: Option<Word>,
    /// How much it does and uses at a time.
    pub limits: HostLimitsView,
    /// What lies in the data folder.
    pub disk_bytes: DiskView,
    /// Where log lines go beside the data folder.
    pub log_store: Option<LogDestinationView>,
    /// The machine.
    pub system_info: MachineView,
    /// In what kind of place it runs: `ci`, `kubernetes`, `container` or `native`.
    pub environment_type: Word,
    /// What its store holds.
    pub store: Option<StoreView>,
    /// What it knows of models.
    pub models: Option<ModelsView>,
    /// Crates that it was built with, and their versions; null unless they were asked for.
    pub packages: Option<Map<String, Value>>,
    /// What somebody should look at.
    pub warning: Option<String>,
}

/// How much a host does and uses at a time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostLimitsView {
    /// Memory of all instances, in MiB; null where nothing bounds it.
    pub instances_mib: Option<u64>,
    /// Stack of one instance, in KiB.
    pub stack_kib: u64,
    /// Checkpoint bodies of all executions.
    pub parallel: u64,
    /// Model calls of all executions.
    pub model_calls: u64,
}

/// What lies in a data folder, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct DiskView {
    /// The database.
    pub database: u64,
    /// Values that are too large for it.
    pub blobs: u64,
    /// Components.
    pub components: u64,
    /// Components as they were compiled, which can be made again.
    pub compiled_code: u64,
}

/// Where log lines go beside the data folder.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogDestinationView {
    /// `local`, nowhere, or `otlp`, a collector of OpenTelemetry.
    pub backend: Word,
    /// The collector's address; null for whoever is no admin.
    pub endpoint: Option<String>,
}

/// A machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MachineView {
    /// Its operating system.
    pub os: Word,
    /// Its processor.
    pub arch: Word,
    /// How many of its cores the process may use.
    pub cores: usize,
}

impl InfoView {
    /// What can be told of a host whose store cannot be opened, too.
    pub async fn without_store(facts: &HostFacts, params: &InfoParams) -> Self {
        let EngineSettings { parallel, model_calls, .. } = facts.settings;
        let wants_packages = params.all || !params.packages.is_empty();
        let named = if params.all { &[] } else { params.packages.as_slice() };
        Self {
            sdk_version: env!("CARGO_PKG_VERSION").into(),
            commit: built::commit().map(str::to_owned),
            data_format: DATA_FORMAT,
            journal_format: RECORD_FORMAT.into(),
            wit_package: built::WIT_PACKAGE.into(),
            wasm_engine: Some(built::WASMTIME.into()),
            features: FEATURES.iter().filter(|(_, is_in)| *is_in).map(|(name, _)| (*name).into()).collect(),
            connection_target: Some(facts.folder.display().to_string()),
            server_url: None,
            durability: facts.durability.map(|durability| durability.mode.as_str().into()),
            limits: HostLimitsView {
                instances_mib: None,
                stack_kib: facts.stack_kib,
                parallel: parallel as u64,
                model_calls: model_calls as u64,
            },
            disk_bytes: facts.disk().await,
            log_store: facts.log_store.as_ref().map(LogDestinationView::of),
            system_info: MachineView {
                os: std::env::consts::OS.into(),
                arch: std::env::consts::ARCH.into(),
                cores: std::thread::available_parallelism().map_or(0, usize::from),
            },
            environment_type: facts.environment_type.into(),
            store: None,
            models: None,
            packages: wants_packages.then(|| packages::packages(named)),
            warning: facts.warning.clone(),
        }
    }

    /// For whoever has nothing to do with the machine: without its folders, and without addresses of others.
    #[must_use]
    pub(super) fn without_places(self) -> Self {
        let log_store = self.log_store.map(|log_store| LogDestinationView { endpoint: None, ..log_store });
        Self { connection_target: None, log_store, models: self.models.map(ModelsView::without_places), ..self }
    }
}

impl LogDestinationView {
    fn of(store: &LogStore) -> Self {
        let endpoint = match store {
            LogStore::Local => None,
            LogStore::Otlp(collector) => Some(collector.endpoint.clone()),
        };
        Self { backend: store.backend().into(), endpoint }
    }
}

impl HostFacts {
    /// What lies in its folder. Who asks at the same time is told the same.
    async fn disk(&self) -> DiskView {
        let mut sizes = self.sizes.0.lock().await;
        if let Some((at, view)) = *sizes
            && at.elapsed() < SIZES_COUNT_FOR
        {
            return view;
        }
        let folder = self.folder.clone();
        // One that could not be walked through is told as empty, as far as it was not.
        let view = tokio::task::spawn_blocking(move || DiskView::of(&folder)).await.unwrap_or_default();
        *sizes = Some((Instant::now(), view));
        view
    }
}

impl DiskView {
    fn of(folder: &Path) -> Self {
        let size = |name: &str| size_of(&folder.join(name));
        Self {
            database: ["kitaru.db", "kitaru.db-wal"].into_iter().map(size).sum(),
            blobs: size("blobs"),
            components: size("components"),
            compiled_code: size("cache"),
        }
    }
}

fn size_of(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).map_or(0, |files| files.flatten().map(|file| size_of(&file.path())).sum())
}

pub(super) async fn view(service: &LocalService, facts: &HostFacts, params: &InfoParams) -> Result<InfoView, ServiceError> {
    let mut view = InfoView::without_store(facts, params).await;
    view.server_url = service.address().map(str::to_owned);
    view.limits.instances_mib = service.measures().memory.ceiling.map(|bytes| bytes >> 20);
    view.store = Some(service.store_summary().await?);
    view.models = Some(service.models_summary().await?);
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_told_without_its_store_and_without_its_places() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("blobs/aa")).unwrap();
        std::fs::write(folder.path().join("blobs/aa/one"), [0; 7]).unwrap();
        std::fs::write(folder.path().join("kitaru.db"), [0; 5]).unwrap();
        let log_store = LogStore::of(Some("otlp"), Some("http://collector.example".into()), None, None).unwrap();
        let facts = HostFacts { folder: folder.path().to_owned(), log_store: Some(log_store), ..HostFacts::default() };
        let params = InfoParams { packages: vec!["rusqlite".into(), "left-pad".into()], ..InfoParams::default() };
        let view = InfoView::without_store(&facts, &params).await;
        assert_eq!((view.disk_bytes.database, view.disk_bytes.blobs, view.disk_bytes.components), (5, 7, 0));
        assert!(view.wasm_engine.as_deref().is_some_and(|version| version.contains('.')), "{view:?}");
        assert_eq!(view.packages.as_ref().map(|packages| packages["left-pad"].is_null()), Some(true));
        let place = folder.path().display().to_string();
        assert!(serde_json::to_string(&view).unwrap().contains(&place));
        let shown = serde_json::to_string(&view.without_places()).unwrap();
        assert!(!shown.contains(&place) && !shown.contains("collector.example") && shown.contains("otlp"), "{shown}");
    }
}
