//! `wasi:clocks/monotonic-clock`, over the library's own, because its timers sleep in real time even where the clock is virtual: in flow
//! scope that would make the clock of the world visible (E6).

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Host};

use crate::sandbox::limits::LimitReached;
use crate::sandbox::port::Scope;
use crate::sandbox::state::HostState;

struct Clocks<'a>(&'a mut HostState);

struct HasClocks;

impl HasData for HasClocks {
    type Data<'a> = Clocks<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<HostState, HasClocks>(linker, |state| Clocks(state))
}

impl Clocks<'_> {
    fn timer(&self, waits: bool) -> wasmtime::Result<()> {
        let text = match self.0.scope() {
            _ if !waits => return Ok(()),
            Scope::Checkpoint => return Ok(()),
            Scope::Middleware => "middleware cannot sleep",
            _ => "a flow cannot sleep through WASI: use the durable `sleep` of the flow, or sleep in a checkpoint",
        };
        Err(LimitReached(text.into()).into())
    }
}

impl Host for Clocks<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.0.clocks().now()
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.0.clocks().resolution()
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.0.clocks().now()?;
        self.timer(when > now)?;
        self.0.clocks().subscribe_instant(when)
    }

    fn subscribe_duration(&mut self, nanoseconds: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.timer(nanoseconds > 0)?;
        self.0.clocks().subscribe_duration(nanoseconds)
    }
}
