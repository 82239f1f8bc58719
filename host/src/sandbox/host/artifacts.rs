//! `kitaru:flow/artifacts`.

use super::{answer, check_json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::artifacts::{Blob, Host, Value};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::limits::Limits;
use crate::sandbox::port::ArtifactValue;
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn save(
        &mut self,
        name: String,
        value: Value,
        kind: String,
        tags: Vec<String>,
    ) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, value);
        let Port::Checkpoint(port) = &mut self.port else {
            return Ok(Err(Failure::context("save() can only be called inside a checkpoint.").into()));
        };
        let result = match decoded {
            Ok(value) => port.save(name, value, kind, tags).await,
            Err(failure) => Ok(Err(failure)),
        };
        answer(result, |id| id)
    }

    async fn load(&mut self, execution_id: String, name: String) -> wasmtime::Result<Result<Value, types::Failure>> {
        let Port::Checkpoint(port) = &mut self.port else {
            return Ok(Err(Failure::context("load() can only be called inside a checkpoint.").into()));
        };
        answer(port.load(execution_id, name).await, |value| match value {
            ArtifactValue::Json(text) => Value::Json(text),
            ArtifactValue::Blob { media_type, bytes } => Value::Blob(Blob { media_type, bytes }),
        })
    }
}

pub(super) fn decode(limits: &Limits, value: Value) -> Result<ArtifactValue, Failure> {
    match value {
        Value::Json(text) => {
            limits.check_artifact(text.len())?;
            check_json("the artifact", &text)?;
            Ok(ArtifactValue::Json(text))
        }
        Value::Blob(Blob { media_type, bytes }) => {
            limits.check_artifact(bytes.len())?;
            Ok(ArtifactValue::Blob { media_type, bytes })
        }
    }
}
