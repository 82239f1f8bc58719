//! The archive that executions travel in: its files, their forms, and the checks that they are what they say.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::journal::{Entry, Failure, History, LogLevel, Payload, PayloadHash, chain, decode};
use crate::sandbox::AccessKind;
use crate::store::{AccessRow, ArtifactRow, LogRow, LogSource, ModelCallRow, NewWait, Resolution, StoredEntry, WaitRow};

pub(super) const FORMAT: u32 = 1;
/// The largest file that an archive may have.
const LARGEST: u64 = 1 << 30;
/// Files that an archive may have.
const MOST: usize = 1_000_000;

/// An archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It is no archive, or ends in the middle.
    #[error("it is not an export that can be read")]
    Archive(#[source] std::io::Error),
    /// A later host made it.
    #[error("it has format {0}, and this host reads format {FORMAT}")]
    NewerFormat(u32),
    /// It has something that does not belong there, or lacks something.
    #[error("it is not whole: {0}")]
    Incomplete(String),
    /// What it has is not what it says it is.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) host_version: String,
    pub(super) executions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedExecution {
    pub(super) flow: String,
    pub(super) component: String,
    pub(super) input: Payload,
    pub(super) seed: [u8; 32],
    pub(super) created_at: Timestamp,
    pub(super) flow_epoch: Timestamp,
    pub(super) original: Option<ExecutionId>,
    pub(super) parent: Option<(ExecutionId, u32)>,
    pub(super) depth: u32,
    pub(super) tags: Vec<String>,
    pub(super) replay_plan: Option<String>,
    pub(super) frozen_spec: String,
    pub(super) status: String,
    pub(super) status_reason: Option<String>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) result: Option<Payload>,
    pub(super) failure: Option<Failure>,
    pub(super) metadata: String,
    pub(super) waits: Vec<ExportedWait>,
    pub(super) artifacts: Vec<ExportedArtifact>,
    /// Not in archives that were made before there were any.
    #[serde(default)]
    pub(super) model_calls: Vec<ExportedModelCall>,
    /// The same.
    #[serde(default)]
    pub(super) accesses: Vec<ExportedAccess>,
    pub(super) logs: Vec<ExportedLog>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedWait {
    pub(super) call: u32,
    pub(super) name: String,
    pub(super) question: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) default: Option<Payload>,
    pub(super) entered_at: Timestamp,
    pub(super) resolution: Option<String>,
    pub(super) answer: Option<Payload>,
    pub(super) resolved_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedArtifact {
    pub(super) call: u32,
    pub(super) attempt: u32,
    pub(super) ordinal: u32,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) media_type: String,
    pub(super) is_blob: bool,
    pub(super) tags: Vec<String>,
    pub(super) payload: Payload,
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedModelCall {
    pub(super) call: u32,
    pub(super) attempt: u32,
    pub(super) ordinal: u32,
    pub(super) name: String,
    pub(super) flow: String,
    pub(super) day: u64,
    pub(super) at: Timestamp,
    pub(super) event: Option<Uuid>,
    pub(super) usage: String,
    pub(super) events: String,
    pub(super) policies: String,
    pub(super) spent: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedAccess {
    pub(super) call: u32,
    pub(super) attempt: u32,
    pub(super) checkpoint: String,
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) allowed: bool,
    pub(super) count: u64,
    pub(super) first_at: Timestamp,
    pub(super) detail: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportedLog {
    pub(super) call: u32,
    pub(super) attempt: u32,
    pub(super) ordinal: u32,
    pub(super) at: Timestamp,
    pub(super) level: String,
    pub(super) source: String,
    pub(super) checkpoint: Option<String>,
    pub(super) module: String,
    pub(super) message: String,
}

pub(super) fn damaged(what: impl Into<String>) -> TransferError {
    TransferError::Damaged(what.into())
}

pub(super) fn incomplete(what: &str) -> TransferError {
    TransferError::Incomplete(what.to_owned())
}

pub(super) fn add(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), TransferError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    archive.append_data(&mut header, name, bytes).map_err(TransferError::Archive)
}

/// The files of an archive: only those that an export has, each checked against its name where that says what it holds.
pub(super) fn read_archive(archive: impl Read) -> Result<BTreeMap<String, Vec<u8>>, TransferError> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    for file in archive.entries().map_err(TransferError::Archive)? {
        let file = file.map_err(TransferError::Archive)?;
        let name = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        // Anything else, such as a sparse file, can be larger than what is read of it.
        if file.header().entry_type() != tar::EntryType::Regular {
            return Err(damaged(format!("`{}` is no plain file, and an export has no others", name.escape_debug())));
        }
        let size = file.header().size().map_err(TransferError::Archive)?;
        if size > LARGEST || files.len() >= MOST {
            return Err(damaged(format!("`{}` is larger than any file of an export", name.escape_debug())));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(TransferError::Archive)?;
        let (folder, rest) = name.split_once('/').unwrap_or(("", &name));
        let right = match folder {
            "" => rest == "export.json",
            "executions" | "journals" => true,
            "components" => rest == format!("{}.wasm", ComponentDigest::of(&bytes)),
            "signatures" => {
                bytes.len() <= crate::signing::LONGEST && rest.ends_with(&format!(".{}.minisig", PayloadHash::of(&bytes)))
            }
            "blobs" => rest == PayloadHash::of(&bytes).to_string(),
            _ => false,
        };
        if !right || files.insert(name.clone(), bytes).is_some() {
            return Err(damaged(format!("`{}` is not what an export has there", name.escape_debug())));
        }
    }
    Ok(files)
}

/// The file of a component's signature. Its name tells it from others of the same component.
pub(super) fn signature_file(component: ComponentDigest, text: &str) -> String {
    format!("signatures/{component}.{}.minisig", PayloadHash::of(text.as_bytes()))
}

/// Whether a file is the signature of a component, by its name.
pub(super) fn is_signature_of(name: &str, component: &str) -> bool {
    name.strip_prefix("signatures/").and_then(|name| name.split_once('.')).is_some_and(|(digest, _)| digest == component)
}

type Packed<B> = (u64, B, [u8; 32]);

pub(super) fn pack(journal: &[StoredEntry]) -> Result<Vec<u8>, TransferError> {
    let records: Vec<Packed<&[u8]>> = journal.iter().map(|entry| (entry.seq, entry.bytes.as_ref(), entry.link)).collect();
    postcard::to_stdvec(&records).map_err(|error| damaged(error.to_string()))
}

pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<StoredEntry>, TransferError> {
    let records: Vec<Packed<Vec<u8>>> = postcard::from_bytes(bytes).map_err(|error| damaged(format!("a journal: {error}")))?;
    Ok(records.into_iter().map(|(seq, bytes, link)| StoredEntry { seq, bytes: bytes.into(), link }).collect())
}

/// The entries of a journal whose chain holds and which make sense together.
pub(super) fn check_journal(id: ExecutionId, journal: &[StoredEntry]) -> Result<Vec<Entry>, TransferError> {
    let mut link = [0; 32];
    let mut entries = Vec::with_capacity(journal.len());
    for record in journal {
        link = chain(&link, &record.bytes);
        if link != record.link {
            return Err(damaged(format!("the hash chain of {id} is broken at record {}", record.seq)));
        }
        let entry = decode(&record.bytes).map_err(|error| damaged(format!("record {} of {id}: {error}", record.seq)))?;
        if entry.seq != record.seq {
            return Err(damaged(format!("record {} of {id} stands where record {} belongs", entry.seq, record.seq)));
        }
        entries.push(entry);
    }
    History::fold(entries.iter().cloned()).map_err(|error| damaged(format!("the journal of {id}: {error}")))?;
    Ok(entries)
}

/// All values that an execution names.
pub(super) fn payloads<'a>(exported: &'a ExportedExecution, entries: &'a [Entry]) -> Vec<&'a Payload> {
    let mut payloads: Vec<&Payload> = std::iter::once(&exported.input).chain(&exported.result).collect();
    payloads.extend(exported.waits.iter().flat_map(|wait| wait.default.iter().chain(&wait.answer)));
    payloads.extend(exported.artifacts.iter().map(|artifact| &artifact.payload));
    payloads.extend(entries.iter().flat_map(|entry| entry.body.payloads()));
    payloads
}

pub(super) fn exported_wait(row: WaitRow) -> ExportedWait {
    let (resolution, answer) = match row.resolution {
        None => (None, None),
        Some(Resolution::Answered(value)) => (Some("answered"), Some(value)),
        Some(Resolution::Aborted) => (Some("aborted"), None),
        Some(Resolution::Expired) => (Some("expired"), None),
    };
    let NewWait { call, name, question, schema, metadata, deadline, default } = row.wait;
    let (entered_at, resolved_at, resolution) = (row.entered_at, row.resolved_at, resolution.map(str::to_owned));
    ExportedWait { call, name, question, schema, metadata, deadline, default, entered_at, resolution, answer, resolved_at }
}

pub(super) fn imported_wait(execution: ExecutionId, wait: ExportedWait) -> Result<WaitRow, TransferError> {
    let resolution = match (wait.resolution.as_deref(), wait.answer) {
        (None, _) => None,
        (Some("answered"), Some(value)) => Some(Resolution::Answered(value)),
        (Some("aborted"), _) => Some(Resolution::Aborted),
        (Some("expired"), _) => Some(Resolution::Expired),
        _ => return Err(damaged(format!("a question of {execution}"))),
    };
    let ExportedWait { call, name, question, schema, metadata, deadline, default, entered_at, resolved_at, .. } = wait;
    let wait = NewWait { call, name, question, schema, metadata, deadline, default };
    Ok(WaitRow { id: CallId { execution, index: call }, wait, entered_at, resolution, resolved_at })
}

pub(super) fn exported_artifact(row: ArtifactRow) -> ExportedArtifact {
    let ArtifactRow { call, attempt, ordinal, name, kind, media_type, is_blob, tags, payload, at, .. } = row;
    ExportedArtifact { call, attempt, ordinal, name, kind, media_type, is_blob, tags, payload, at }
}

pub(super) fn imported_artifact(execution: ExecutionId, artifact: ExportedArtifact) -> ArtifactRow {
    let ExportedArtifact { call, attempt, ordinal, name, kind, media_type, is_blob, tags, payload, at } = artifact;
    ArtifactRow { execution, call, attempt, ordinal, name, kind, media_type, is_blob, tags, payload, at }
}

pub(super) fn exported_model_call(row: ModelCallRow) -> ExportedModelCall {
    let ModelCallRow { call, attempt, ordinal, name, flow, day, at, event, usage, events, policies, spent, .. } = row;
    ExportedModelCall { call, attempt, ordinal, name, flow, day, at, event, usage, events, policies, spent }
}

pub(super) fn imported_model_call(execution: ExecutionId, row: ExportedModelCall) -> Result<ModelCallRow, TransferError> {
    let bad = |_| damaged(format!("the record of a model call of {execution}"));
    serde_json::from_str::<Vec<Value>>(&row.usage).map_err(bad)?;
    serde_json::from_str::<Value>(&row.policies).map_err(bad)?;
    row.events.lines().try_for_each(|line| serde_json::from_str::<Value>(line).map(drop)).map_err(bad)?;
    let ExportedModelCall { call, attempt, ordinal, name, flow, day, at, event, usage, events, policies, spent } = row;
    Ok(ModelCallRow { execution, call, attempt, ordinal, name, flow, day, at, event, usage, events, policies, spent })
}

pub(super) fn exported_access(row: AccessRow) -> ExportedAccess {
    let AccessRow { call, attempt, checkpoint, kind, target, allowed, count, first_at, detail, .. } = row;
    ExportedAccess { call, attempt, checkpoint, kind, target, allowed, count, first_at, detail }
}

pub(super) fn imported_access(execution: ExecutionId, row: ExportedAccess) -> Result<AccessRow, TransferError> {
    let ExportedAccess { call, attempt, checkpoint, kind, target, allowed, count, first_at, detail } = row;
    if !AccessKind::ALL.iter().any(|known| known.as_str() == kind) || count == 0 {
        return Err(damaged(format!("the record of an access of {execution}")));
    }
    Ok(AccessRow { execution, call, attempt, checkpoint, kind, target, allowed, count, first_at, detail })
}

pub(super) fn exported_log(row: LogRow) -> ExportedLog {
    let LogRow { call, attempt, ordinal, at, checkpoint, message, .. } = row;
    let (level, source, module) = (row.level.as_str().to_owned(), row.source.as_str().to_owned(), row.module.to_owned());
    ExportedLog { call, attempt, ordinal, at, level, source, checkpoint, module, message }
}

pub(super) fn imported_log(execution: ExecutionId, log: ExportedLog) -> Result<LogRow, TransferError> {
    let unknown = || damaged(format!("a log line of {execution}"));
    let level = LogLevel::parse(&log.level).ok_or_else(unknown)?;
    let source = LogSource::parse(&log.source).ok_or_else(unknown)?;
    let module = ["stdout", "stderr", "log"].into_iter().find(|module| *module == log.module).ok_or_else(unknown)?;
    let ExportedLog { call, attempt, ordinal, at, checkpoint, message, .. } = log;
    Ok(LogRow { execution, call, attempt, ordinal, at, level, source, checkpoint, module, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    fn row() -> ModelCallRow {
        ModelCallRow {
            execution: SystemIds.execution(),
            call: 3,
            attempt: 2,
            ordinal: 1,
            name: "ask".into(),
            flow: "flow".into(),
            day: 20_000,
            at: Timestamp::from_micros(5),
            event: Some(Uuid::from_bytes([7; 16])),
            usage: r#"[{"total":1}]"#.into(),
            events: "{\"a\":1}\n{\"b\":2}\n".into(),
            policies: "{}".into(),
            spent: u64::MAX,
        }
    }

    #[test]
    fn records_of_model_calls_travel_whole() {
        let row = row();
        let text = serde_json::to_string(&exported_model_call(row.clone())).unwrap();
        let read = serde_json::from_str(&text).unwrap();
        assert_eq!(imported_model_call(row.execution, read).unwrap(), row);
    }

    #[test]
    fn records_of_accesses_travel_whole_and_are_checked() {
        let row = AccessRow {
            execution: SystemIds.execution(),
            call: 3,
            attempt: 2,
            checkpoint: "fetch".into(),
            kind: "net".into(),
            target: "a\u{1b}:1".into(),
            allowed: false,
            count: 7,
            first_at: Timestamp::from_micros(5),
            detail: Some("version 2".into()),
        };
        let travelled = |row: AccessRow| {
            let text = serde_json::to_string(&exported_access(row.clone())).unwrap();
            imported_access(row.execution, serde_json::from_str(&text).unwrap())
        };
        assert_eq!(travelled(row.clone()).unwrap(), row);
        for wrong in [AccessRow { kind: "everything".into(), ..row.clone() }, AccessRow { count: 0, ..row }] {
            assert!(matches!(travelled(wrong), Err(TransferError::Damaged(_))));
        }
    }

    #[test]
    fn records_of_model_calls_are_checked() {
        let wrong = [
            ModelCallRow { usage: "{}".into(), ..row() },
            ModelCallRow { usage: "[".into(), ..row() },
            ModelCallRow { policies: String::new(), ..row() },
            ModelCallRow { events: "{}\nno\n".into(), ..row() },
        ];
        for row in wrong {
            let told = format!("{row:?}");
            let refused = imported_model_call(row.execution, exported_model_call(row));
            assert!(matches!(refused, Err(TransferError::Damaged(_))), "{told}");
        }
    }
}
