//! Interruption: a thread moves the engine's epoch on, and at every tick a computing guest yields and is checked against its deadline. So a
//! spinning guest neither blocks others nor outlives its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{Engine, Store, UpdateDeadline};

use super::limits::LimitReached;
use super::port::Scope;
use super::state::HostState;

const TICK: Duration = Duration::from_millis(5);

/// Moves the epoch on for as long as it lives.
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (engine.weak(), stop.clone());
        std::thread::Builder::new().name("kitaru-epoch".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Makes `store` yield at each tick and end at its deadline.
pub(super) fn watch(store: &mut Store<HostState>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        let state = context.data();
        if Instant::now() < state.deadline {
            return Ok(UpdateDeadline::Yield(1));
        }
        let text = match state.scope() {
            Scope::Flow => format!(
                "it computed for more than {} s between two durable calls (limit `flow_seconds`)",
                state.limits.flow_seconds
            ),
            Scope::Checkpoint => over_time(state.limits.checkpoint_seconds),
            Scope::Describe => "`describe` took too long".into(),
        };
        Err(LimitReached(text).into())
    });
}

/// The sentence for a checkpoint that took too long.
pub(super) fn over_time(seconds: u64) -> String {
    format!("it took more than {seconds} s (limit `checkpoint_seconds`)")
}
