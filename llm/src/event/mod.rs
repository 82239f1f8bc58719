//! What happened, as events, and the forms in which they leave the program.
//!
//! An [`Event`] is the start or the end of a scope (an agent, a model call, a tool call, a guardrail …), or a mark at one moment.
//! The pipeline makes them, subscribers receive them. Three forms: [`atof`] (JSON Lines, lossless), [`atif`] (a trajectory of
//! steps) and [`otel`] (spans with `gen_ai.*` attributes). All three are functions of events alone: whatever they show was
//! sanitised before the event was made, and nothing here can reach an original payload.

pub mod atif;
pub mod atof;
mod category;
mod jsonl;
mod model;
pub mod otel;
mod profile;
mod rfc3339;
mod subscriber;

pub use category::{Attributes, Category};
pub use jsonl::JsonLines;
pub use model::{DataSchema, Event, Kind, Phase};
pub use profile::Profile;
pub use subscriber::{DeliveryError, Subscriber};

/// The name of the mark that each chunk of a streamed response leaves.
pub const CHUNK_MARK: &str = "llm.chunk";
