//! Where components come from: a file, or a project that is built first.

mod build;
mod target;
mod toolchain;

pub use build::{BuildError, Built, build_project};
pub use target::{Target, TargetError};
pub use toolchain::{Route, Toolchain, ToolchainError};
