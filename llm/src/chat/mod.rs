//! Requests and responses in one shape for all providers.
//!
//! Owns what a policy, a price or an event may look at without knowing whose wire protocol is spoken. Everything here is plain data that
//! survives JSON unchanged: what has no field of its own is kept in `extra`, under the provider's own name for it. The shapes of the JSON
//! are those of `annotated_request` and `annotated_response` in ATOF events.

mod content;
mod format;
mod message;
mod raw;
mod request;
mod response;
pub(crate) mod thinking;
mod tool;
mod usage;

pub use content::{Content, ImagePart, Part, TextPart};
pub use format::{JsonSchemaFormat, ResponseFormat};
pub use message::{FunctionCall, Message, Role, ToolCall};
pub use raw::{RawRequest, is_credential_header};
pub use request::{ChatRequest, Params};
pub use response::{ApiSpecific, ChatResponse, FinishReason, ResponseToolCall};
pub use tool::{FunctionSpec, FunctionTool, Tool, ToolChoice};
pub use usage::Usage;

use serde_json::{Map, Value};

/// JSON keys that have no field of their own, kept as they came.
pub type Extra = Map<String, Value>;
