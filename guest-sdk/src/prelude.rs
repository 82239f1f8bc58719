//! What nearly every flow crate uses: `use kitaru::prelude::*;`.
//!
//! ```
//! use kitaru::prelude::*;
//!
//! #[flow]
//! fn echo(cx: &Flow, text: String) -> Result<Value> {
//!     cx.info("echoing");
//!     Ok(json!({ "text": text }))
//! }
//! # fn main() {}
//! ```

pub use crate::llm::{Answer, Llm, LlmStream, Message, Tool, ToolCall, ToolChoice};
pub use crate::misuse::{CheckpointMisuse as _, FlowMisuse as _};
pub use crate::{Blob, Checkpoint, Error, Failure, Flow, FlowScope, Kind, Pending, PendingAll, Result, Scope, Wait};
pub use crate::{bail, checkpoint, data, err, flow};
pub use serde_json::{Value, json};
