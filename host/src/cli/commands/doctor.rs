//! `doctor`: what this machine lacks, and the command that mends it.

use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use kitaru_llm::models::Alias;
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::cli::context::{Context, current_folder};
use crate::cli::error::CliError;
use crate::config::Isolation;
use crate::registry::{Route, Toolchain};

/// The script that makes sure of the wasm target, where rustup cannot as well.
const WASM_TARGET_SCRIPT: &str = include_str!("../../../../scripts/wasm-target.sh");

#[derive(Debug, Args)]
pub(crate) struct DoctorCommand {
    /// Mend what can be mended
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl DoctorCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        // The script does nothing where all is well, and knows better than a look from here whether it is.
        if self.fix && !Toolchain::find().is_ok_and(|found| found.route == Route::Active) {
            mend_target()?;
        }
        let checks =
            [toolchain(), linker(), data_folder(context), durability(context), sandbox(), isolation(context), models(context)];
        let ill = checks.iter().filter(|check| !check.ok).count();
        let text = || {
            let line = |check: &Check| {
                let mark = if check.ok { "✓".green().to_string() } else { "✗".red().to_string() };
                let fix = check.fix.as_ref().map(|fix| format!("\n    {} {fix}", "fix:".cyan())).unwrap_or_default();
                format!("{mark} {}: {}{fix}", check.name, check.detail)
            };
            checks.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        context.output.items(&checks, None, text)?;
        Ok(if ill == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn toolchain() -> Check {
    let name = "wasm toolchain";
    match Toolchain::find() {
        Ok(found) => {
            let detail = match found.route {
                Route::Active => "the active Rust toolchain compiles to wasm32-wasip2",
                Route::Debian => "Debian's Rust compiles to wasm32-wasip2",
            };
            Check { name, ok: true, detail: detail.into(), fix: None }
        }
        Err(error) => Check { name, ok: false, detail: error.to_string(), fix: Some(error.hint()) },
    }
}

/// Build scripts of a flow's dependencies run on this machine, so they need its linker.
fn linker() -> Check {
    let name = "C linker";
    let found = Command::new("cc")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let fix =
        if cfg!(target_os = "macos") { "xcode-select --install" } else { "apt-get install gcc   (or your system's C compiler)" };
    Check {
        name,
        ok: found,
        detail: if found { "`cc` is there".into() } else { "`cc` was not found".into() },
        fix: (!found).then(|| fix.to_owned()),
    }
}

fn data_folder(context: &Context) -> Check {
    let name = "data folder";
    let opened = context.home().and_then(|home| {
        crate::store::sqlite::SqliteStore::open(&home.folder)?;
        Ok(home)
    });
    match opened {
        Ok(home) => Check { name, ok: true, detail: format!("{} ({})", home.folder.display(), home.source.as_str()), fix: None },
        Err(error) => {
            let fix = error.hint.clone().unwrap_or_else(|| "choose another folder with KITARU_HOME".into());
            Check { name, ok: false, detail: error.chain(), fix: Some(fix) }
        }
    }
}

fn durability(context: &Context) -> Check {
    let name = "durability";
    match context.durability() {
        Ok(found) => Check { name, ok: true, detail: format!("{} ({})", found.mode.as_str(), found.source.as_str()), fix: None },
        Err(error) => Check { name, ok: false, detail: error.chain(), fix: error.hint.clone() },
    }
}

fn sandbox() -> Check {
    let name = "WebAssembly engine";
    match crate::sandbox::Sandbox::new(None, [0; 32]) {
        Ok(_) => Check { name, ok: true, detail: "works on this machine".into(), fix: None },
        Err(error) => Check { name, ok: false, detail: error.to_string(), fix: None },
    }
}

/// A kernel that cannot isolate is an illness only where that is wanted.
fn isolation(context: &Context) -> Check {
    let name = "isolation";
    let kernel = crate::isolation::kernel();
    match context.isolation() {
        Ok(wanted) => {
            let ok = kernel.is_enough || wanted != Isolation::On;
            let fix = (!ok).then(|| "use Linux 6.2 or newer with Landlock and seccomp, or: isolate = \"best-effort\"".to_owned());
            Check { name, ok, detail: format!("{} (`isolate` is {wanted})", kernel.said), fix }
        }
        Err(error) => Check { name, ok: false, detail: error.chain(), fix: error.hint.clone() },
    }
}

/// Having no model is no illness: not every flow calls one.
fn models(context: &Context) -> Check {
    let name = "models";
    let known = || -> Result<_, CliError> {
        let sources = context.models(&context.project(&current_folder()?)?)?;
        Ok((sources.known()?, sources.provider_keys()))
    };
    let ill = |detail: String, fix: Option<String>| Check { name, ok: false, detail, fix };
    match known() {
        Ok((known, keys)) => {
            let aliases = &known.frozen.registry.aliases;
            let default = known.default_alias();
            if let Some(missing) = default.filter(|alias| !aliases.contains_key(*alias)) {
                let fix = "kitaru-host model register <alias> --default, with one of: kitaru-host model list";
                return ill(format!("the default alias `{missing}` is not registered"), Some(fix.into()));
            }
            let default_model = known.frozen.default_model.as_deref();
            let count = u64::try_from(aliases.len()).unwrap_or(u64::MAX);
            let detail = super::status::models_line(count, default.map(Alias::as_str), default_model, &keys);
            Check { name, ok: true, detail, fix: None }
        }
        Err(error) => ill(error.chain(), error.hint.clone()),
    }
}

fn mend_target() -> Result<(), CliError> {
    let failed = |problem: String| CliError::new(format!("the wasm target could not be installed: {problem}"));
    let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(error.to_string()))?;
    std::io::Write::write_all(&mut file, WASM_TARGET_SCRIPT.as_bytes()).map_err(|error| failed(error.to_string()))?;
    // What it says is for the person; its one line of data is not.
    let status = Command::new("bash").arg(file.path()).stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failed("the script has said why".into())),
        Err(error) => Err(failed(error.to_string())),
    }
}
