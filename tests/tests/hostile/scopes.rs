//! Loops, memory, stack and traps, in every scope of a component.

use super::row::{BRIEF, End, LIMIT, Row, TRAP, flow, wat};

/// Code that never ends.
pub(crate) const LOOPS: &[Row] = &[
    wat("flow-spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    wat("start-spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    wat("describe-spins", End::Refused("`describe` took too long")),
    wat("realloc-spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    wat("post-return-spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    wat("destructor-spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    wat("calls-forever", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    flow("checkpoint_spins", End::Fails(LIMIT, "checkpoint_seconds")).flags(BRIEF),
    flow("checkpoint_sleeps", End::Fails(LIMIT, "checkpoint_seconds")).flags(BRIEF),
    flow("drop_spins", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
    flow("sleeps_for_ever", End::Completes),
    flow("refused_calls", End::Fails(LIMIT, "flow_seconds")).flags(BRIEF),
];

/// More memory, tables or stack than there is.
pub(crate) const MEMORY: &[Row] = &[
    wat("memory-grows", End::Fails(LIMIT, "memory_mib")),
    wat("memory-at-once", End::Refused("memory_mib")),
    wat("memories", End::Refused("memory_mib")),
    wat("table-grows", End::Fails(LIMIT, "table")),
    wat("table-at-once", End::Refused("table")),
    wat("tables", End::Refused("table")),
    wat("recurses", End::Fails(LIMIT, "recursed too deeply")),
    wat("recurses-in-describe", End::Refused("recursed too deeply")),
    wat("recurses-in-realloc", End::Fails(LIMIT, "recursed too deeply")),
    wat("recurses-with-large-frames", End::Fails(LIMIT, "recursed too deeply")),
    flow("checkpoint_recurses", End::Fails(LIMIT, "recursed too deeply")),
    flow("checkpoint_hogs", End::Fails(LIMIT, "memory_mib")),
    flow("hogs_at_once", End::Fails(LIMIT, "memory_mib")),
];

/// Ends in the middle of everything.
pub(crate) const TRAPS: &[Row] = &[
    wat("unreachable", End::Fails(TRAP, "unreachable")),
    wat("unreachable-in-describe", End::Refused("unreachable")),
    wat("unreachable-in-start", End::Refused("unreachable")),
    wat("unreachable-in-realloc", End::Fails(TRAP, "unreachable")),
    wat("unreachable-in-post-return", End::Fails(TRAP, "unreachable")),
    wat("divides-by-zero", End::Fails(TRAP, "divide by zero")),
    wat("calls-nothing", End::Fails(TRAP, "uninitialized element")),
    wat("realloc-calls-the-host", End::Fails(TRAP, "cannot leave component instance")),
    wat("post-return-calls-the-host", End::Fails(TRAP, "cannot leave component instance")),
    wat("enters-itself", End::Refused("cannot enter component instance")),
    flow("exits", End::Fails(&["exit"], "ended its process")),
    flow("checkpoint_exits", End::Fails(&["exit"], "ended its process")),
    flow("aborts", End::Fails(TRAP, "")),
    flow("panics_at_length", End::Fails(TRAP, "")),
    flow("checkpoint_panics", End::Fails(TRAP, "panicked")),
    flow("calls_in_a_checkpoint", End::Completes),
];
