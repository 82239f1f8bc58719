//! Where the data folder is, what `kitaru.toml` says, which models are known, and what is granted for good. Reads files and environment; decides nothing about executions.

mod durability;
mod environment;
mod file;
mod grant_memory;
mod home;
mod isolation;
mod middleware;
mod model_table;
mod models;
mod security;
mod telemetry;
mod whole_file;

pub use durability::{DurabilitySource, HostDurability};
pub use environment::ProcessEnvironment;
pub use file::{ConfigError, HostConfig, ProjectConfig, find_project_file};
pub use grant_memory::{GrantMemory, GrantMemoryError, RememberedGrants};
pub use home::{Home, HomeSource, note_project, platform_folder};
pub use isolation::{Isolation, UnknownIsolation};
pub use middleware::{MiddlewareConfig, MiddlewareSource};
pub use model_table::{AliasProblem, ModelEntryError, check_alias};
pub use models::{KnownModels, ModelOrigin, ModelSources, ModelsError, ProjectModels};
pub use security::SecurityConfig;
pub use telemetry::TelemetryConfig;
