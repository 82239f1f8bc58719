//! What becomes of an instance for which there is no room.

const MIB: u64 = 1024 * 1024;

/// Why an instance cannot have the memory that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Others go first. What was put off can begin again, and waits in line before it does.
    #[error("others go first that wait for memory (limit `instances_mib`)")]
    PutOff {
        /// Memory that it had and wanted, in bytes.
        needs: u64,
    },
    /// It does not fit under the ceiling, beside the flow that it is for.
    #[error(
        "it needs {} MiB of memory, and the limit `instances_mib` of {} MiB for all instances has no room for that beside its flow",
        (*.needs).div_ceil(MIB), .ceiling / MIB
    )]
    Never {
        /// Memory that it had and wanted, in bytes.
        needs: u64,
        /// The ceiling, in bytes.
        ceiling: u64,
    },
}
