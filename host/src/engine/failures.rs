//! What a flow knows of calls that failed, and when it learnt of it: a retry runs again what its failure leads back to and what it never
//! knew of, and keeps what it did before it knew (E9).

use std::collections::{BTreeSet, HashMap};

/// The failed calls of one run of a flow.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Those that the flow was not told of.
    unseen: BTreeSet<u32>,
    /// Those that it was told of.
    learnt: HashMap<u32, Learnt>,
    /// Calls that the flow itself ended, failed or not, and when.
    withdrawn: HashMap<u32, u64>,
    /// Counts what happens here.
    moment: u64,
}

#[derive(Clone, Copy, Debug)]
struct Learnt {
    /// How many calls the flow had made by then.
    made: u32,
    moment: u64,
}

/// What a retry has to know of a flow that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AtEnd {
    /// How many calls the flow had made when it learnt of the failure that it ended with.
    pub(super) learnt_after: Option<u32>,
    /// Failed calls that it does not know of, and those that it ended because of that failure.
    pub(super) unseen: Vec<u32>,
}

impl Failures {
    /// A call failed.
    pub(super) fn failed(&mut self, index: u32) {
        if !self.withdrawn.contains_key(&index) {
            self.unseen.insert(index);
        }
    }

    /// The flow is told how a call ended.
    pub(super) fn told(&mut self, index: u32) {
        self.unseen.remove(&index);
    }

    /// The flow learns that a call failed, or ended before others because it did, having made so many.
    pub(super) fn learnt(&mut self, index: u32, made: u32) {
        self.moment += 1;
        let moment = self.moment;
        self.learnt.entry(index).or_insert(Learnt { made, moment });
    }

    /// The flow ends a call itself.
    pub(super) fn withdrew(&mut self, index: u32) {
        self.moment += 1;
        self.unseen.remove(&index);
        self.withdrawn.entry(index).or_insert(self.moment);
    }

    /// The flow ends with a failure that leads back to the call `named`, or else to its last one, having made so many.
    pub(super) fn at_end(&self, named: Option<u32>, made: u32) -> AtEnd {
        let last = made.checked_sub(1);
        let culprit = named.and_then(|index| self.learnt.get(&index)).or_else(|| self.learnt.get(&last?)).copied();
        let mut unseen = self.unseen.clone();
        if let Some(culprit) = culprit {
            let because = self.withdrawn.iter().filter(|(_, moment)| **moment > culprit.moment);
            unseen.extend(because.map(|(index, _)| *index));
        }
        AtEnd { learnt_after: culprit.map(|culprit| culprit.made), unseen: unseen.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e9_what_was_withdrawn_because_of_the_failure_runs_again() {
        let mut failures = Failures::default();
        failures.withdrew(0);
        failures.failed(1);
        failures.failed(4);
        failures.learnt(1, 4);
        failures.told(1);
        failures.withdrew(2);
        assert_eq!(failures.at_end(Some(1), 5), AtEnd { learnt_after: Some(4), unseen: vec![2, 4] });
        // The flow's own failure leads back to no call.
        assert_eq!(failures.at_end(None, 6), AtEnd { learnt_after: None, unseen: vec![4] });
        assert_eq!(failures.at_end(None, 2), AtEnd { learnt_after: Some(4), unseen: vec![2, 4] }, "or to its last one");
    }

    #[test]
    fn e9_the_first_that_the_flow_learns_of_a_failure_counts() {
        let mut failures = Failures::default();
        failures.learnt(0, 2);
        failures.learnt(0, 3);
        assert_eq!(failures.at_end(Some(0), 3).learnt_after, Some(2));
    }

    #[test]
    fn a_call_that_fails_while_it_is_withdrawn_is_of_no_interest() {
        let mut failures = Failures::default();
        failures.withdrew(0);
        failures.failed(0);
        assert_eq!(failures.at_end(None, 1).unseen, [] as [u32; 0]);
    }
}
