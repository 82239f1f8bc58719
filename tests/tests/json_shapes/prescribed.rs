//! The keys that programs written for Kitaru read, by command, situation and place. More keys may be there.

/// Command, situation, place in the shape, keys.
pub(super) const PRESCRIBED: &[(&str, &str, &str, &str)] = &[
    ("init", "made", "/stdout/item", "path repository_directory"),
    ("executions.list", "several", "/stdout", "command items count"),
    (
        "executions.list",
        "several",
        "/stdout/items/0",
        "exec_id flow_id flow_name status started_at ended_at stack_name status_reason pending_wait failure metadata checkpoint_count \
         artifact_count",
    ),
    ("executions.get", "waiting", "/stdout", "command item"),
    (
        "executions.get",
        "waiting",
        "/stdout/item",
        "exec_id flow_id flow_name status started_at ended_at stack_name status_reason pending_wait failure metadata checkpoint_count \
         artifact_count frozen_execution_spec original_exec_id checkpoints artifacts",
    ),
    ("executions.get", "waiting", "/stdout/item/pending_wait", "wait_id name question schema metadata entered_waiting_at"),
    (
        "executions.get",
        "waiting",
        "/stdout/item/frozen_execution_spec",
        "version resolved_execution flow_defaults connection model_registry",
    ),
    (
        "executions.get",
        "waiting",
        "/stdout/item/checkpoints/0",
        "call_id name checkpoint_type status started_at ended_at metadata original_call_id parent_call_ids failure attempts artifacts",
    ),
    (
        "executions.get",
        "waiting",
        "/stdout/item/checkpoints/0/attempts/0",
        "attempt_id status started_at ended_at metadata failure",
    ),
    (
        "executions.get",
        "waiting",
        "/stdout/item/checkpoints/0/artifacts/0",
        "artifact_id name kind save_type producing_call metadata",
    ),
    ("executions.get", "failed", "/stdout/item/failure", "message exception_type traceback origin"),
    ("executions.get", "unknown", "/stderr", "command error"),
    ("executions.get", "unknown", "/stderr/error", "message type"),
    ("executions.logs", "checkpoints", "/stdout/items/0", "message level timestamp source checkpoint_name module"),
    ("executions.logs", "followed over a wait", "/stdout/0", "command event item"),
    ("executions.logs", "followed over a wait", "/stdout/0/item", "message level timestamp source module"),
    ("executions.logs", "followed over a wait", "/stdout/2/item", "wait_name wait_id question"),
    ("executions.logs", "followed to a failure", "/stdout/2/item", "status message recovery_command"),
    ("executions.input", "completed", "/stdout/item", "exec_id status pending_wait checkpoints artifacts"),
    ("executions.input", "no JSON", "/stderr/error", "message type"),
    ("executions.input", "no value", "/stderr/error", "message"),
    ("executions.retry", "completed", "/stdout/item", "exec_id status checkpoints artifacts"),
    ("executions.resume", "completed", "/stdout/item", "exec_id status checkpoints artifacts"),
    ("executions.cancel", "cancelled", "/stdout/item", "exec_id status checkpoints artifacts"),
    ("executions.delete", "deleted", "/stdout/item", "exec_id deleted"),
    ("executions.replay", "one", "/stdout/item", "exec_id original_exec_id status checkpoints artifacts"),
    ("executions.replay", "batch", "/stdout/item", "submission_id tag at wait plan results failures skipped summary compare_url"),
    (
        "executions.replay",
        "batch",
        "/stdout/item/plan",
        "flow_overrides checkpoint_overrides invocation_overrides skip matched_targets",
    ),
    (
        "executions.replay",
        "batch",
        "/stdout/item/results/0",
        "original_exec_ref original_exec_id replay_exec_id status compare_url",
    ),
    ("executions.replay", "batch", "/stdout/item/failures/0", "original_exec_ref original_exec_id reason"),
    ("executions.replay", "batch", "/stdout/item/skipped/0", "original_exec_ref original_exec_id reason"),
    ("executions.replay", "batch", "/stdout/item/summary", "submitted completed failed skipped"),
    ("executions.diff", "replay", "/stdout/items/0", "token_delta cost_delta_usd applied_output_overrides"),
    (
        "executions.diff",
        "replay",
        "/stdout/items/0/applied_output_overrides/0",
        "selector_kind selector matched_invocation_ids field",
    ),
    ("executions.statistics", "groups", "/stdout/item", "groups truncated group_count"),
    ("executions.statistics", "groups", "/stdout/item/groups/0", "keys execution_count metrics"),
    ("secrets.set", "created", "/stdout/item", "id name visibility keys has_missing_values result"),
    ("secrets.set", "invalid", "/stderr/error", "message type"),
    ("secrets.show", "shown", "/stdout/item", "id name visibility keys has_missing_values values"),
    ("secrets.show", "with values", "/stdout/item", "id name visibility keys has_missing_values values"),
    ("secrets.list", "some", "/stdout", "command items count"),
    ("secrets.list", "some", "/stdout/items/0", "id name visibility keys has_missing_values"),
    ("secrets.delete", "deleted", "/stdout/item", "id name visibility keys has_missing_values result"),
    ("model.register", "created", "/stdout/item", "alias model secret is_default"),
    ("model.register", "no secret", "/stderr/error", "message type"),
    ("model.list", "some", "/stdout", "command items count"),
    ("model.list", "some", "/stdout/items/0", "alias model secret is_default"),
    (
        "auth.service-accounts.create",
        "created",
        "/stdout/item",
        "service_account_id name full_name description active created_at updated_at avatar_url",
    ),
    ("auth.service-accounts.list", "some", "/stdout", "command items count"),
    ("auth.service-accounts.delete", "deleted", "/stdout/item", "name_or_id deleted"),
    (
        "auth.api-keys.create",
        "created",
        "/stdout/item",
        "api_key_id name service_account_id service_account_name description active created_at updated_at last_login last_rotated \
         retain_period_minutes key local_key_activation_requested local_key_activation_succeeded local_key_activation_error",
    ),
    (
        "auth.api-keys.show",
        "shown",
        "/stdout/item",
        "api_key_id name service_account_id service_account_name description active created_at updated_at last_login last_rotated \
         retain_period_minutes",
    ),
    ("auth.api-keys.delete", "deleted", "/stdout/item", "service_account name_or_id deleted"),
    ("auth.token", "made", "/stdout/item", "token"),
    (
        "clean.global",
        "done",
        "/stdout/item",
        "scope dry_run aborted backup_path deleted_paths local_server_stopped local_server_force_killed_pid local_server_status \
         reinitialized_project warnings active_environment_overrides preview total_bytes",
    ),
    ("clean.global", "done", "/stdout/item/preview/0", "path type size_bytes note children"),
    (
        "log-store.show",
        "local",
        "/stdout/item",
        "backend endpoint api_key_configured source active_stack_backend active_stack_name warning",
    ),
    ("info", "to a file", "/stdout/item", "file format"),
    (
        "info",
        "empty",
        "/stdout/item",
        "sdk_version connection connection_target config_directory server_url active_user project_override active_stack \
         repository_root server_version server_database server_deployment_type local_server_status warning log_store_status \
         log_store_warning environment kitaru_global_config_path zenml_global_config_path local_stores_path repository_config_path \
         uses_repo_local_config connection_sources active_project python_version system_info environment_type zenml_version packages",
    ),
    (
        "deploy",
        "one",
        "/stdout/item",
        "deployment_id flow version tags commit_sha commit_dirty image_digest created_at schema stack",
    ),
    ("invoke", "completed", "/stdout/item", "exec_id flow_name status"),
    ("flow.list", "some", "/stdout", "command items count"),
    ("flow.show", "shown", "/stdout/item", "flow deployment_count latest_version default_version tags deployments"),
    ("flow.tag", "tagged", "/stdout/item", "flow deployment_count latest_version default_version tags deployments"),
    ("flow.untag", "untagged", "/stdout/item", "flow deployment_count latest_version default_version tags deployments"),
    ("flow.deployments.delete", "deleted", "/stdout/item", "flow version deleted"),
    (
        "flow.deployments.curl",
        "usual server",
        "/stdout/item",
        "flow selector resolved_deployment_version deployment_id server_url invoke_url token_env_var token_command request_body curl_command \
         warning_lines warning",
    ),
    ("flow.deployments.curl", "usual server", "/stdout/item/selector", "version tag"),
];

/// Command, place, the prescribed keys that are not there, and why.
pub(super) const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("auth.service-accounts.create", "/stdout/item", "avatar_url full_name", "an account has one name, and no picture"),
    (
        "auth.api-keys.create",
        "/stdout/item",
        "local_key_activation_error local_key_activation_requested local_key_activation_succeeded",
        "a key that is made is not what this command uses from then on",
    ),
    (
        "info",
        "/stdout/item",
        "active_project local_server_status project_override python_version server_database server_deployment_type \
         zenml_global_config_path zenml_version",
        "a host has no projects to choose among, and no Python; what a server is, it says itself",
    ),
    (
        "deploy",
        "/stdout/item",
        "commit_dirty commit_sha image_digest",
        "a version is its component, whose digest is `component_digest`; there are no images, and no commits that it was built from",
    ),
];
