//! What components run in: one sandbox for all inputs, because making one takes longer than most inputs.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use kitaru_host::sandbox::Sandbox;
use tokio::runtime::{Builder, Runtime};

pub(super) fn sandbox() -> &'static Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(None, [0; 32]).expect("this machine runs WebAssembly"))
}

/// Runs a future to its end.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME
        .get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be made"));
    runtime.block_on(future)
}
