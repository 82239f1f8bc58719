//! What every backend promises, as tests. A backend says how to make a [`Place`] and names it in [`contract_tests!`].

mod accesses;
mod audit;
mod blobs;
mod briefs;
mod cache;
mod children;
mod executions;
mod flows;
mod journal;
mod leases;
mod model_answers;
mod model_calls;
mod outputs;
mod removal;
mod scenes;
mod schedule;
mod secrets;
mod service_accounts;
mod sessions;
mod spending;
mod starts;
mod sweep;
mod tags;
mod transfer;
mod trees;
mod waits;
mod wakeups;

pub(crate) use {
    accesses::*, audit::*, blobs::*, briefs::*, cache::*, children::*, executions::*, flows::*, journal::*, leases::*,
    model_answers::*, model_calls::*, outputs::*, removal::*, schedule::*, secrets::*, service_accounts::*, sessions::*,
    spending::*, starts::*, sweep::*, tags::*, transfer::*, trees::*, waits::*, wakeups::*,
};

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
            a_created_execution_reads_back, an_execution_is_created_once, a_replay_of_what_is_not_there_is_refused, executions_are_found_by_prefix, executions_are_listed_newest_first, executions_are_found_by_words,
            filters_hold_together, a_request_to_cancel_is_noted, every_status_change_does_what_it_says, e10_other_code_does_not_get_the_trees_of_a_replay, unknown_executions_are_not_found,
            entries_read_back_in_order, what_is_read_ahead_is_what_is_read, e13_an_append_must_continue_the_journal, a_refused_append_writes_nothing,
            e12_a_lease_that_was_taken_over_can_write_nothing, e12_a_lease_that_was_given_back_can_write_nothing,
            e12_one_store_claims_once, e12_concurrent_claims_have_one_winner, e12_a_live_runner_is_not_robbed,
            e12_a_begun_execution_is_its_creators_from_the_start, a_creation_that_is_refused_refuses_all_that_follows,
            a_begun_execution_that_is_not_driven_is_left_to_others,
            e12_a_dead_runner_is_followed_at_once, a_released_execution_can_be_claimed_again, only_living_runners_are_shown,
            a_lost_lease_is_given_back_without_complaint, an_abandoned_claim_does_not_block,
            e3_concurrent_appends_are_all_there, e3_a_refused_append_leaves_its_neighbours_alone, e3_reopening_keeps_everything,
            e3_a_full_append_without_changes_is_accepted, interleaved_journals_keep_their_order,
            a_wait_is_settled_once, a_wait_can_be_aborted, questions_for_models_are_found_among_all, concurrent_answers_have_one_winner, e9_a_reopened_execution_asks_anew, e9_questions_of_calls_that_run_again_are_gone,
            artifacts_read_back_in_order, e12_artifacts_are_fenced, an_attempt_that_runs_again_replaces_its_artifacts,
            e11_a_line_is_kept_once, log_filters_and_limits, logs_can_be_followed,
            blobs_are_kept_by_content, components_are_kept_by_digest, large_values_leave_the_row,
            signatures_are_kept_with_their_component,
            a_wakeup_reaches_the_tasks_of_this_process, a_wakeup_reaches_other_processes, no_wakeup_after_a_watch_is_lost,
            answers_and_cancels_wake, whoever_watches_all_is_told_of_everything,
            e12_the_death_of_a_runner_is_told_where_that_is_promised,
            executions_are_found_by_their_labels, labels_hold_together_with_other_filters, labels_stay_as_they_were_given,
            a_child_is_created_with_the_step_that_starts_it, children_are_listed_by_their_parent,
            a_parent_is_due_when_its_child_ends, the_end_of_a_child_delays_nobody,
            e8_an_execution_is_due_from_its_moment_on, e8_a_status_change_clears_the_time_to_wake,
            e8_the_time_to_wake_is_the_latest_that_was_set,
            e8_what_a_living_runner_holds_is_not_due, e8_due_executions_are_found_up_to_a_limit,
            e8_an_answer_makes_its_execution_due_until_the_journal_has_it, e8_an_answer_is_not_forgotten_when_everybody_dies,
            e8_an_answer_puts_nothing_off, e8_one_answer_of_several_is_something_to_go_on_with,
            e8_what_nobody_holds_and_is_to_run_is_found,
            e8_an_execution_is_abandoned_when_its_runner_died_holding_it, e8_abandoned_executions_are_found_up_to_a_limit,
            e8_executions_of_living_runners_do_not_hide_abandoned_ones,
            e14_a_cached_result_reads_back, e14_a_cached_result_is_too_old_from_its_moment_on,
            e14_a_later_result_takes_the_place_of_an_earlier_one, e14_a_refused_append_caches_nothing,
            a_cached_result_goes_with_the_execution_that_made_it,
            an_imported_execution_reads_back_as_it_was_exported, an_import_survives_a_restart, e9_an_imported_execution_can_go_on,
            an_import_of_a_known_execution_changes_nothing, an_import_that_fails_half_way_leaves_nothing,
            a_long_journal_is_imported_in_order, imported_values_stay_until_their_execution_is_deleted,
            only_ended_executions_are_deleted, what_is_not_there_cannot_be_deleted,
            a_deleted_execution_is_gone_with_all_of_its_own, whoever_comes_after_a_deleted_execution_inherits_nothing,
            a_replay_that_has_not_ended_keeps_its_source, a_parent_that_has_not_ended_keeps_its_children,
            values_stay_as_long_as_their_execution, a_value_stays_while_any_execution_needs_it,
            a_component_stays_while_any_execution_needs_it, the_component_that_took_over_is_needed,
            what_was_written_within_the_grace_stays, a_swept_value_can_be_put_again, sweeps_beside_each_other_share_the_work,
            a_secret_reads_back_by_name_and_by_id, secrets_are_listed_by_name, a_version_takes_the_place_of_the_one_before,
            a_version_follows_the_latest, of_versions_at_once_one_is_kept, a_deleted_secret_leaves_its_name_and_version,
            a_store_is_told_from_others,
            model_calls_read_back_in_order, a_refused_append_records_no_model_call, usage_is_found_by_flow_and_day,
            what_was_spent_is_summed_by_execution_flow_and_day, a_deleted_execution_leaves_what_it_spent,
            an_imported_execution_spends_nothing_here,
            a_brief_reads_back_and_a_later_one_takes_its_place, a_brief_goes_with_its_execution_and_others_can_tell_that_it_is_gone,
            artifacts_are_counted_by_who_saved_them, usage_is_read_from_a_position_on,
            accesses_read_back_in_order, a_refused_append_records_no_access, what_stands_beside_some_calls_is_a_part_of_all,
            a8_an_amount_is_set_aside_in_all_accounts_or_in_none, a8_the_last_cent_is_given_once,
            a_record_takes_the_place_of_what_was_set_aside, what_no_record_tells_stays_spent, a_call_of_no_execution_has_no_record,
            what_a_dead_runner_had_set_aside_counts_for_good, a_record_leaves_alone_what_another_runner_set_aside,
            amounts_without_end_are_no_trouble, every_amount_is_counted_once_at_every_moment,
            a8_all_of_a_tree_spend_from_one_account, a8_the_last_cent_of_a_tree_is_given_once, a_trees_account_goes_with_the_last_of_it,
            what_is_imported_is_a_tree_of_its_own,
            an_answer_reads_back_until_it_is_too_old, a_later_answer_takes_the_place_of_an_earlier_one,
            the_answer_that_was_not_used_for_longest_makes_room, answers_make_room_by_their_size,
            a_large_answer_stays_while_it_is_kept, answers_that_are_too_old_are_forgotten,
            an_account_reads_back_by_name_and_by_id, names_of_accounts_are_unique, of_an_account_what_is_named_changes,
            a_key_is_found_with_its_account, a_key_changes_and_notes_its_use, a_rotated_key_keeps_the_secret_before_for_a_while,
            a_deleted_account_takes_its_keys_along,
            a_session_reads_back_until_it_is_ended, a_session_goes_with_its_key, sessions_make_room,
            a_login_code_is_taken_once_and_in_time, what_may_be_used_once_is_spent_once,
            audit_entries_read_back_newest_first, audit_filters_hold_together, audit_entries_go_by_number_and_by_age,
            whoever_fills_the_audit_pushes_out_their_own_entries,
            a_published_version_reads_back, versions_are_listed_by_flow_the_latest_first,
            x21_the_first_version_is_the_default_whatever_it_is_tagged, x21_an_exclusive_tag_moves_and_a_shared_one_stays,
            x21_a_version_with_an_exclusive_tag_stays, no_version_has_the_number_of_one_before,
            versions_that_are_published_at_once_are_all_there, a_component_stays_while_any_version_needs_it,
            a_start_that_is_repeated_gets_the_same_execution, starts_at_once_create_one_execution,
            a_start_that_is_refused_keeps_no_key, old_starts_are_forgotten, the_key_of_a_deleted_execution_starts_no_other
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
