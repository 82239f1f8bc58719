//! What a call out of a component costs at least: one import that takes a number and gives one, with nothing behind it.

use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use kitaru_host::sandbox::Sandbox;
use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Engine, Store};

use crate::samples::micros;

const COMPONENT: &str = r#"
(component
  (import "ask" (func $ask (param "number" u32) (result u32)))
  (core func $asked (canon lower (func $ask)))
  (core module $code
    (import "host" "ask" (func $ask (param i32) (result i32)))
    (func (export "run") (param $left i32) (result i32)
      (local $sum i32)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (local.set $sum (i32.add (local.get $sum) (call $ask (local.get $left))))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))
      (local.get $sum)))
  (core instance $made (instantiate $code (with "host" (instance (export "ask" (func $asked))))))
  (func (export "run") (param "calls" u32) (result u32) (canon lift (core func $made "run"))))
"#;

/// An instance of it, in an engine that is configured as the host's.
pub(crate) struct ImportCall {
    store: Store<()>,
    run: TypedFunc<(u32,), (u32,)>,
}

impl ImportCall {
    pub(crate) fn new() -> Result<Self> {
        Self::set_up().map_err(|error| anyhow!("{error:?}"))
    }

    fn set_up() -> wasmtime::Result<Self> {
        let engine = Engine::new(&Sandbox::configuration())?;
        let component = Component::new(&engine, COMPONENT)?;
        let mut linker = Linker::new(&engine);
        linker.root().func_wrap("ask", |_, (number,): (u32,)| Ok((number & 1,)))?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let run = linker.instantiate(&mut store, &component)?.get_typed_func(&mut store, "run")?;
        Ok(Self { store, run })
    }

    /// Nanoseconds that each of so many calls takes.
    pub(crate) fn calls(&mut self, count: u32) -> Result<f64> {
        let started = Instant::now();
        let sum = self.run.call(&mut self.store, (count,));
        let time = micros(started.elapsed());
        let (sum,) = sum.map_err(|error| anyhow!("{error:?}"))?;
        ensure!(sum == count.div_ceil(2), "the calls came to {sum}");
        Ok(time * 1e3 / f64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_answered() {
        assert!(ImportCall::new().unwrap().calls(1_001).unwrap() > 0.0);
    }
}
