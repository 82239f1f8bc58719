//! What a build is, as `--version` and `info` tell it: the version of wasmtime, and the commit that a release was built from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    tell("cargo::rerun-if-changed=build.rs");
    tell("cargo::rerun-if-changed=../Cargo.lock");
    let lockfile = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    tell(&format!("cargo::rustc-env=KITARU_WASMTIME={}", version_of(&lockfile, "wasmtime").unwrap_or("unknown")));
    // Whoever works on the code is not to compile all of it again after each commit.
    let commit = if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") { commit(&root) } else { None };
    tell(&format!("cargo::rustc-env=KITARU_COMMIT={}", commit.unwrap_or_default()));
}

/// The version of a package that the lockfile has once.
fn version_of<'a>(lockfile: &'a str, name: &str) -> Option<&'a str> {
    let entry = lockfile.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")))?;
    entry.split("version = \"").nth(1)?.split('"').next()
}

/// The commit that is checked out, with `-dirty` where its files were changed since; none where the sources are no checkout of their own, but a part of
/// another, or came without their history.
fn commit(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").arg("-C").arg(root).args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    // HEAD names a branch, and the log tells when that moves. A file that is not there would count as changed every time.
    for name in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(&["rev-parse", "--git-path", name])?);
        if path.exists() {
            tell(&format!("cargo::rerun-if-changed={}", path.display()));
        }
    }
    // With these the host is compiled anyway, and has to say that they are not those of the commit.
    for sources in ["../Cargo.toml", "../llm/Cargo.toml", "../llm/src", "../wit", "Cargo.toml", "page", "src", "templates"] {
        tell(&format!("cargo::rerun-if-changed={sources}"));
    }
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    // To ask changes nothing: not even the index, in which git would note what it found.
    let changed = git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { head } else { format!("{head}-dirty") })
}

/// Says something to Cargo.
fn tell(what: &str) {
    println!("{what}");
}
