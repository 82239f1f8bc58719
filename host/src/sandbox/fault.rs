//! What ended a guest, where it is none of the traps that WebAssembly names: the canonical ABI, WASI and the limits of the engine tell it with
//! errors of types that are not public, or with none.
//!
//! While a guest runs, whatever the host is handed comes from the guest. So an error that nobody claims is the guest's own doing, such as a
//! pointer beyond the end of its memory or a handle that it never had; what is the host's or the machine's fault says so with a type.

use super::refused::Refused;

/// The machine or the host failed, and the guest has no part in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HostFault(pub(super) &'static str);

/// Whose fault an error is that has no type of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The guest broke a rule of the component model, or misused WASI.
    Guest,
    /// The guest took more than there is for one instance.
    Limit(Refused),
    /// The host could not do its part.
    Host,
}

/// Tells whose fault `error` is.
pub(super) fn of(error: &wasmtime::Error) -> Fault {
    if error.downcast_ref::<HostFault>().is_some() || error.downcast_ref::<std::io::Error>().is_some() {
        return Fault::Host;
    }
    Refused::of(error).map_or(Fault::Guest, Fault::Limit)
}

/// What a guest did, for people: the innermost cause, which is one line.
pub(super) fn cause(error: &wasmtime::Error) -> String {
    const LONGEST: usize = 1024;
    let mut cause = error.root_cause().to_string();
    cause.truncate(cause.floor_char_boundary(LONGEST));
    cause
}

#[cfg(test)]
mod tests {
    use wasmtime::component::ResourceTableError;

    use super::*;

    #[test]
    fn what_nobody_claims_is_the_guests() {
        assert_eq!(of(&wasmtime::Error::msg("pointer out of bounds of memory")), Fault::Guest);
        let machine = wasmtime::Error::msg("mmap failed").context(HostFault("the machine has no memory for it"));
        assert_eq!(of(&machine), Fault::Host);
        assert!(matches!(of(&ResourceTableError::Full.into()), Fault::Limit(_)));
        assert_eq!(of(&ResourceTableError::NotPresent.into()), Fault::Guest);
        let handles = wasmtime::Error::msg("cannot allocate another handle: store handle limit exceeded").context("backtrace");
        assert!(matches!(of(&handles), Fault::Limit(_)));
    }
}
