//! Running sums per checkpoint, execution, tree of executions, flow and day.

use std::collections::{BTreeMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::record::UsageRecord;
use super::summary::UsageSummary;

/// What is summed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "id")]
pub enum UsageScope {
    /// One checkpoint call.
    Checkpoint(String),
    /// One execution.
    Execution(String),
    /// The execution of this identifier with all that it started, what those started, and so on.
    Tree(String),
    /// All executions of one flow.
    Flow(String),
    /// One day in UTC, as days since 1 January 1970.
    Day(u64),
}

impl UsageScope {
    /// The day of a moment.
    pub fn day_of(moment: SystemTime) -> Self {
        Self::Day(moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400)
    }
}

/// Running sums. Every record counts once in each scope that it is given for, however often it is given.
#[derive(Clone, Debug, Default)]
pub struct RollUps {
    sums: BTreeMap<UsageScope, UsageSummary>,
    counted: HashSet<(UsageScope, String)>,
}

impl RollUps {
    /// Counts a record in these scopes.
    pub fn count(&mut self, record: &UsageRecord, scopes: impl IntoIterator<Item = UsageScope>) {
        for scope in scopes {
            if self.counted.insert((scope.clone(), record.record_id.clone())) {
                self.sums.entry(scope).or_default().count(record);
            }
        }
    }

    /// The sums of a scope; nothing when it has no records.
    pub fn summary(&self, scope: &UsageScope) -> Option<&UsageSummary> {
        self.sums.get(scope)
    }

    /// All scopes with their sums.
    pub fn iter(&self) -> impl Iterator<Item = (&UsageScope, &UsageSummary)> {
        self.sums.iter()
    }

    /// Forgets a scope that nobody will add to or ask for again.
    pub fn forget(&mut self, scope: &UsageScope) -> Option<UsageSummary> {
        self.counted.retain(|(counted, _)| counted != scope);
        self.sums.remove(scope)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::tests::{calculated, record};
    use super::*;
    use crate::price::NanoUsd;

    #[test]
    fn a_record_counts_once_in_each_of_its_scopes() {
        let mut sums = RollUps::default();
        let day = UsageScope::day_of(UNIX_EPOCH + Duration::from_secs(86_400 * 3 + 5));
        let scopes =
            || [UsageScope::Checkpoint("c".into()), UsageScope::Execution("e".into()), UsageScope::Flow("f".into()), day.clone()];
        sums.count(&record("1", 1, calculated(7)), scopes());
        sums.count(&record("1", 1, calculated(7)), scopes());
        sums.count(&record("1", 2, calculated(5)), scopes());
        assert_eq!(day, UsageScope::Day(3));
        assert_eq!(sums.iter().count(), 4);
        for (_, summary) in sums.iter() {
            assert_eq!((summary.usage_record_count, summary.display_cost_usd), (2, NanoUsd::from_nanos(12)));
        }
        assert!(sums.forget(&day).is_some());
        assert!(sums.summary(&day).is_none());
    }
}
