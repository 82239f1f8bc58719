//! One file per command.

mod artifacts;
mod auth;
mod build;
mod clean;
mod completions;
mod config;
mod deploy;
mod doctor;
mod drive;
mod executions;
mod flows;
mod grants;
mod info;
mod init;
mod inspect;
mod invoke;
mod keys;
mod log_store;
mod mcp;
mod models;
mod new;
mod run;
mod secrets;
mod serve;
mod sign;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

use super::context::Context;
use super::error::CliError;
use super::isolate::Guests;

pub(super) use run::{detach, in_file, locate};

/// Commands in which guests may run.
const WITH_GUESTS: [&str; 15] = [
    "inspect",
    "run",
    "deploy",
    "invoke",
    "serve",
    "mcp",
    "drive",
    "executions.input",
    "executions.abort-wait",
    "executions.resume",
    "executions.retry",
    "executions.replay",
    "executions.verify",
    "executions.upgrade",
    // It may load middleware.
    "model.test",
];

/// All commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a data folder (.kitaru) for the project in this folder
    Init(init::InitCommand),
    /// Make a new flow project from a template
    New(new::NewCommand),
    /// Compile a flow project to a component
    Build(build::BuildCommand),
    /// Say what a component is: flows, checkpoints, imports, digest, size
    Inspect(inspect::InspectCommand),
    /// Sign a component, so that hosts run it which require that
    Sign(sign::SignCommand),
    /// Make keys to sign components with
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Run a flow
    Run(Box<run::RunCommand>),
    Deploy(Box<deploy::DeployCommand>),
    Invoke(Box<invoke::InvokeCommand>),
    /// Look at published flows, and say which of their versions are meant
    #[command(subcommand, alias = "flows")]
    Flow(flows::FlowCommand),
    /// Look after all executions, and offer them over HTTP: drive on whatever was submitted, answered or is due, until stopped
    ///
    /// Page and API are for whoever has a credential; a link that is printed logs a browser in.
    ///
    /// Flows that only wait stay in memory for a while, and leave when others need the room. How much there is, `flows` and `memory_mib` of
    /// the section `host` in kitaru.toml say.
    #[command(alias = "up")]
    Serve(serve::ServeCommand),
    /// Offer the data folder to an assistant, as a server of the Model Context Protocol on standard input and output
    ///
    /// Tools, resources and prompts are those of docs/mcp.md. While it talks, it looks after all executions, as `serve` does.
    Mcp(mcp::McpCommand),
    /// Look at executions and act on them
    #[command(subcommand, alias = "runs")]
    Executions(executions::ExecutionsCommand),
    /// Look at artifacts
    #[command(subcommand)]
    Artifacts(artifacts::ArtifactsCommand),
    /// See and take back what components were granted for good
    #[command(subcommand)]
    Grants(grants::GrantsCommand),
    /// Keep keys and passwords, encrypted, for the requests that the host makes
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Say who may come over the network, and see what they did
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// Give models short names, and see whether they work
    #[command(subcommand, alias = "models")]
    Model(models::ModelCommand),
    /// Say where log lines go beside the data folder
    #[command(subcommand)]
    LogStore(log_store::LogStoreCommand),
    /// Show what is set, and who says so
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Delete data folders, after a backup
    #[command(subcommand)]
    Clean(clean::CleanCommand),
    /// Say where the data is and what it holds
    Status(status::StatusCommand),
    /// Say everything that a bug report needs
    Info(info::InfoCommand),
    /// Check this machine and say what is missing
    Doctor(doctor::DoctorCommand),
    /// Print the completion script of a shell
    Completions(completions::CompletionsCommand),
    /// Drive an execution in the background
    #[command(hide = true)]
    Drive(drive::DriveCommand),
}

impl Command {
    /// The name in JSON output.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::New(_) => "new",
            Self::Build(_) => "build",
            Self::Inspect(_) => "inspect",
            Self::Sign(_) => "sign",
            Self::Keys(command) => command.name(),
            Self::Run(_) => "run",
            Self::Deploy(_) => "deploy",
            Self::Invoke(_) => "invoke",
            Self::Flow(command) => command.name(),
            Self::Serve(_) => "serve",
            Self::Mcp(_) => "mcp",
            Self::Executions(command) => command.name(),
            Self::Artifacts(command) => command.name(),
            Self::Grants(command) => command.name(),
            Self::Secrets(command) => command.name(),
            Self::Auth(command) => command.name(),
            Self::Model(command) => command.name(),
            Self::LogStore(command) => command.name(),
            Self::Config(command) => command.name(),
            Self::Clean(command) => command.name(),
            Self::Status(_) => "status",
            Self::Info(_) => "info",
            Self::Doctor(_) => "doctor",
            Self::Completions(_) => "completions",
            Self::Drive(_) => "drive",
        }
    }

    /// Whether guests may run in the command. Not in `build`: it starts compilers.
    pub(super) fn runs_guests(&self) -> bool {
        WITH_GUESTS.contains(&self.name())
    }

    /// What the command needs, if guests run in it. Reads the files that it names.
    pub(super) fn guests(&self) -> Result<Option<Guests>, CliError> {
        Ok(match self {
            Self::Inspect(command) => Some(command.guests()),
            Self::Run(command) => Some(command.guests()?),
            Self::Deploy(command) => Some(command.guests()?),
            Self::Invoke(command) => Some(command.guests()),
            Self::Serve(command) => Some(command.guests()),
            Self::Mcp(_) => Some(Guests { all: true, with_project: true, ..Guests::default() }),
            Self::Drive(command) => Some(command.guests()),
            Self::Executions(command) => command.guests()?,
            Self::Model(_) => Some(Guests { network: true, ..Guests::default() }),
            _ => None,
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Init(command) => command.run(context),
            Self::New(command) => command.run(context),
            Self::Build(command) => command.run(context).await,
            Self::Inspect(command) => command.run(context).await,
            Self::Sign(command) => command.run(context).await,
            Self::Keys(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Deploy(command) => command.run(context).await,
            Self::Invoke(command) => command.run(context).await,
            Self::Flow(command) => command.run(context).await,
            Self::Serve(command) => command.run(context).await,
            Self::Mcp(command) => command.run(context).await,
            Self::Executions(command) => command.run(context).await,
            Self::Artifacts(command) => command.run(context).await,
            Self::Grants(command) => command.run(context).await,
            Self::Secrets(command) => command.run(context).await,
            Self::Auth(command) => command.run(context).await,
            Self::Model(command) => command.run(context).await,
            Self::LogStore(command) => command.run(context).await,
            Self::Config(command) => command.run(context),
            Self::Clean(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Doctor(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Drive(command) => command.run(context).await,
        }
    }
}
