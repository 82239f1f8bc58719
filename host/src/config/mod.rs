//! Where the data folder is, what `kitaru.toml`, the user's own file and the environment say and which of them counts, which models are known, and
//! what is granted for good. Reads files and environment; decides nothing about executions.

mod connection;
mod credentials;
mod defaults;
mod durability;
mod environment;
mod file;
mod grant_memory;
mod home;
mod isolation;
mod layers;
mod log_format;
mod log_store;
mod masked;
mod middleware;
mod model_table;
mod models;
mod run;
mod schema;
mod security;
mod server;
mod settings;
mod telemetry;
mod whole_file;

pub use connection::{AddressProblem, ServerConnection};
pub use credentials::{Credentials, CredentialsError, Login, Logins};
pub use durability::{DurabilitySource, HostDurability};
pub use environment::ProcessEnvironment;
pub use file::{ConfigError, HostConfig, ProjectConfig, find_project_file};
pub use grant_memory::{GrantMemory, GrantMemoryError, RememberedGrants};
pub use home::{Home, HomeSource, keep_projects, note_project, noted_projects, platform_folder};
pub use isolation::{Isolation, UnknownIsolation};
pub use layers::{Configuration, FileOwner, USER_FILE, user_file, user_folder};
pub use log_format::LogFormat;
pub use log_store::{ChosenLogStore, LogCollector, LogStore, LogStoreFile, LogStoreProblem, LogStoreSource};
pub use masked::{EnvironmentVariable, masked};
pub use middleware::{MiddlewareConfig, MiddlewareSource};
pub use model_table::{AliasProblem, ModelEntryError, check_alias};
pub use models::{KnownModels, ModelOrigin, ModelSources, ModelsError, ProjectModels};
pub use run::RunConfig;
pub use schema::schema;
pub use security::SecurityConfig;
pub use server::{ProxyRange, ServerConfig, ServerProblem, TlsFiles, UnknownProxyRange};
pub use settings::{Setting, SettingOrigin, Settings, SettingsError};
pub use telemetry::TelemetryConfig;
pub use whole_file::FileError;
