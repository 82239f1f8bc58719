//! What the process gives away of its own rights before guests run in it: a second wall, should the first one, WebAssembly, have a hole.
//!
//! Three parts, all of the Linux kernel. *No new privileges*: no program that it could start would gain any. *Landlock*: files and TCP, by lists
//! of what is still allowed. *seccomp*: system calls that a host of flows never needs, first of all the one that starts programs.
//!
//! Landlock holds for the thread that asks for it and for those which that thread starts, so [`enter`] must be called before there are others.
//! Nothing of it can be taken back. The module knows paths and whether there is a network, and nothing of grants.

mod error;
#[cfg(target_os = "linux")]
mod files;
mod kernel;
#[cfg(target_os = "linux")]
mod system_calls;
mod walls;

pub use error::IsolationError;
pub use kernel::{Kernel, kernel};
pub use walls::Walls;

/// Gives away what is not within `walls`, for this thread and all that it will start. With `strict`, a kernel that lacks a part of the wall is an
/// error; without, what it lacks is returned, for people.
///
/// # Errors
/// When the rights cannot be given away. Then some of them may be gone all the same: the process should end.
#[cfg(target_os = "linux")]
pub fn enter(walls: &Walls, strict: bool) -> Result<Vec<String>, IsolationError> {
    let mut missing = files::restrict(walls, strict)?;
    // Last: it forbids what the others need.
    if let Err(error) = system_calls::restrict(walls.network) {
        if strict {
            return Err(error);
        }
        missing.push(error.to_string());
    }
    Ok(missing)
}

/// No other system has these walls.
///
/// # Errors
/// With `strict`, always.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &Walls, strict: bool) -> Result<Vec<String>, IsolationError> {
    if strict { Err(IsolationError::NotLinux) } else { Ok(vec![IsolationError::NotLinux.to_string()]) }
}
