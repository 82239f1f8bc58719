//! What every backend promises, as tests. A backend says how to make a [`Place`] and names it in [`contract_tests!`].

mod blobs;
mod executions;
mod journal;
mod leases;
mod outputs;
mod scenes;
mod waits;
mod wakeups;

pub(crate) use {blobs::*, executions::*, journal::*, leases::*, outputs::*, waits::*, wakeups::*};

use super::Store;

/// Where stores of one backend share their data. Each test has a place of its own.
pub(crate) trait Place: Send + Sync + 'static {
    /// The backend.
    type Store: Store + 'static;
    /// A new, empty place.
    fn new() -> Self;
    /// One more store on the place, as another process would open it.
    fn open(&self) -> Self::Store;
}

/// Makes a test of every promise for the backend of a [`Place`].
macro_rules! contract_tests {
    ($place:ty) => {
        contract_tests!(@ $place:
            a_created_execution_reads_back, an_execution_is_created_once, executions_are_found_by_prefix, executions_are_listed_newest_first,
            filters_hold_together, a_request_to_cancel_is_noted, every_status_change_does_what_it_says, unknown_executions_are_not_found,
            entries_read_back_in_order, e13_an_append_must_continue_the_journal, a_refused_append_writes_nothing,
            e12_a_lease_that_was_taken_over_can_write_nothing, e12_a_lease_that_was_given_back_can_write_nothing,
            e12_one_store_claims_once, e12_concurrent_claims_have_one_winner, e12_a_live_runner_is_not_robbed,
            e12_a_dead_runner_is_followed_at_once, a_released_execution_can_be_claimed_again, only_living_runners_are_shown,
            a_lost_lease_is_given_back_without_complaint, an_abandoned_claim_does_not_block,
            e3_concurrent_appends_are_all_there, e3_a_refused_append_leaves_its_neighbours_alone, e3_reopening_keeps_everything,
            e3_a_full_append_without_changes_is_accepted, interleaved_journals_keep_their_order,
            a_wait_is_settled_once, a_wait_can_be_aborted, concurrent_answers_have_one_winner, e9_a_reopened_execution_asks_anew,
            artifacts_read_back_in_order, e12_artifacts_are_fenced, an_attempt_that_runs_again_replaces_its_artifacts,
            e11_a_line_is_kept_once, log_filters_and_limits, logs_can_be_followed,
            blobs_are_kept_by_content, components_are_kept_by_digest, large_values_leave_the_row,
            a_wakeup_reaches_the_tasks_of_this_process, a_wakeup_reaches_other_processes, answers_and_cancels_wake
        );
    };
    (@ $place:ty: $($test:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::store::contract::$test(<$place as crate::store::contract::Place>::new()).await;
            }
        )*
    };
}
pub(crate) use contract_tests;
