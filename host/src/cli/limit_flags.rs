//! Limits that a failure names, and what raises them.

/// The limit of the host that a message names.
pub(super) fn host_limit(message: &str) -> Option<&'static str> {
    ["instances_mib", "stack_kib"].into_iter().find(|key| message.contains(&format!("{key}`")))
}

/// The flag of the limit that a message names.
pub(super) fn limit_flag(message: &str) -> Option<&'static str> {
    const FLAGS: [(&str, &str); 18] = [
        ("`memory_mib`", "--max-memory"),
        ("`flow_seconds`", "--flow-seconds"),
        ("`checkpoint_seconds`", "--checkpoint-seconds"),
        ("`value_mib`", "--max-value"),
        ("`artifact_mib`", "--max-artifact"),
        ("`log_mib`", "--max-log"),
        ("`calls`", "--max-calls"),
        ("`written_mib`", "--max-written"),
        ("`written_files`", "--max-written-files"),
        ("`table_elements`", "--max-table-elements"),
        ("`instances`", "--max-instances"),
        ("`cpu_seconds`", "--cpu-seconds"),
        ("`history_mib`", "--max-history"),
        ("`artifacts_mib`", "--max-artifacts"),
        ("`argument_mib`", "--max-argument"),
        ("`requests`", "--max-requests"),
        ("`response_mib`", "--max-response"),
        ("`request_seconds`", "--request-seconds"),
    ];
    FLAGS.iter().find(|(key, _)| message.contains(key)).map(|(_, flag)| *flag)
}
