//! What the machine allows: the disk under SQLite, and wasmtime by itself. Measured between the samples of what they are limits of.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use kitaru_host::sandbox::Sandbox;
use kitaru_host::store::DurabilityMode;
use rusqlite::Connection;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, ResourceTable, ResourceType, TypedFunc,
};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::place::Bench;
use crate::samples::{median, micros};

/// A plain SQLite database with one table, in WAL mode, as durable as the host's.
pub(crate) struct RawSqlite(Connection);

impl RawSqlite {
    /// With `synchronous=FULL`.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, DurabilityMode::Full)
    }

    pub(crate) fn open_with(folder: &Path, durability: DurabilityMode) -> Result<Self> {
        let db = Connection::open(folder.join("raw.db"))?;
        // As large as the host's.
        db.pragma_update(None, "page_size", 2048)?;
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        db.execute_batch(match durability {
            DurabilityMode::Full => "PRAGMA synchronous = FULL",
            DurabilityMode::Process => "PRAGMA synchronous = NORMAL",
        })?;
        db.execute_batch("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, bytes BLOB)")?;
        Ok(Self(db))
    }

    /// What is in a row, in bytes.
    pub(crate) const ROW: usize = 200;

    /// Microseconds for each of `count` transactions of `rows` rows.
    pub(crate) fn commits(&self, count: u64, rows: u64) -> Result<Vec<f64>> {
        let mut samples = Vec::new();
        for _ in 0..count {
            let started = Instant::now();
            self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            for _ in 0..rows {
                self.0.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)")?.execute([[7_u8; Self::ROW]])?;
            }
            self.0.prepare_cached("COMMIT")?.execute([])?;
            samples.push(micros(started.elapsed()));
        }
        Ok(samples)
    }

    /// Microseconds that one row takes, committed by itself.
    pub(crate) fn commit(&self, count: u64) -> Result<f64> {
        Ok(median(&mut self.commits(count, 1)?))
    }

    /// Rows a second in transactions of so many.
    pub(crate) fn rate(&self, count: u64, rows: u64) -> Result<f64> {
        let commits = self.commits(count, rows)?;
        Ok(commits.len() as f64 * rows as f64 * 1e6 / commits.iter().sum::<f64>())
    }
}

/// What the guest's handles are of.
struct Nothing;

struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
    /// What durable calls come to, in turn.
    answers: std::vec::IntoIter<String>,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// wasmtime by itself: the same component in an engine that is configured by the host's own function, nothing behind its own imports, WASI as
/// wasmtime brings it. What need not be done for each instance is done before, and what a body is given is made before its time is taken.
pub(crate) struct BareWasmtime {
    engine: Engine,
    pre: InstancePre<Bare>,
    run_checkpoint: ComponentExportIndex,
    run_flow: ComponentExportIndex,
}

/// What both run functions return, and durable calls.
type Returned = (std::result::Result<String, Failure>,);

/// Of a checkpoint call.
#[derive(ComponentType, Lift)]
#[component(record)]
#[expect(dead_code, reason = "the component's type has more than is said of it")]
struct Options {
    id: Option<String>,
    #[component(name = "cache-key")]
    cache_key: Option<String>,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Failure {
    kind: String,
    message: String,
    origin: Origin,
    retryable: bool,
    #[component(name = "call-index")]
    call_index: Option<u32>,
    details: Option<String>,
}

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "a component makes them")]
enum Origin {
    #[component(name = "user-code")]
    UserCode,
    #[component(name = "runtime")]
    Runtime,
    #[component(name = "backend")]
    Backend,
    #[component(name = "divergence")]
    Divergence,
    #[component(name = "unknown")]
    Unknown,
}

/// What a durable call comes to.
fn answer(mut store: StoreContextMut<'_, Bare>, _: (String, String, Options)) -> wasmtime::Result<Returned> {
    let answer = store.data_mut().answers.next();
    Ok((Ok(answer.ok_or_else(|| wasmtime::Error::msg("more calls than answers"))?),))
}

impl BareWasmtime {
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let guest = std::fs::read(&bench.guest)?;
        bench.runtime.block_on(Self::set_up(&guest)).map_err(|error| anyhow!("{error:?}"))
    }

    async fn set_up(guest: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(&Sandbox::configuration())?;
        let component = Component::from_binary(&engine, guest)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        for (interface, item) in component.component_type().imports(&engine) {
            if let (true, ComponentItem::ComponentInstance(exports)) = (interface.starts_with("kitaru:"), item.ty) {
                let mut linked = linker.instance(interface)?;
                for (name, export) in exports.exports(&engine) {
                    match export.ty {
                        ComponentItem::ComponentFunc(_) if (interface, name) == ("kitaru:flow/checkpoint@0.1.0", "call") => {
                            linked.func_wrap(name, answer)?;
                        }
                        ComponentItem::ComponentFunc(_) => {
                            linked.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg("nothing is behind it")))?;
                        }
                        ComponentItem::Resource(_) => {
                            linked.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                        }
                        _ => {}
                    }
                }
            }
        }
        let pre = linker.instantiate_pre(&component)?;
        let missing = || wasmtime::Error::msg("the component does not export what it is to");
        let program = component.get_export_index(None, "kitaru:flow/program@0.1.0").ok_or_else(missing)?;
        let run_checkpoint = component.get_export_index(Some(&program), "run-checkpoint").ok_or_else(missing)?;
        let run_flow = component.get_export_index(Some(&program), "run-flow").ok_or_else(missing)?;
        let made = Self { engine, pre, run_checkpoint, run_flow };
        // The types of its exports, once: they are the same in every instance.
        let mut store = made.store(fresh(Vec::new()));
        let instance = made.pre.instantiate_async(&mut store).await?;
        for function in [&made.run_checkpoint, &made.run_flow] {
            instance.get_typed_func::<(&str, &str), Returned>(&mut store, function)?;
        }
        Ok(made)
    }

    fn store(&self, state: Bare) -> Store<Bare> {
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(u64::MAX / 2);
        store
    }

    /// Microseconds that a flow of so many checkpoint calls takes if they are answered at once, with nothing behind them.
    pub(crate) async fn answered_calls(&self, steps: u64) -> Result<f64> {
        let answers: Vec<String> = (1..=steps).map(|step| (step * (step + 1) / 2).to_string()).collect();
        let expected = answers.last().cloned().unwrap_or_else(|| "0".to_owned());
        let state = fresh(answers);
        let input = format!(r#"{{"steps":{steps}}}"#);
        let started = Instant::now();
        let returned = self.call(&self.run_flow, "sequence", &input, state).await;
        let time = micros(started.elapsed());
        let value = returned.map_err(|error| anyhow!("{error:?}"))?.map_err(|failure| anyhow!("{}", failure.message))?;
        ensure!(value == expected, "{value}");
        Ok(time)
    }

    /// Microseconds to instantiate the component, call a checkpoint in it, and drop it.
    pub(crate) async fn instantiate_and_call(&self, name: &str, input: &str, expected: &str) -> Result<f64> {
        let state = fresh(Vec::new());
        let started = Instant::now();
        let returned = self.call(&self.run_checkpoint, name, input, state).await.map_err(|error| anyhow!("{error:?}"))?;
        let time = micros(started.elapsed());
        let value = returned.map_err(|failure| anyhow!("{}: {}", failure.kind, failure.message))?;
        ensure!(value == expected, "{value}");
        Ok(time)
    }

    #[expect(unsafe_code, reason = "what code that is generated for a component's exports does too")]
    async fn call(
        &self,
        function: &ComponentExportIndex,
        name: &str,
        input: &str,
        state: Bare,
    ) -> wasmtime::Result<std::result::Result<String, Failure>> {
        let mut store = self.store(state);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let missing = || wasmtime::Error::msg("the component does not export what it is to");
        let function = instance.get_func(&mut store, function).ok_or_else(missing)?;
        // SAFETY: it was found to be of this type when this was set up, and every instance is of the same component.
        let function = unsafe { TypedFunc::<(&str, &str), Returned>::new_unchecked(function) };
        let (returned,) = function.call_async(&mut store, (name, input)).await?;
        Ok(returned)
    }
}

/// What belongs to a fresh instance.
fn fresh(answers: Vec<String>) -> Bare {
    Bare { wasi: WasiCtx::builder().build(), table: ResourceTable::new(), answers: answers.into_iter() }
}
