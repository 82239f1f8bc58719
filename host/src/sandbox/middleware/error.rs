//! What can go wrong with middleware: when it is installed, and when it is used.

use std::time::Duration;

use super::manifest::Surface;

/// Middleware cannot be installed as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The name cannot be used.
    #[error("`{}` is not a usable name: ASCII letters, digits, `.`, `_` and `-`, at most 100", .0.escape_debug())]
    Name(String),
    /// It has no such surface.
    #[error("it has no surface `{surface}`; it has: {}", list(.has))]
    Surface {
        /// The one that is wanted.
        surface: Surface,
        /// Those that it has.
        has: Vec<Surface>,
    },
    /// No surface is wanted.
    #[error("`surfaces` is empty, so it would never be used")]
    NoSurface,
    /// A surface is wanted twice.
    #[error("the surface `{0}` is named twice")]
    Duplicate(Surface),
    /// The time limit cannot be kept.
    #[error("its time limit must be from 1 ms to {longest:?}")]
    Timeout {
        /// The longest that there is.
        longest: Duration,
    },
    /// It would end the chain of request intercepts for calls that are not its business.
    #[error("it keeps later request intercepts from running, so it cannot be limited to `flows`")]
    BreaksChain,
    /// It could not do anything.
    #[error("`memory_mib` and `value_mib` must be at least 1")]
    NoRoom,
}

fn list(surfaces: &[Surface]) -> String {
    surfaces.iter().map(|surface| surface.as_str()).collect::<Vec<_>>().join(", ")
}

/// One use of middleware failed. Its text names the middleware and holds nothing of a payload, except what the middleware itself chose to say.
#[derive(Debug, thiserror::Error)]
#[error("middleware `{middleware}` ({surface}): {problem}")]
pub struct MiddlewareError {
    /// The name that it is registered under.
    pub middleware: String,
    /// Where it stood.
    pub surface: Surface,
    /// What went wrong.
    pub problem: MiddlewareProblem,
}

/// What went wrong in one use of middleware.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MiddlewareProblem {
    /// It said so itself.
    #[error("{0}")]
    Said(String),
    /// It trapped. What it wrote to standard error is in the host's log.
    #[error("it trapped: {0}")]
    Trapped(String),
    /// It reached a limit on its memory, time or output.
    #[error("it was ended: {0}")]
    Limit(String),
    /// It ended its process instead of returning.
    #[error("it ended its process instead of returning")]
    Exited,
    /// What it returned cannot be used.
    #[error("what it returned cannot be used: {0}")]
    Answer(String),
    /// The host could not run it.
    #[error("it could not be run: {0}")]
    Host(String),
}
