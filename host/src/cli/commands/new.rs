//! `new`: a flow project from a template that is part of this program, with the SDK beside it, so that nothing but the crate registry is needed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use include_dir::{Dir, include_dir};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/rust");
static SDK_SOURCE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/src");
static SDK_MACROS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/macros/src");
static SDK_MIDDLEWARE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/middleware/src");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
const SDK_MANIFEST: &str = include_str!("../../../../guest-sdk/Cargo.toml");
const MACROS_MANIFEST: &str = include_str!("../../../../guest-sdk/macros/Cargo.toml");
const MIDDLEWARE_MANIFEST: &str = include_str!("../../../../guest-sdk/middleware/Cargo.toml");

#[derive(Debug, Args)]
pub(crate) struct NewCommand {
    /// Folder to make; its name is the project's
    folder: PathBuf,
}

impl NewCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let name = project_name(&self.folder)?;
        if self.folder.read_dir().is_ok_and(|mut files| files.next().is_some()) || self.folder.is_file() {
            return Err(CliError::usage(format!("`{}` exists already", self.folder.display())));
        }
        // Made beside and renamed, so that a failure leaves nothing half written.
        let parent = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let made = write_project(parent, &name).and_then(|made| {
            if self.folder.is_dir() {
                std::fs::remove_dir(&self.folder)?;
            }
            // The folder is still removed if this fails; if it works there is nothing left to remove.
            std::fs::rename(made.path(), &self.folder)
        });
        made.map_err(|error| CliError::new(format!("cannot make `{}`: {error}", self.folder.display())))?;
        context.output.say(&format!(
            "Made {}\n\nNext:\n  cd {}\n  kitaru-host run . --arg name=Ada",
            self.folder.display(),
            self.folder.display()
        ));
        let item = json!({ "path": self.folder, "package": name });
        context.output.item(&item, || self.folder.display().to_string())
    }
}

/// A name that Cargo accepts.
fn project_name(folder: &Path) -> Result<String, CliError> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && !matches!(name.as_str(), "test" | "core" | "std" | "kitaru");
    if good {
        return Ok(name);
    }
    Err(CliError::usage(format!("`{name}` is not a usable project name: letters, digits, `-` and `_`, starting with a letter")))
}

fn write_project(parent: &Path, name: &str) -> std::io::Result<tempfile::TempDir> {
    let made = tempfile::Builder::new().prefix(".kitaru-new-").tempdir_in(parent)?;
    #[cfg(unix)]
    std::fs::set_permissions(made.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    write_dir(&TEMPLATE, made.path(), &|text| text.replace("{{name}}", name))?;
    let sdk = made.path().join("vendor/kitaru");
    let same = |text: &str| text.to_owned();
    write_dir(&SDK_SOURCE, &sdk.join("src"), &same)?;
    write_dir(&SDK_MACROS, &sdk.join("macros/src"), &same)?;
    write_dir(&SDK_MIDDLEWARE, &sdk.join("middleware/src"), &same)?;
    write_dir(&WIT, &sdk.join("wit"), &same)?;
    std::fs::write(sdk.join("Cargo.toml"), without_lints(SDK_MANIFEST))?;
    std::fs::write(sdk.join("macros/Cargo.toml"), without_lints(MACROS_MANIFEST))?;
    std::fs::write(sdk.join("middleware/Cargo.toml"), without_lints(MIDDLEWARE_MANIFEST))?;
    Ok(made)
}

/// The manifest without our own lints: what a later compiler warns of must not keep somebody's project from building.
fn without_lints(manifest: &str) -> String {
    let mut kept = String::new();
    let mut in_lints = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_lints = line.starts_with("[lints") || line.starts_with("[workspace.lints");
        }
        if !in_lints {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn write_dir(from: &Dir<'_>, to: &Path, change: &dyn Fn(&str) -> String) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in from.files() {
        // A template's own manifest must not look like one to Cargo while it lies in this repository.
        let name = file.path().file_name().map(|name| name.to_string_lossy().replace(".template", "")).unwrap_or_default();
        match file.contents_utf8() {
            Some(text) => std::fs::write(to.join(name), change(text))?,
            None => std::fs::write(to.join(name), file.contents())?,
        }
    }
    for folder in from.dirs() {
        let name = folder.path().file_name().unwrap_or_default();
        write_dir(folder, &to.join(name), change)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_lints_stay_with_us() {
        let manifest = without_lints(SDK_MANIFEST);
        let parsed: toml::Table = toml::from_str(&manifest).unwrap();
        assert!(parsed["package"].get("name").is_some() && parsed["dependencies"].get("serde").is_some());
        assert!(!manifest.contains("lints") && !manifest.contains("deny"), "{manifest}");
    }

    #[test]
    fn names() {
        assert_eq!(project_name(Path::new("a/my-flow_2")).unwrap(), "my-flow_2");
        for bad in ["", "2x", "a b", "ä", "std", ".."] {
            assert!(project_name(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
