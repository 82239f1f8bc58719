//! Files that the process may have open: each connection is one, and the store needs its own.

/// What is kept for everything else than connections.
const OTHERS: u64 = 512;

/// How many of so many connections the system lets the process have, once it has asked for as many files as it gets.
pub(super) fn connections(wanted: usize) -> usize {
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let allowed = allowed(wanted.saturating_add(OTHERS));
    let most = wanted.min(allowed.saturating_sub(OTHERS.min(allowed / 2))).max(1);
    if most < wanted {
        tracing::warn!(most, wanted, "the system allows fewer open files than connections were asked for");
    }
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(unix)]
fn allowed(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let enough = before.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if before.current.is_some_and(|current| current < enough) {
        // Where it is refused, it stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(enough), maximum: before.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn allowed(_wanted: u64) -> u64 {
    u64::MAX
}
