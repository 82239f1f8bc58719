//! Files and TCP, by Landlock.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};

use super::{IsolationError, Walls};

/// The kernel's first version whose wall around files has no door: before, a file outside could be cut to nothing.
const NEEDED: ABI = ABI::V3;

/// Leaves this thread, and all that it will start, only the files within `walls`. What the kernel could not do is returned.
pub(super) fn restrict(walls: &Walls, strict: bool) -> Result<Vec<String>, IsolationError> {
    let failed = |error: &dyn std::error::Error| IsolationError::Landlock(in_full(error));
    let level = if strict { CompatLevel::HardRequirement } else { CompatLevel::BestEffort };
    let everything = AccessFs::from_all(NEEDED);
    let mut ruleset = Ruleset::default()
        .set_compatibility(level)
        .handle_access(everything)
        .map_err(|error| failed(&error))?
        // What later kernels can forbid besides. seccomp forbids the most of it where they cannot.
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::IoctlDev)
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .map_err(|error| failed(&error))?;
    if !walls.network {
        ruleset = ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp).map_err(|error| failed(&error))?;
    }
    let status = ruleset
        .create()
        .and_then(|created| created.add_rules(path_beneath_rules(there(&walls.read), to_read())))
        .and_then(|created| created.add_rules(path_beneath_rules(there(&walls.write), to_write())))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| failed(&error))?;
    let mut missing = Vec::new();
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::NotEnforced, landlock) => missing.push(format!("files are not restricted: {}", state(landlock))),
        (_, LandlockStatus::Available { effective_abi, .. }) if *effective_abi < NEEDED => {
            missing.push(format!("files outside can be cut to nothing: {}", state(&status.landlock)));
        }
        _ => {}
    }
    if !status.no_new_privs {
        missing.push("the process could still gain privileges".into());
    }
    Ok(missing)
}

/// Those that exist: a file that comes later is in a folder that is named, or is not wanted.
fn there(paths: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    paths.iter().filter(|path| path.exists())
}

/// No rule has the right to start programs.
fn to_read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn to_write() -> BitFlags<AccessFs> {
    let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
    AccessFs::from_all(NEEDED) & !never
}

/// What the kernel says of its Landlock, for people.
pub(super) fn state(status: &LandlockStatus) -> String {
    match status {
        LandlockStatus::NotEnabled => "the kernel has Landlock, and it is switched off (the boot parameter `lsm`)".into(),
        LandlockStatus::NotImplemented => "the kernel has no Landlock".into(),
        LandlockStatus::Available { effective_abi, .. } => format!("the kernel has Landlock of version {effective_abi}"),
    }
}

fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
