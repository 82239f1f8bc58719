//! Flags for limits: of an execution, and of the process.

use clap::Args;
use kitaru_llm::price::NanoUsd;

use crate::sandbox::LimitChanges;

/// What instances may use.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Memory of one instance, in MiB
    #[arg(long, value_name = "MIB")]
    max_memory: Option<u64>,
    /// How long the flow may compute between two durable calls, in seconds
    #[arg(long, value_name = "SECONDS")]
    flow_seconds: Option<u64>,
    /// How long one checkpoint attempt may take, in seconds
    #[arg(long, value_name = "SECONDS")]
    checkpoint_seconds: Option<u64>,
    /// Size of one JSON value, in MiB
    #[arg(long, value_name = "MIB")]
    max_value: Option<u64>,
    /// Size of one artifact, in MiB
    #[arg(long, value_name = "MIB")]
    max_artifact: Option<u64>,
    /// Log text of one flow run or checkpoint attempt, in MiB
    #[arg(long, value_name = "MIB")]
    max_log: Option<u64>,
    /// Durable calls of one execution
    #[arg(long, value_name = "COUNT")]
    max_calls: Option<u32>,
    /// Checkpoints of one execution that run at a time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// What one checkpoint attempt writes to granted folders, in MiB
    #[arg(long, value_name = "MIB")]
    max_written: Option<u64>,
    /// Files and folders that one checkpoint attempt makes
    #[arg(long, value_name = "COUNT")]
    max_written_files: Option<u64>,
    /// Elements of all tables of one instance
    #[arg(long, value_name = "COUNT")]
    max_table_elements: Option<u64>,
    /// Core instances of a component, and as many memories and tables
    #[arg(long, value_name = "COUNT")]
    max_instances: Option<u32>,
    /// How long one checkpoint attempt, and the flow between two durable calls, may compute, in seconds; waiting does not count
    #[arg(long, value_name = "SECONDS")]
    cpu_seconds: Option<u64>,
    /// Journal of the execution with its values, in MiB
    #[arg(long, value_name = "MIB")]
    max_history: Option<u64>,
    /// All artifacts of the execution, in MiB
    #[arg(long, value_name = "MIB")]
    max_artifacts: Option<u64>,
    /// What the host holds of the arguments of one call, in MiB
    #[arg(long, value_name = "MIB")]
    max_argument: Option<u64>,
    /// HTTP requests and sockets of one attempt that are open at a time
    #[arg(long, value_name = "COUNT")]
    max_requests: Option<u32>,
    /// Body of one HTTP response, in MiB
    #[arg(long, value_name = "MIB")]
    max_response: Option<u64>,
    /// How long an HTTP request may wait for the head of its response, and for each piece of it, in seconds
    #[arg(long, value_name = "SECONDS")]
    request_seconds: Option<u64>,
    /// What the model calls of the execution may cost, in dollars
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    max_llm_cost: Option<NanoUsd>,
}

impl LimitArgs {
    /// What the flags change.
    pub(super) fn changes(self) -> LimitChanges {
        LimitChanges {
            memory_mib: self.max_memory,
            flow_seconds: self.flow_seconds,
            checkpoint_seconds: self.checkpoint_seconds,
            value_mib: self.max_value,
            artifact_mib: self.max_artifact,
            log_mib: self.max_log,
            calls: self.max_calls,
            parallel: self.max_parallel,
            written_mib: self.max_written,
            written_files: self.max_written_files,
            table_elements: self.max_table_elements,
            instances: self.max_instances,
            cpu_seconds: self.cpu_seconds,
            history_mib: self.max_history,
            artifacts_mib: self.max_artifacts,
            argument_mib: self.max_argument,
            requests: self.max_requests,
            response_mib: self.max_response,
            request_seconds: self.request_seconds,
            llm_usd: self.max_llm_cost,
        }
    }
}

/// An amount of dollars: `0.50`.
fn dollars(text: &str) -> Result<NanoUsd, String> {
    let amount = text.trim().trim_start_matches('$').parse().ok().and_then(NanoUsd::from_dollars_rounded_up);
    amount.ok_or_else(|| "give an amount of dollars, as in 0.50".to_owned())
}

/// What all instances of this process may use together.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits of this process")]
pub(super) struct HostLimitArgs {
    /// Memory of all instances together, in MiB; what wants more waits in line. Also `instances_mib` of `host` in kitaru.toml; half of the
    /// machine's memory if absent
    #[arg(long = "max-instances-memory", value_name = "MIB")]
    pub(super) instances_mib: Option<u64>,
    /// Stack of one instance, in KiB, 64 to 65536. Also `stack_kib` of `host` in kitaru.toml; 2048 if absent
    #[arg(long = "max-stack", value_name = "KIB")]
    pub(super) stack_kib: Option<u64>,
}

impl HostLimitArgs {
    /// The flag that was given, if any was: a server has its own limits.
    pub(super) fn of_this_machine(self) -> Option<&'static str> {
        let memory = self.instances_mib.map(|_| "--max-instances-memory");
        memory.or_else(|| self.stack_kib.map(|_| "--max-stack"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_dollars() {
        for (text, nanos) in [("0.50", 500_000_000), ("$2", 2_000_000_000), (" 0 ", 0), ("0.0028", 2_800_000)] {
            assert_eq!(dollars(text), Ok(NanoUsd::from_nanos(nanos)), "{text}");
        }
        for bad in ["", "-1", "free", "NaN", "inf", "1,50", "50c"] {
            assert!(dollars(bad).is_err(), "{bad}");
        }
    }
}
