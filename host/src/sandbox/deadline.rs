//! Interruption: a thread moves the engine's epoch on, and at every tick a computing guest yields and is checked against its deadline. So a
//! spinning guest neither blocks others nor outlives its limit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use wasmtime::{Engine, EngineWeak, Store, UpdateDeadline};

use super::limits::LimitReached;
use super::port::Scope;
use super::reached::reached;
use super::state::HostState;
use super::turns::{Turn, Turns};
use crate::mutex::lock;

const TICK: Duration = Duration::from_millis(5);
/// Whoever has computed for so many ticks on end does so for long.
const LONG: u32 = 2;

/// Moves the epoch of all engines on, for as long as it lives and any instance does: where nothing runs, nothing wakes up.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    instances: AtomicUsize,
    engines: Mutex<Vec<EngineWeak>>,
    turns: Arc<Turns>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        let thread = std::thread::Builder::new().name("kitaru-epoch".into()).spawn(move || {
            while !ours.is_over.load(Ordering::Acquire) {
                if ours.instances.load(Ordering::Acquire) == 0 {
                    std::thread::park();
                    continue;
                }
                std::thread::sleep(TICK);
                ours.turns.tick();
                let engines = lock(&ours.engines);
                engines.iter().filter_map(EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
            }
        })?;
        let ticker = Self { shared, thread: thread.thread().clone() };
        ticker.watch(engine);
        Ok(ticker)
    }

    /// One more engine whose instances are to be interrupted.
    pub(super) fn watch(&self, engine: &Engine) {
        lock(&self.shared.engines).push(engine.weak());
    }

    /// The turns of all instances.
    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.shared.turns
    }

    /// An instance begins. Its engine's epoch moves on until the answer is dropped.
    pub(super) fn instance(&self) -> Ticking {
        if self.shared.instances.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// An instance that can be interrupted.
pub(super) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes `store` yield at each tick and end at its deadline.
pub(super) fn watch(store: &mut Store<HostState>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| {
        let state = context.data_mut();
        // What it waited for memory is no time of its own.
        state.deadline += state.limiter.take_waited();
        // Asked once: it is a call of the system.
        let used = state.cpu.used_now();
        let computes_for_long = computes_for_long(state, used);
        if let Some(text) = over_cpu_time(state, used) {
            return Err(LimitReached(text).into());
        }
        if Instant::now() < state.deadline {
            return Ok(match state.cpu.turn().filter(|_| computes_for_long) {
                Some(turn) => UpdateDeadline::YieldCustom(1, Turn::next(turn)),
                None => UpdateDeadline::Yield(1),
            });
        }
        let text = match state.scope() {
            Scope::Flow => {
                reached("flow_seconds");
                let seconds = state.limits.flow_seconds;
                format!("it computed for more than {seconds} s between two durable calls (limit `flow_seconds`)")
            }
            Scope::Checkpoint => over_time(state.limits.checkpoint_seconds),
            Scope::Middleware => "it computed for longer than its time limit allows (`timeout_ms`)".into(),
            Scope::Describe => "`describe` took too long".into(),
        };
        Err(LimitReached(text).into())
    });
}

/// Whether an instance has computed for some ticks on end, most of what it can have waited in them being for its turn; and, if it is a flow, without a
/// durable call in between.
fn computes_for_long(state: &mut HostState, used: Duration) -> bool {
    let Some(turn) = state.cpu.turn() else { return false };
    let computed = used.saturating_sub(std::mem::replace(&mut state.cpu_at_tick, used));
    state.ticks_computed = if state.is_new_stretch || computed < TICK / 4 { 0 } else { state.ticks_computed.saturating_add(1) };
    let does = state.ticks_computed >= LONG;
    turn.computes_for_long(does);
    does
}

/// The sentence for an instance that computed for too long, if this one has: a checkpoint in all, a flow since its last durable call.
fn over_cpu_time(state: &mut HostState, used: Duration) -> Option<String> {
    let after = match state.scope() {
        Scope::Flow => "between two durable calls ",
        Scope::Checkpoint => "",
        // Others wait for them, and their own time is short.
        Scope::Middleware | Scope::Describe => return None,
    };
    if std::mem::take(&mut state.is_new_stretch) {
        state.cpu_before = used;
    }
    if used.saturating_sub(state.cpu_before) <= state.limits.cpu_time() {
        return None;
    }
    reached("cpu_seconds");
    Some(format!("it used more than {} s of computing time {after}(limit `cpu_seconds`)", state.limits.cpu_seconds))
}

/// The sentence for a checkpoint that took too long.
pub(super) fn over_time(seconds: u64) -> String {
    reached("checkpoint_seconds");
    format!("it took more than {seconds} s (limit `checkpoint_seconds`)")
}
