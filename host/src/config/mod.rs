//! Where the data folder is, what `kitaru.toml` says, and which models are known. Reads files and environment; decides nothing about executions.

mod durability;
mod environment;
mod file;
mod home;
mod middleware;
mod model_table;
mod models;
mod telemetry;

pub use durability::{DurabilitySource, HostDurability};
pub use environment::ProcessEnvironment;
pub use file::{ConfigError, HostConfig, ProjectConfig, find_project_file};
pub use home::{Home, HomeSource, note_project, platform_folder};
pub use middleware::{MiddlewareConfig, MiddlewareSource};
pub use model_table::{AliasProblem, ModelEntryError, check_alias};
pub use models::{KnownModels, ModelOrigin, ModelSources, ModelsError, ProjectModels};
pub use telemetry::TelemetryConfig;
