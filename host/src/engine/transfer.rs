//! Executions on the way to another store: everything about them in one archive, and back.
//!
//! The archive is a tar file: `export.json` (the format), and for each execution `executions/<id>.json` (row, questions, artifacts, model calls, accesses, logs)
//! and `journals/<id>.bin` (the records as they are stored); then `components/<digest>.wasm`, their `signatures/`, and `blobs/<hash>`. Whatever is named by its
//! content is checked against its name, and journals against their hash chain, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use kitaru_llm::models::FrozenModels;

use super::archive::{
    ExportedExecution, FORMAT, Header, TransferError, add, check_journal, damaged, exported_access, exported_artifact,
    exported_log, exported_model_call, exported_wait, imported_access, imported_artifact, imported_log, imported_model_call,
    imported_wait, incomplete, is_signature_of, pack, payloads, read_archive, signature_file, unpack,
};
use super::{Engine, EngineError, FrozenSpec, Starter};
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::journal::{Payload, PayloadHash, ReplayPlan, decode};
use crate::sandbox::{Grants, Limits};
use crate::store::{ExecutionRow, ImportedExecution, LogFilter, NewExecution, Status, StoreError};

/// What an import brought.
#[derive(Debug)]
pub struct Imported {
    /// The executions that are new here.
    pub executions: Vec<ExecutionId>,
    /// Those that were here already, and were left as they are.
    pub known: Vec<ExecutionId>,
    /// Those whose grants, limits over the defaults, or models were left out.
    pub narrowed: Vec<ExecutionId>,
}

impl Engine {
    /// Writes executions, and those that they replay, with all that they need, to `out`.
    ///
    /// # Errors
    /// When one does not exist or cannot be read, or `out` cannot be written.
    pub async fn export(&self, ids: &[ExecutionId], out: &mut (impl Write + Send)) -> Result<Vec<ExecutionId>, EngineError> {
        let mut archive = tar::Builder::new(out);
        let mut left: Vec<ExecutionId> = ids.to_vec();
        let mut done: Vec<ExecutionId> = Vec::new();
        let (mut blobs, mut components) = (BTreeSet::new(), BTreeSet::new());
        while let Some(id) = left.pop() {
            if done.contains(&id) {
                continue;
            }
            let row = match self.store.execution(id).await {
                // The execution that one replays may have been deleted: what was served from it is in the replay's own journal.
                Err(StoreError::NotFound { .. }) if !ids.contains(&id) => continue,
                row => row?,
            };
            left.extend(row.new.original);
            components.insert(row.new.component.to_string());
            let journal = self.store.entries(id, 0, u64::MAX).await?;
            let decoded = journal.iter().map(|record| {
                decode(&record.bytes).map_err(|source| EngineError::Record { execution: id, seq: record.seq, source })
            });
            let entries = decoded.collect::<Result<Vec<_>, _>>()?;
            let exported = self.exported(&row).await?;
            for payload in payloads(&exported, &entries) {
                if let Payload::Blob { hash, .. } = payload {
                    blobs.insert(hash.to_string());
                }
            }
            let text = serde_json::to_vec(&exported).map_err(|error| damaged(format!("execution {id}: {error}")))?;
            add(&mut archive, &format!("executions/{id}.json"), &text)?;
            add(&mut archive, &format!("journals/{id}.bin"), &pack(&journal)?)?;
            done.push(id);
        }
        for digest in &components {
            let digest: ComponentDigest = digest.parse().map_err(|error| damaged(format!("component {digest}: {error}")))?;
            add(&mut archive, &format!("components/{digest}.wasm"), &self.store.get_component(digest).await?)?;
            for text in self.store.signatures(digest).await? {
                add(&mut archive, &signature_file(digest, &text), text.as_bytes())?;
            }
        }
        for text in &blobs {
            let hash: PayloadHash = text.parse().map_err(|_| damaged(format!("blob {text}")))?;
            add(&mut archive, &format!("blobs/{text}"), &self.store.get_blob(&hash).await?)?;
        }
        // Last, so that an archive that was cut short has none.
        let executions = done.iter().map(ToString::to_string).collect();
        let header = Header { format: FORMAT, host_version: env!("CARGO_PKG_VERSION").to_owned(), executions };
        let header = serde_json::to_vec(&header).map_err(|error| damaged(error.to_string()))?;
        add(&mut archive, "export.json", &header)?;
        archive.into_inner().and_then(|out| out.flush()).map_err(TransferError::Archive)?;
        Ok(done)
    }

    async fn exported(&self, row: &ExecutionRow) -> Result<ExportedExecution, EngineError> {
        let id = row.new.id;
        let waits = self.store.waits(id).await?.into_iter().map(exported_wait).collect();
        let artifacts = self.store.artifacts(id).await?.into_iter().map(exported_artifact).collect();
        let model_calls = self.store.model_calls(id).await?.into_iter().map(exported_model_call).collect();
        let accesses = self.store.accesses(id).await?.into_iter().map(exported_access).collect();
        let logs = self.store.logs(id, &LogFilter::default()).await?.into_iter().map(|stored| exported_log(stored.row)).collect();
        let NewExecution { flow, component, input, seed, created_at, flow_epoch, original, parent, depth, tags, .. } =
            row.new.clone();
        let NewExecution { replay_plan, frozen_spec, .. } = row.new.clone();
        Ok(ExportedExecution {
            flow,
            component: component.to_string(),
            input,
            seed,
            created_at,
            flow_epoch,
            original,
            parent: parent.map(|call| (call.execution, call.index)),
            depth,
            tags,
            replay_plan,
            frozen_spec,
            status: row.status.as_str().to_owned(),
            status_reason: row.status_reason.clone(),
            ended_at: row.ended_at,
            result: row.result.clone(),
            failure: row.failure.clone(),
            metadata: row.metadata.clone(),
            waits,
            artifacts,
            model_calls,
            accesses,
            logs,
        })
    }

    /// Reads an archive that [`Engine::export`] wrote. What its executions may touch was granted elsewhere: it does not count here, unless
    /// `trusted`. An execution that had not ended there is `cancelled` here: it goes on where it was,
    /// and here it can be inspected, verified and replayed. Executions that are here already are left as they are.
    ///
    /// # Errors
    /// When the archive is not whole, not what it says, or cannot be stored: then no execution was added.
    pub async fn import(&self, archive: impl Read + Send, trusted: bool) -> Result<Imported, EngineError> {
        let mut files = read_archive(archive)?;
        let header = files.remove("export.json").ok_or_else(|| incomplete("it ends before its end"))?;
        let header: Header = serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
        if header.format != FORMAT {
            return Err(TransferError::NewerFormat(header.format).into());
        }
        let mut bundle = Vec::new();
        let mut imported = Imported { executions: Vec::new(), known: Vec::new(), narrowed: Vec::new() };
        for text in &header.executions {
            let id: ExecutionId = text.parse().map_err(|_| damaged(format!("`{text}` is no execution ID")))?;
            match self.store.execution(id).await {
                Ok(_) => imported.known.push(id),
                Err(StoreError::NotFound { .. }) => {
                    let mut execution = self.imported(id, &files)?;
                    if narrow(&mut execution, trusted)? {
                        imported.narrowed.push(id);
                    }
                    bundle.push(execution);
                    imported.executions.push(id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (name, bytes) in &files {
            if name.starts_with("components/") {
                let digest = ComponentDigest::of(bytes).to_string();
                let signatures = files.iter().filter(|(name, _)| is_signature_of(name, &digest));
                signatures.for_each(|(_, text)| self.offer_signature(bytes, String::from_utf8_lossy(text).into_owned()));
                self.admit(bytes).await?;
            }
        }
        // What rows name is there before them.
        for (name, bytes) in &files {
            if name.starts_with("blobs/") {
                self.store.put_blob(bytes.clone()).await?;
            } else if name.starts_with("components/") {
                self.keep_component(bytes).await?;
            }
        }
        self.store.import(bundle).await?;
        Ok(imported)
    }

    fn imported(&self, id: ExecutionId, files: &BTreeMap<String, Vec<u8>>) -> Result<ImportedExecution, EngineError> {
        let file = |name: String| files.get(&name).ok_or_else(|| incomplete(&format!("`{name}` is missing")));
        let text = file(format!("executions/{id}.json"))?;
        let exported: ExportedExecution =
            serde_json::from_slice(text).map_err(|error| damaged(format!("execution {id}: {error}")))?;
        let journal = unpack(file(format!("journals/{id}.bin"))?)?;
        let entries = check_journal(id, &journal)?;
        let component: ComponentDigest = exported.component.parse().map_err(|_| damaged(format!("the component of {id}")))?;
        file(format!("components/{component}.wasm"))?;
        let mut blobs = Vec::new();
        for payload in payloads(&exported, &entries) {
            if let Payload::Blob { hash, .. } = payload {
                file(format!("blobs/{hash}"))?;
                blobs.push(*hash);
            }
        }
        let status = Status::parse(&exported.status).ok_or_else(|| damaged(format!("the status of {id}")))?;
        let ended = status.is_terminal();
        let ExportedExecution { flow, input, seed, created_at, flow_epoch, original, depth, tags, .. } = exported;
        let new = NewExecution {
            id,
            flow,
            component,
            input,
            seed,
            created_at,
            flow_epoch,
            original,
            // Its parent waits for it elsewhere.
            parent: exported.parent.map(|(execution, index)| CallId { execution, index }),
            // What its tree spent was spent there, and nothing that a file says draws on what somebody here may spend.
            root: None,
            depth,
            tags,
            replay_plan: exported.replay_plan,
            frozen_spec: exported.frozen_spec,
        };
        let reason = (!ended).then(|| format!("imported while {status}"));
        Ok(ImportedExecution {
            status: if ended { status } else { Status::Cancelled },
            status_reason: exported.status_reason.or(reason),
            ended_at: exported.ended_at.or((!ended).then(|| self.clock.now())),
            result: exported.result,
            failure: exported.failure,
            metadata: exported.metadata,
            waits: exported.waits.into_iter().map(|wait| imported_wait(id, wait)).collect::<Result<_, _>>()?,
            artifacts: exported.artifacts.into_iter().map(|artifact| imported_artifact(id, artifact)).collect(),
            model_calls: exported.model_calls.into_iter().map(|row| imported_model_call(id, row)).collect::<Result<_, _>>()?,
            accesses: exported.accesses.into_iter().map(|row| imported_access(id, row)).collect::<Result<_, _>>()?,
            logs: exported.logs.into_iter().map(|log| imported_log(id, log)).collect::<Result<_, _>>()?,
            journal,
            blobs,
            new,
        })
    }
}

/// Checks what an execution says about itself, and leaves out what nobody granted here, unless that is trusted. Tells whether something was.
fn narrow(execution: &mut ImportedExecution, trusted: bool) -> Result<bool, EngineError> {
    let id = execution.new.id;
    let bad = |what: &str| damaged(format!("the {what} of {id}"));
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&execution.metadata).map_err(|_| bad("metadata"))?;
    if let Some(plan) = &execution.new.replay_plan {
        serde_json::from_str::<ReplayPlan>(plan).map_err(|_| bad("replay plan"))?;
    }
    let spec: FrozenSpec = serde_json::from_str(&execution.new.frozen_spec).map_err(|_| bad("configuration"))?;
    if trusted {
        return Ok(false);
    }
    // An alias names an address and a secret of this host: whoever made the file could have a key sent anywhere.
    let models = FrozenModels::default();
    let limits = spec.limits.at_most(Limits::default());
    // What a file says of trees is no reason to look into those that are here.
    let starter = spec.starter.clone().map(|starter| Starter { trees: Vec::new(), ..starter });
    let narrowed = FrozenSpec { grants: Grants::default(), limits, models, starter, ..spec.clone() };
    execution.new.frozen_spec = narrowed.to_text(id)?;
    Ok(narrowed != spec)
}
