//! `kitaru:flow/secrets`.

use super::answer;
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::secrets::Host;
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn get(&mut self, name: String, key: Option<String>) -> wasmtime::Result<Result<String, types::Failure>> {
        let secrets = self.secrets.clone();
        let Port::Checkpoint(port) = &mut self.port else {
            return Ok(Err(Failure::context("secret() can only be called inside a checkpoint.").into()));
        };
        // Only what is granted is looked for: whether a secret is there is nobody's business either.
        let key = match secrets.may_use(&name, key.as_deref()) {
            Ok(key) => key,
            Err(failure) => return Ok(Err(failure.into())),
        };
        let given = port.open_secret(name.clone(), key).await.map(|opened| opened.and_then(|opened| secrets.give(&name, opened)));
        answer(given, |text| text)
    }
}
