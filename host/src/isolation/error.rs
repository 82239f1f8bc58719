//! What a process cannot give away, and why.

/// The process cannot be isolated.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// Only Linux has these walls.
    #[error("this system has no Landlock and no seccomp: they are Linux's")]
    NotLinux,
    /// The kernel has no Landlock, or one that lacks too much.
    #[error("the kernel cannot restrict files: {0}")]
    Landlock(String),
    /// The kernel has no seccomp, or refused the filter.
    #[error("the kernel cannot restrict system calls: {0}")]
    Seccomp(String),
}

impl IsolationError {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::NotLinux => "isolate the whole process with what this system has, or go on without: --isolate=best-effort".into(),
            Self::Landlock(_) | Self::Seccomp(_) => {
                "`kitaru-host doctor` says what the kernel has (Linux 6.2 or newer with Landlock and seccomp is needed); to go on with what \
                 there is: --isolate=best-effort"
                    .into()
            }
        }
    }
}
