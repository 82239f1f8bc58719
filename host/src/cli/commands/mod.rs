//! One file per command.

mod artifacts;
mod auth;
mod build;
mod clean;
mod complete;
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
mod login;
mod logout;
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

use super::connection::{Connection, only_local, spaced};
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

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A data folder, wherever that is: of this machine, or of a server.
    Either,
    /// A data folder of this machine, and never that of a server: while commands go to one, it has to be said.
    Folder,
    /// This machine, whatever server somebody is logged in to.
    Machine,
}

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
    #[command(visible_alias = "up")]
    Serve(serve::ServeCommand),
    /// Offer the data folder, or the server that you are logged in to, to an assistant: as a server of the Model Context Protocol on standard input and
    /// output
    ///
    /// Tools, resources and prompts are those of docs/mcp.md. While it talks, it looks after all executions of the data folder, as `serve` does.
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
    Login(login::LoginCommand),
    Logout(logout::LogoutCommand),
    /// Show what is set, who says so, and what can be
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Delete data folders, after a backup
    #[command(subcommand)]
    Clean(clean::CleanCommand),
    /// Say where the data is and what it holds, here or on the server
    Status(status::StatusCommand),
    /// Say everything that a bug report needs
    Info(info::InfoCommand),
    /// Check this machine and say what is missing
    Doctor(doctor::DoctorCommand),
    /// Print the completion script of a shell
    Completions(completions::CompletionsCommand),
    #[command(hide = true)]
    Complete(complete::CompleteCommand),
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
            Self::Login(_) => "login",
            Self::Logout(_) => "logout",
            Self::Config(command) => command.name(),
            Self::Clean(command) => command.name(),
            Self::Status(_) => "status",
            Self::Info(_) => "info",
            Self::Doctor(_) => "doctor",
            Self::Completions(_) => "completions",
            Self::Complete(_) => "complete",
            Self::Drive(_) => "drive",
        }
    }

    /// What the command is about.
    fn place(&self) -> Place {
        match self {
            Self::Run(_) | Self::Deploy(_) | Self::Invoke(_) | Self::Flow(_) | Self::Mcp(_) | Self::Executions(_) => {
                Place::Either
            }
            Self::Artifacts(_) | Self::Grants(_) | Self::Secrets(_) | Self::Auth(_) | Self::Model(_) => Place::Either,
            Self::Config(_) | Self::Status(_) | Self::Info(_) | Self::Complete(_) => Place::Either,
            Self::LogStore(_) | Self::Clean(_) => Place::Folder,
            Self::Init(_) | Self::New(_) | Self::Build(_) | Self::Inspect(_) | Self::Sign(_) | Self::Keys(_) => Place::Machine,
            Self::Serve(_) | Self::Drive(_) | Self::Doctor(_) | Self::Completions(_) => Place::Machine,
            Self::Login(_) | Self::Logout(_) => Place::Machine,
        }
    }

    /// Whether the command works with a server, and nothing of it on this machine.
    ///
    /// # Errors
    /// When it is said to, and cannot.
    pub(super) fn is_elsewhere(&self, context: &Context) -> Result<bool, CliError> {
        match self.place() {
            Place::Either => Ok(matches!(context.connection()?, Connection::Server { .. })),
            Place::Folder => match context.connection()? {
                Connection::Local => Ok(false),
                Connection::Server { server, said_by, .. } => Err(only_local(self.name(), &server.url, said_by.phrase())),
            },
            Place::Machine => match &context.global.server {
                None => Ok(false),
                Some(_) => Err(CliError::usage(format!(
                    "`{}` is about this machine: `--server` has no meaning for it",
                    spaced(self.name())
                ))),
            },
        }
    }

    /// Whether the command tells what is wrong with a connection, and does not fail of it.
    pub(super) fn degrades(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Info(_) | Self::Config(_))
    }

    /// Whether the command looks after executions and tells in its log what it does.
    pub(super) fn serves(&self) -> bool {
        matches!(self, Self::Serve(_))
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
            Self::Login(command) => command.run(context).await,
            Self::Logout(command) => command.run(context),
            Self::Config(command) => command.run(context),
            Self::Clean(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Doctor(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Complete(command) => command.run(context).await,
            Self::Drive(command) => command.run(context).await,
        }
    }
}
