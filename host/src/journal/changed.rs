//! Which calls of a journal can have changed since somebody looked at it.

use super::{CallKind, CallRecord, History};

impl History {
    /// The calls that may not be shown any more as they were when the journal had `since` records, by index. With them, and what was known of the
    /// others as far as there are so many, all is known. An execution that `is_over` shows calls that never ended in another way than one that runs.
    pub fn changed_since(&self, since: u64, is_over: bool) -> Vec<u32> {
        // What is shown of a call that has not ended depends on whether the execution has.
        let was_reopened = self.reopened_seq.is_some_and(|seq| seq >= since);
        let may_differ = |call: &CallRecord| {
            call.changed_seq >= since || call.end.is_none() && (is_over || was_reopened || call.changes_beside_the_journal())
        };
        (0..).zip(self.calls()).filter(|(_, call)| may_differ(call)).map(|(index, _)| index).collect()
    }
}

impl CallRecord {
    /// Whether what stands beside the journal may change while the call, which has not ended, has no new record: a body touches things and saves
    /// artifacts; and a question is put, and answered, also about a call that waits for a model, or of which nobody knows how far it got.
    fn changes_beside_the_journal(&self) -> bool {
        match self.descriptor.kind {
            CallKind::Wait | CallKind::Llm => true,
            CallKind::Checkpoint => !self.attempts.is_empty(),
            CallKind::Sleep | CallKind::First | CallKind::Flow => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::journal::scenes::{Book, call, checkpoint, failed, success, three};
    use crate::journal::{EntryBody, Failure};

    fn reopened(rerun: &[u32]) -> EntryBody {
        EntryBody::Reopened { rerun: rerun.to_vec(), component: None, automatic: false }
    }

    /// Calls beside each other, one that is tried again, a failure, two retries that forget calls, and an end that cuts one off.
    fn eventful() -> Book {
        let mut book = three();
        book.start(3, 1, Some(checkpoint("flaky"))).add(EntryBody::CallIssued { call: 4, descriptor: checkpoint("beside") });
        book.add(EntryBody::AttemptFailed {
            call: 3,
            attempt: 1,
            failure: Failure::user("error", "no"),
            metadata: None,
            retry_at: Timestamp::from_micros(9),
        });
        book.start(4, 1, None).start(3, 2, None).end(4, 1, success("4")).end(3, 2, failed());
        book.ran(5, checkpoint("after"), success("5"));
        book.add(EntryBody::Finished { outcome: failed(), unseen: vec![], learnt_after: Some(5) }).add(reopened(&[3]));
        book.start(3, 3, None).start(5, 2, Some(call(CallKind::Wait, "go", "go", "{}"))).end(3, 3, success("3"));
        book.add(EntryBody::Finished { outcome: failed(), unseen: vec![], learnt_after: None }).add(reopened(&[]));
        book.ran(6, checkpoint("last"), success("6")).cut_off(5);
        book
    }

    #[test]
    fn what_is_not_named_is_as_it_was() {
        let book = eventful();
        for known in 0..=book.0.len() {
            let before = History::fold(book.0[..known].to_vec()).unwrap();
            for now in known..=book.0.len() {
                let after = History::fold(book.0[..now].to_vec()).unwrap();
                let changed = after.changed_since(known as u64, false);
                assert!(changed.is_sorted());
                for index in (0..after.len()).filter(|index| !changed.contains(index)) {
                    assert_eq!(before.call(index), after.call(index), "call {index}, of {known} and then {now} records");
                }
            }
        }
    }

    #[test]
    fn no_more_is_named_than_can_have_changed() {
        let book = eventful();
        let history = book.history();
        let all: Vec<u32> = (0..history.len()).collect();
        assert_eq!((history.changed_since(0, false), history.changed_since(0, true)), (all.clone(), all));
        assert_eq!(history.changed_since(book.0.len() as u64, true), [] as [u32; 0], "all have ended");
        assert_eq!(history.changed_since(book.0.len() as u64 - 1, false), [5], "the record that cut it off");

        let mut open = three();
        open.start(3, 1, Some(checkpoint("runs"))).start(4, 1, Some(call(CallKind::Sleep, "rest", "rest", "{}")));
        open.add(EntryBody::CallIssued { call: 5, descriptor: checkpoint("queued") });
        open.start(6, 1, Some(call(CallKind::Wait, "go", "go", "{}")));
        open.add(EntryBody::CallIssued { call: 7, descriptor: call(CallKind::Llm, "ask", "ask", "{}") });
        open.start(8, 1, Some(checkpoint("waits_for_a_model"))).add(EntryBody::AttemptFailed {
            call: 8,
            attempt: 1,
            failure: Failure::user("error", "no model"),
            metadata: None,
            retry_at: Timestamp::from_micros(9),
        });
        let (history, known) = (open.history(), open.0.len() as u64);
        let expected = [3, 6, 7, 8];
        assert_eq!(history.changed_since(known, false), expected, "a body touches things, questions are put and answered");
        assert_eq!(history.changed_since(known, true), [3, 4, 5, 6, 7, 8], "they never ended");
        open.add(reopened(&[]));
        assert_eq!(open.history().changed_since(known, false), [3, 4, 5, 6, 7, 8], "they go on");
    }
}
