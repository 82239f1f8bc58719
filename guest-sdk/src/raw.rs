//! The generated imports themselves, unchecked by types.
//!
//! Everything here may be called from any scope as far as the compiler is concerned. The host checks at run time and answers a
//! call out of place with a failure of kind `context`. Flows never need this module; it serves tests, tools and code that builds
//! its own layer on the WIT package.
//!
//! ```no_run
//! let current = kitaru::raw::execution::get_current();
//! println!("{} runs {}", current.execution_id, current.flow);
//! ```

pub use crate::bindings::kitaru::flow::{artifacts, calls, checkpoint, execution, flows, llm, log, secrets, types, wait};
