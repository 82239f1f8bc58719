//! What the kernel has to isolate with.

/// What the kernel has to isolate with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Whether there is all that strict isolation needs.
    pub is_enough: bool,
    /// What there is, for people.
    pub said: String,
}

/// Asks the kernel, and changes nothing.
#[cfg(target_os = "linux")]
pub fn kernel() -> Kernel {
    use landlock::{ABI, LandlockStatus, RestrictSelf};

    // Without a flag and without the request for no new privileges, this only tells what there is.
    let landlock = RestrictSelf::default().no_new_privs(false).apply().map(|status| status.landlock);
    let has_files = matches!(landlock, Ok(LandlockStatus::Available { effective_abi, .. }) if effective_abi >= ABI::V3);
    let files = match &landlock {
        Ok(LandlockStatus::Available { effective_abi, .. }) if *effective_abi < ABI::V3 => {
            format!("Landlock {effective_abi} (3 is needed)")
        }
        Ok(LandlockStatus::Available { effective_abi, .. }) => {
            let tcp = if *effective_abi >= ABI::V4 { "files and TCP" } else { "files" };
            format!("Landlock {effective_abi} ({tcp})")
        }
        Ok(status) => super::files::state(status),
        Err(error) => error.to_string(),
    };
    let has_calls = has_filters();
    let calls = match (super::system_calls::is_known_here(), has_calls) {
        (false, _) => "system calls of this processor are not known to this program",
        (true, true) => "seccomp",
        (true, false) => "the kernel has no seccomp",
    };
    Kernel { is_enough: has_files && has_calls && super::system_calls::is_known_here(), said: format!("{files}, {calls}") }
}

/// Whether the kernel filters system calls.
#[cfg(target_os = "linux")]
fn has_filters() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok_and(|actions| actions.contains("errno"))
        || std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Seccomp_filters:"))
}

/// Nothing: these walls are Linux's.
#[cfg(not(target_os = "linux"))]
pub fn kernel() -> Kernel {
    Kernel { is_enough: false, said: super::IsolationError::NotLinux.to_string() }
}
