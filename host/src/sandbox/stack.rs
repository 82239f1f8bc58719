//! How deep guests may recurse. It is one size for the whole host, because the stacks of all instances are set up with the engine, and because a
//! limit that goes with the execution would promise what it cannot keep: how much of a stack a function takes depends on the compiler and the
//! machine. So a stack overflow is a failure of the attempt, and never a recorded result (E6).

/// What functions of the host have on the same stack beside the guest's part.
const OF_HOST: usize = 1 << 20;
const KIB: u64 = 1024;

/// The size of the stack of each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    kib: u64,
}

/// A size that stacks cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`stack_kib` is {0}, and stacks have {least} to {most} KiB", least = Stack::LEAST_KIB, most = Stack::MOST_KIB)]
pub struct StackError(pub u64);

impl Default for Stack {
    /// Interpreted guests (`QuickJS`, `CPython`) recurse deeply in wasm.
    fn default() -> Self {
        Self { kib: 2048 }
    }
}

impl Stack {
    /// With less, usual programs do not run.
    pub const LEAST_KIB: u64 = 64;
    /// A thousand stacks of the pool have their addresses reserved from the beginning.
    pub const MOST_KIB: u64 = 64 * 1024;

    /// Stacks of so many KiB.
    ///
    /// # Errors
    /// When that is too small or too large.
    pub fn of_kib(kib: u64) -> Result<Self, StackError> {
        if (Self::LEAST_KIB..=Self::MOST_KIB).contains(&kib) { Ok(Self { kib }) } else { Err(StackError(kib)) }
    }

    /// What guests have of it, in KiB.
    pub fn kib(self) -> u64 {
        self.kib
    }

    /// The same in bytes.
    pub(super) fn of_guest(self) -> usize {
        usize::try_from(self.kib.saturating_mul(KIB)).unwrap_or(usize::MAX / 2)
    }

    /// The whole stack, in bytes: what guests have, and always as much as before for what they call.
    pub(super) fn in_all(self) -> usize {
        self.of_guest().saturating_add(OF_HOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_have_bounds_and_room_for_the_host() {
        for kib in [Stack::LEAST_KIB, 2048, Stack::MOST_KIB] {
            let stack = Stack::of_kib(kib).unwrap();
            assert_eq!(stack.in_all() - stack.of_guest(), OF_HOST);
        }
        assert_eq!(Stack::of_kib(2048).unwrap(), Stack::default());
        for kib in [0, Stack::LEAST_KIB - 1, Stack::MOST_KIB + 1, u64::MAX] {
            let error = Stack::of_kib(kib).unwrap_err();
            assert_eq!(error, StackError(kib));
            assert!(error.to_string().contains("stack_kib"), "{error}");
        }
    }
}
