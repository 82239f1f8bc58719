//! Imports: an archive into a store of its own.

use std::sync::Arc;

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::fuzzing::{archive_of, journal_of};
use kitaru_host::engine::{Engine, EngineSettings, FrozenSpec};
use kitaru_host::ids::{ComponentDigest, ExecutionId, SystemIds};
use kitaru_host::journal::{Entry, PayloadHash, encode};
use kitaru_host::sandbox::Grants;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Executions as _, Store};
use serde_json::Value;

use super::runtime::{block_on, sandbox};

/// A refused import has added nothing; one that is taken has brought exactly the executions that it says, ended, and without any grant; the
/// same archive once more brings nothing; and one that was cut short is refused.
///
/// The input is the archive's files, each behind a line `--- name`. A component and a blob get the name of what they hold, whose place in
/// other files is `@components/<name>` or `@blobs/<name>`; a journal that is a JSON list of entries is encoded, and its chain made.
pub(crate) fn any_import(data: &[u8]) {
    let files = files(data);
    let Some(archive) = archive_of(&files).ok().filter(|_| !files.is_empty()) else { return };
    let executions = executions(&files);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Arc::new(SqliteStore::open(folder.path()).expect("a store can be made"));
    let engine =
        Engine::new(store.clone(), sandbox().clone(), Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
    block_on(async {
        // Without its end, where the list of its executions is.
        let cut = archive.len() / 2;
        if engine.import(&archive[..cut], true).await.is_err() {
            none_is_there(&*store, &executions).await;
        } else {
            return;
        }
        let imported = match engine.import(archive.as_slice(), false).await {
            Ok(imported) => imported,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return none_is_there(&*store, &executions).await;
            }
        };
        assert!(imported.known.iter().all(|id| imported.executions.contains(id)), "nothing was there before");
        for id in &imported.executions {
            let row = store.execution(*id).await.expect("what was imported is there");
            assert!(row.status.is_terminal(), "it came as {}", row.status);
            let spec: FrozenSpec = serde_json::from_str(&row.new.frozen_spec).expect("a configuration");
            assert_eq!(spec.grants, Grants::default(), "an import brought grants");
        }
        let again = engine.import(archive.as_slice(), false).await.expect("what was taken is taken again");
        assert!(again.executions.is_empty(), "it was imported twice");
    });
}

async fn none_is_there(store: &dyn Store, executions: &[ExecutionId]) {
    for id in executions {
        assert!(store.execution(*id).await.is_err(), "a refused import left {id}");
    }
}

/// The executions that the archive says it has.
fn executions(files: &[(String, Vec<u8>)]) -> Vec<ExecutionId> {
    let header = files.iter().find(|(name, _)| name == "export.json");
    let header = header.and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok()).unwrap_or_default();
    let ids = header.get("executions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect()
}

fn files(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(data);
    let mut files: Vec<(String, String)> = Vec::new();
    let mut named: Vec<(String, String)> = Vec::new();
    for section in format!("\n{text}").split("\n--- ").skip(1) {
        let (name, content) = section.split_once('\n').unwrap_or((section, ""));
        let own = match name.split_once('/') {
            Some(("components", _)) => Some(format!("{}", ComponentDigest::of(content.as_bytes()))),
            Some(("blobs", _)) => Some(PayloadHash::of(content.as_bytes()).to_string()),
            _ => None,
        };
        let path = match (&own, name.split_once('/')) {
            (Some(own), Some(("components", _))) => format!("components/{own}.wasm"),
            (Some(own), _) => format!("blobs/{own}"),
            (None, _) => name.to_owned(),
        };
        named.extend(own.map(|own| (format!("@{name}"), own)));
        files.push((path, content.to_owned()));
    }
    let filled = files.into_iter().map(|(path, mut content)| {
        for (place, own) in &named {
            content = content.replace(place, own);
        }
        let bytes = if path.starts_with("journals/") { journal(&content) } else { content.into_bytes() };
        (path, bytes)
    });
    filled.collect()
}

fn journal(content: &str) -> Vec<u8> {
    let Ok(entries) = serde_json::from_str::<Vec<Entry>>(content) else { return content.as_bytes().to_vec() };
    let (mut records, mut link) = (Vec::new(), [0; 32]);
    for entry in &entries {
        let encoded = encode(entry, &link).expect("an entry can be written");
        link = encoded.link;
        records.push(encoded);
    }
    journal_of(records).expect("records can be written")
}
