//! Limits that wasmtime keeps itself, and whose errors have no public type.
//!
//! They are told by the name of the error's own type, or by the whole of what it says, never by a part of a text that a guest may have
//! written. A test makes each of them happen, so that a version that says otherwise is noticed.

use wasmtime::component::ResourceTableError;

use super::limits::Limits;
use super::reached::reached;

/// What is said of handles of a component's own.
const HANDLES: [&str; 2] =
    ["cannot allocate another handle: store handle limit exceeded", "cannot lend resource: store handle limit exceeded"];

/// What wasmtime refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The arguments of one call take too much.
    Argument,
    /// The component has too many core instances, memories or tables.
    Parts,
    /// The guest holds too many handles.
    Handles,
}

impl Refused {
    /// What `error` says was refused, if that is one of these.
    pub(super) fn of(error: &wasmtime::Error) -> Option<Self> {
        if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
            return Some(Self::Handles);
        }
        let cause = error.root_cause();
        // A type without fields: its form for debugging is its name.
        let (name, text) = (format!("{cause:?}"), cause.to_string());
        if name == "HostcallFuelExhausted" && text != name {
            return Some(Self::Argument);
        }
        let parts = ["instance", "memory", "table"];
        let count = text.strip_prefix("resource limit exceeded: ").and_then(|rest| rest.split_once(" count too high at "));
        if count.is_some_and(|(what, count)| parts.contains(&what) && count.parse::<u64>().is_ok()) {
            return Some(Self::Parts);
        }
        HANDLES.contains(&text.as_str()).then_some(Self::Handles)
    }

    /// Counts it, and says so.
    pub(super) fn reached(self, limits: &Limits) -> String {
        match self {
            Self::Argument => {
                reached("argument_mib");
                limits.over_argument()
            }
            Self::Parts => {
                reached("instances");
                let limit = limits.instances;
                format!("its component has more core instances, memories or tables than the limit `instances` of {limit}")
            }
            Self::Handles => {
                reached("handles");
                "it holds more handles on files, streams, calls and the like than there may be at a time".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};
    use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};

    use super::*;

    const CALLS_WITH_TEXT: &str = r#"(component
        (import "take" (func $take (param "text" string)))
        (core module $memory
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
        (core instance $memory (instantiate $memory))
        (core func $lowered (canon lower (func $take) (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        (core module $main
            (import "host" "take" (func $take (param i32 i32)))
            (func (export "run") (call $take (i32.const 0) (i32.const 1000))))
        (core instance $main (instantiate $main (with "host" (instance (export "take" (func $lowered))))))
        (func (export "run") (canon lift (core func $main "run"))))"#;

    /// Runs the component with so much for arguments, and within these limits.
    fn run(fuel: usize, limits: StoreLimits) -> wasmtime::Result<()> {
        let engine = Engine::default();
        let component = Component::new(&engine, CALLS_WITH_TEXT)?;
        let mut linker = Linker::new(&engine);
        linker.root().func_wrap("take", |_, (text,): (String,)| {
            assert_eq!(text.len(), 1000);
            Ok(())
        })?;
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        store.set_hostcall_fuel(fuel);
        let instance = linker.instantiate(&mut store, &component)?;
        instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())
    }

    #[test]
    fn what_wasmtime_refuses_is_told_by_name() {
        run(1_000, StoreLimits::default()).unwrap();
        let argument = run(999, StoreLimits::default()).unwrap_err();
        assert_eq!(Refused::of(&argument), Some(Refused::Argument), "{argument:?}");
        for limits in [StoreLimitsBuilder::new().instances(1), StoreLimitsBuilder::new().memories(0)] {
            let parts = run(1_000, limits.build()).unwrap_err();
            assert_eq!(Refused::of(&parts), Some(Refused::Parts), "{parts:?}");
        }
        let full = wasmtime::Error::from(ResourceTableError::Full).context("while it opened a file");
        assert_eq!(Refused::of(&full), Some(Refused::Handles));
    }

    #[test]
    fn what_a_guest_may_have_written_is_not_taken_for_it() {
        for text in [
            "HostcallFuelExhausted",
            "resource limit exceeded: memory",
            "it says: resource limit exceeded: instance count too high at 9",
        ] {
            assert_eq!(Refused::of(&wasmtime::Error::msg(text)), None, "{text}");
        }
    }

    #[test]
    fn each_names_its_limit() {
        let limits = Limits { argument_mib: Some(3), instances: 7, ..Limits::default() };
        assert!(Refused::Argument.reached(&limits).contains("`argument_mib` of 3 MiB"));
        assert!(Refused::Parts.reached(&limits).contains("`instances` of 7"));
    }
}
