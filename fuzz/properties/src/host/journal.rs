//! Journals: records that anybody may have written, and flows that go over them.

use kitaru_host::clock::Timestamp;
use kitaru_host::ids::ExecutionId;
use kitaru_host::journal::{
    CallKind, Cursor, Decision, Descriptor, Entry, EntryBody, Failure, History, ReplayPlan, ReplayRequest, chain, decode, encode,
};

/// A record that is read is written as something that reads the same; records make a history or are refused with the place; and a flow that
/// goes over any history is served, runs, or parts from it, at exactly the call that differs.
///
/// An input that begins with `[` is a JSON list of entries; any other is a sequence of encoded ones, each behind its length in two bytes.
pub(crate) fn any_records(data: &[u8]) {
    round_trip(data);
    let entries = if data.first() == Some(&b'[') {
        let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(data) else { return };
        for entry in &entries {
            let encoded = encode(entry, &[0; 32]).expect("an entry can be written");
            assert_eq!(&decode(&encoded.bytes).expect("what was written can be read"), entry);
        }
        entries
    } else {
        framed(data)
    };
    let known = entries.len();
    match History::fold(entries) {
        Ok(history) => {
            assert_eq!(history.next_seq, known as u64);
            gone_over(&history);
            replayed(&history);
            reopened(history);
        }
        Err(error) => assert!(!error.problem.is_empty()),
    }
}

fn round_trip(data: &[u8]) {
    let Ok(entry) = decode(data) else { return };
    let encoded = encode(&entry, &[7; 32]).expect("what was read can be written");
    assert_eq!(decode(&encoded.bytes).expect("what was written can be read"), entry);
    assert_eq!((encoded.seq, encoded.link), (entry.seq, chain(&[7; 32], &encoded.bytes)));
}

/// The entries that stand one after the other, until one cannot be read.
fn framed(mut data: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        let Some((record, after)) = rest.split_at_checked(len) else { break };
        round_trip(record);
        let Ok(entry) = decode(record) else { break };
        entries.push(entry);
        data = after;
    }
    entries
}

fn other(descriptor: &Descriptor) -> Descriptor {
    Descriptor { name: format!("{}'", descriptor.name), ..descriptor.clone() }
}

/// Re-execution: E1, E2.
fn gone_over(history: &History) {
    let cursor = Cursor::new(history.clone(), None);
    for (index, record) in (0_u32..).zip(history.calls()) {
        match cursor.decide(index, &record.descriptor, false) {
            Decision::Recorded { end } => assert_eq!(Some(end), record.end),
            Decision::Run { attempt, started, .. } => {
                assert!(record.end.is_none() && started && attempt > 0);
                assert_eq!(attempt, record.next_attempt());
            }
            other => panic!("call {index} is its own, and is {other:?}"),
        }
        let different = cursor.decide(index, &other(&record.descriptor), true);
        assert_eq!(different, Decision::Mismatch { expected: record.descriptor.clone() });
        assert_eq!(cursor.missing(index).map(|divergence| divergence.index), Some(index));
        let _ = (record.has_started(), record.was_interrupted(), record.failed_attempts(), history.generation(index));
    }
    let (made, first) = (history.len(), history.calls().first());
    assert_eq!((cursor.missing(made), cursor.missing_of_own(made), cursor.recorded()), (None, None, made));
    if let Some(first) = first {
        assert!(matches!(cursor.decide(made, &first.descriptor, false), Decision::Run { started: false, .. }));
    }
}

/// A replay of any history: E10.
fn replayed(history: &History) {
    let source = ExecutionId::from_bytes([1; 16]);
    for (index, record) in (0_u32..).zip(history.calls()).take(8) {
        let selectors = [record.descriptor.name.clone(), record.descriptor.invocation.clone(), format!(":{index}")];
        for from in selectors {
            let request = ReplayRequest { from: Some(from), reuse_unchanged: index % 2 == 0, ..ReplayRequest::default() };
            let Ok(plan) = ReplayPlan::new(source, history, &request) else { continue };
            assert!(plan.live_from < history.len() && plan.source_records == history.next_seq);
            let cursor = Cursor::new(History::default(), Some((plan, history.clone())));
            for (index, record) in (0_u32..).zip(history.calls()) {
                let decision = cursor.decide(index, &record.descriptor, false);
                assert!(matches!(decision, Decision::Served { .. } | Decision::Run { started: false, .. }), "{decision:?}");
            }
        }
    }
}

/// A retry of any history: E9.
fn reopened(mut history: History) {
    let last = history.len().saturating_sub(1);
    for failure in [Failure::user("error", "no"), Failure::user("error", "no").at_call(last), Failure::runtime("limit", "no")] {
        let rerun = history.to_rerun(&failure);
        assert!(rerun.iter().all(|index| history.call(*index).is_some_and(|record| record.end.is_some())));
        let kept = history.len() - u32::try_from(history.forgotten(&rerun).len()).expect("as many as there are calls");
        let (seq, at) = (history.next_seq, Timestamp::from_micros(0));
        let body = EntryBody::Reopened { rerun: rerun.clone(), component: None, automatic: false };
        history.apply(Entry { seq, at, body }).expect("a reopening follows from anything");
        assert_eq!(history.len(), kept);
        assert!(rerun.iter().all(|index| history.call(*index).is_none_or(|record| record.end.is_none())));
        let _ = history.by_invocation(CallKind::Checkpoint, "a");
        gone_over(&history);
    }
}
