//! `--isolate`: the command runs again, as the same process, which gives its rights away before it has any other thread.
//!
//! At first nobody knows what the command will need: a project has to be built, which starts compilers; grants have to be read from `kitaru.toml` and
//! from executions, which needs the store and its threads. So the command runs in two stages. The first finds out all that, runs nothing of any
//! guest, and then executes this program anew with the same arguments and a plan. The second reads the plan before it does anything else,
//! and is behind the walls from its first moment on.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};

use serde::{Deserialize, Serialize};

use super::args::HostLimitArgs;
use super::commands::{Command, detach, locate};
use super::context::{Context, current_folder, environment};
use super::error::CliError;
use super::output::Output;
use crate::config::{GrantMemory, Isolation, LogStore, MiddlewareSource, ProjectConfig, find_project_file, user_file};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::isolation::{self, IsolationError, Walls};
use crate::registry::Target;
use crate::sandbox::Grants;
use crate::service::{DeploymentParams, ServiceError, granted, granted_to_deployment};
use crate::signing::path_beside;
use crate::store::sqlite::SqliteStore;

/// What a command needs that runs guests.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// The component, or the project to build.
    pub(super) target: Option<PathBuf>,
    /// Whether what the project grants counts.
    pub(super) with_project: bool,
    /// Other files that it reads.
    pub(super) files: Vec<PathBuf>,
    /// What its flags grant.
    pub(super) grants: Grants,
    /// The published version that it starts.
    pub(super) deployment: Option<DeploymentParams>,
    /// Executions that it drives, by what a person types.
    pub(super) executions: Vec<String>,
    /// It drives whatever has not ended.
    pub(super) all: bool,
    /// It needs a network whatever is granted.
    pub(super) network: bool,
    /// It leaves the driving to a process of its own.
    pub(super) detaches: bool,
    /// The limits that it gives that process.
    pub(super) host: HostLimitArgs,
}

/// What the first stage found out for the second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) walls: Walls,
    pub(super) strict: bool,
    pub(super) home: PathBuf,
    /// The component that the target was built to.
    pub(super) component: Option<PathBuf>,
    /// Where to note what another process is to drive.
    pub(super) submitted: Option<PathBuf>,
}

/// The second stage: behind the walls from here on.
pub(super) fn enter(plan: &str, output: &Output) -> Result<Plan, CliError> {
    let plan: Plan = serde_json::from_str(plan).map_err(|error| CliError::usage(format!("`--within` holds no plan: {error}")))?;
    for missing in isolation::enter(&plan.walls, plan.strict)? {
        output.say(&format!("warning: not isolated in full: {missing}"));
    }
    Ok(plan)
}

/// The first stage. None where the command runs as it is: nothing is to be isolated, or no guest runs in it.
pub(super) async fn run(context: &Context, command: &Command) -> Result<Option<ExitCode>, CliError> {
    // Only where it counts is it looked at: a configuration that cannot be read must not stop the commands that tell so.
    if !command.runs_guests() {
        return Ok(None);
    }
    let how = context.isolation()?;
    let Some(guests) = (how != Isolation::Off).then(|| command.guests()).transpose()?.flatten() else { return Ok(None) };
    let strict = how == Isolation::On;
    let kernel = isolation::kernel();
    if strict && !kernel.is_enough {
        return Err(IsolationError::Landlock(kernel.said).into());
    }
    if !cfg!(target_os = "linux") {
        context.output.say(&format!("warning: not isolated: {}", kernel.said));
        return Ok(None);
    }
    let (detaches, host) = (guests.detaches, guests.host);
    let mut plan = plan(context, guests, strict).await?;
    if !detaches {
        return Err(execute(&plan)?);
    }
    // Behind the walls no program can be started, so whoever starts the one that drives stays in front of them, and waits.
    let note =
        tempfile::NamedTempFile::new_in(temporary(&plan.home)).map_err(|error| cannot("note what was submitted", &error))?;
    plan.submitted = Some(note.path().to_owned());
    let status = again(&plan)?.status().map_err(|error| cannot("start itself again", &error))?;
    let noted = std::fs::read_to_string(note.path()).unwrap_or_default();
    let ids: Vec<ExecutionId> = noted.lines().filter_map(|line| line.parse().ok()).collect();
    if !ids.is_empty() {
        detach(context, &ids, host)?;
    }
    Ok(Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

fn cannot(what: &str, error: &std::io::Error) -> CliError {
    CliError::new(format!("this program cannot {what}: {error}"))
}

/// Files that are made for a moment lie in the data folder: nobody else's are within reach then.
fn temporary(home: &Path) -> PathBuf {
    home.join("tmp")
}

/// This program, with the same arguments and the plan.
fn again(plan: &Plan) -> Result<Process, CliError> {
    let program = std::env::current_exe().map_err(|error| cannot("find itself", &error))?;
    let text = serde_json::to_string(plan).map_err(|error| CliError::new(error.to_string()))?;
    let mut process = Process::new(program);
    // In front, where no argument of the command can be in its way.
    process.arg("--within").arg(text).args(std::env::args_os().skip(1));
    process.env("TMPDIR", temporary(&plan.home)).env("SQLITE_TMPDIR", temporary(&plan.home));
    Ok(process)
}

/// Becomes the second stage. Returns only what went wrong.
#[cfg(unix)]
fn execute(plan: &Plan) -> Result<CliError, CliError> {
    let error = std::os::unix::process::CommandExt::exec(&mut again(plan)?);
    Ok(cannot("start itself again", &error))
}

#[cfg(not(unix))]
fn execute(_: &Plan) -> Result<CliError, CliError> {
    Ok(IsolationError::NotLinux.into())
}

/// What a component was granted for good.
fn granted_for_good(home: &Path, digest: ComponentDigest) -> Result<Grants, CliError> {
    let known = GrantMemory::new(home).all().map_err(ServiceError::from)?.remove(&digest).map(|known| known.grants);
    let known = known.unwrap_or_default();
    known.check_unmoved()?;
    Ok(known)
}

/// What the command needs, and nothing else.
async fn plan(context: &Context, guests: Guests, strict: bool) -> Result<Plan, CliError> {
    let home = std::path::absolute(context.home()?.folder).map_err(|error| cannot("find the data folder", &error))?;
    make_private(&temporary(&home))?;
    let mut walls = Walls::around(&home);
    walls.network |= context.log_store()?.store != LogStore::Local;
    let here = current_folder()?;
    let project = context.project(&here)?;
    of_project(&mut walls, &here, &project)?;
    let Guests { mut grants, executions, .. } = guests;
    let mut component = None;
    let mut projects = vec![project];
    if let Some(target) = &guests.target {
        let (file, folder) = locate(context, target)?;
        let project = context.project(&folder)?;
        of_project(&mut walls, &folder, &project)?;
        walls.read.extend([path_beside(&file), file.clone()]);
        grants.extend(granted_for_good(&home, ComponentDigest::of(&Target::read(&file)?))?);
        component = Some(file);
        projects = vec![project];
    }
    if guests.with_project {
        for project in projects {
            let mut granted = project.grants;
            if guests.all {
                // Of what is granted to flows that may never run, a folder may be missing.
                granted.read.retain(|folder| folder.host.exists());
                granted.write.retain(|folder| folder.host.exists());
            }
            granted.make_absolute()?;
            grants.extend(granted);
        }
    }
    if guests.all || !executions.is_empty() {
        let store = SqliteStore::open(&home)?;
        grants.extend(granted(&store, (!guests.all).then_some(&executions)).await?);
    }
    if let Some(deployment) = &guests.deployment {
        let (component, deployed) = granted_to_deployment(&SqliteStore::open(&home)?, deployment).await?;
        deployed.check_unmoved()?;
        grants.extend(deployed);
        grants.extend(granted_for_good(&home, component)?);
    }
    let reach = grants.reach();
    walls.read.extend(reach.read.into_iter().chain(guests.files));
    walls.write.extend(reach.write);
    walls.network |= reach.network || guests.network;
    for path in walls.read.iter_mut().chain(&mut walls.write) {
        *path = std::path::absolute(&*path).map_err(|error| cannot("find a file", &error))?;
    }
    Ok(Plan { walls, strict, home, component, submitted: None })
}

/// What the configuration of the project names that `folder` is in.
fn of_project(walls: &mut Walls, folder: &Path, project: &ProjectConfig) -> Result<(), CliError> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    walls.read.extend(find_project_file(&folder));
    walls.read.extend(user_file(environment).filter(|file| file.exists()));
    walls.read.extend(project.llm.prices.file.clone());
    for middleware in &project.middleware {
        if let MiddlewareSource::File(path) = &middleware.component {
            walls.read.extend([path_beside(path), path.clone()]);
        }
    }
    if let Some(events) = &project.telemetry.atof {
        std::fs::create_dir_all(events).map_err(|error| cannot("make the folder of events", &error))?;
        walls.write.push(events.clone());
    }
    let exports = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.to_string_lossy();
        name.starts_with("OTEL_EXPORTER_OTLP") && name.ends_with("ENDPOINT") && !value.is_empty()
    };
    walls.network |= project.telemetry.otlp_endpoint.is_some() || std::env::vars_os().any(exports);
    Ok(())
}

fn make_private(folder: &Path) -> Result<(), CliError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| cannot("make its data folder", &error))
}
