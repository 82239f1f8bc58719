//! The `kitaru-host` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    kitaru_host::cli::main()
}
