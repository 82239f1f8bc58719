//! Identifiers that follow from what they name, so that every export has the same, and whoever repeats a run joins its trace.

use kitaru_llm::event::Event;
use uuid::Uuid;

use crate::ids::{ExecutionId, derived_uuid};

const CONTEXT: &str = "kitaru-host 2026-11 event scope";

/// The scope of a flow's run, from its start or `round`th reopening to its end. The first has the execution's own identifier.
pub fn flow_scope(execution: ExecutionId, round: u32) -> Uuid {
    match round {
        0 => Uuid::from_bytes(*execution.as_bytes()),
        round => derived(execution, "flow", &[u64::from(round)]),
    }
}

/// The scope of a durable call. Under one index there is a `time`th one, counted from 0, where a retry ran or replaced the call.
pub fn call_scope(execution: ExecutionId, call: u32, time: u32) -> Uuid {
    derived(execution, "call", &[u64::from(call), u64::from(time)])
}

/// A mark that stands for the journal's record `seq`.
pub(super) fn record_mark(execution: ExecutionId, seq: u64) -> Uuid {
    derived(execution, "mark", &[seq])
}

/// A copy of what is recorded elsewhere as `original`, shown at the journal's record `seq`.
pub(super) fn copy_of(execution: ExecutionId, seq: u64, ordinal: u32, original: Uuid) -> Uuid {
    let (high, low) = original.as_u64_pair();
    derived(execution, "copy", &[seq, u64::from(ordinal), high, low])
}

fn derived(execution: ExecutionId, what: &str, numbers: &[u64]) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(execution.as_bytes()).update(what.as_bytes());
    for number in numbers {
        hasher.update(&number.to_be_bytes());
    }
    derived_uuid(&hasher)
}

/// W3C trace ID of an execution: its own identifier, so that one is found by the other.
pub(super) fn trace_id(execution: ExecutionId) -> [u8; 16] {
    *execution.as_bytes()
}

/// Span ID of a scope: the half of its UUID in which most is random.
pub(super) fn span_id(scope: Uuid) -> [u8; 8] {
    let (_, low) = scope.as_u64_pair();
    low.to_be_bytes()
}

/// Whether two events are the same one: a scope has two of one identifier.
pub(super) fn key(event: &Event) -> (Uuid, bool) {
    (event.uuid, event.is_end())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_follow_from_what_they_name_and_differ() {
        let one = ExecutionId::from_bytes([1; 16]);
        let other = ExecutionId::from_bytes([2; 16]);
        let all = [
            flow_scope(one, 0),
            flow_scope(one, 1),
            flow_scope(other, 0),
            call_scope(one, 0, 0),
            call_scope(one, 0, 1),
            call_scope(one, 1, 0),
            record_mark(one, 0),
            copy_of(one, 0, 0, Uuid::nil()),
            copy_of(one, 0, 1, Uuid::nil()),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|uuid| span_id(*uuid)).collect::<HashSet<_>>().len(), all.len());
        // Written down: what was exported once is known by these.
        assert_eq!(flow_scope(one, 0).into_bytes(), trace_id(one));
        assert_eq!(call_scope(one, 0, 0).to_string(), "557314e5-55a0-84b1-bb0b-1b84a2c92259");
        assert_eq!(call_scope(one, 0, 0).get_version_num(), 8);
    }
}
