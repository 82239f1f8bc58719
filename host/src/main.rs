//! The `kitaru-host` command.

use std::process::ExitCode;

/// An instance is made of many allocations of all sizes, and there is a new one for every checkpoint.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kitaru_host::cli::main()
}
