//! `executions get | journal`: one execution, whole.

use std::process::ExitCode;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::costs;
use crate::cli::drive::answer_command;
use crate::cli::error::CliError;
use crate::cli::granted::granted;
use crate::cli::table::{fields, table};
use crate::cli::terminal::one_line;
use crate::ids::ExecutionId;
use crate::service::{AccessSum, CapabilitiesView, ExecutionView, GovernedCallView, JournalCall, JournalQuery};

pub(super) async fn run(context: &Context, execution: &str) -> Result<ExitCode, CliError> {
    let service = context.service()?;
    let id = service.resolve(execution).await?;
    print(context, &service.get(id).await?)
}

pub(super) fn print(context: &Context, view: &ExecutionView) -> Result<ExitCode, CliError> {
    context.output.item(view, || text(view))
}

fn text(view: &ExecutionView) -> String {
    let summary = &view.summary;
    let mut rows = vec![
        ("Execution ID", summary.exec_id.clone()),
        ("Flow", summary.flow_name.clone()),
        ("Status", summary.status.to_string()),
        ("Started", summary.started_at.clone()),
    ];
    let mut add = |name: &'static str, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    add("Ended", summary.ended_at.clone());
    add(
        "Run by",
        match (&view.runner, &*summary.status) {
            (None, "running") => Some(format!("nobody; go on with: kitaru-host executions resume {}", summary.exec_id)),
            (runner, _) => runner.clone(),
        },
    );
    add("Replays", summary.original_exec_id.clone());
    add("Component", Some(format!("sha256:{}", summary.component_digest)));
    let signers = view.component_signatures.iter().map(|signer| {
        let trusted = if signer.trusted { "" } else { ", not trusted now" };
        format!("{} ({}{trusted})", signer.key_id, signer.trusted_comment)
    });
    let signers = signers.collect::<Vec<_>>().join(", ");
    add("Signed by", (!signers.is_empty()).then_some(signers));
    add("Input", Some(view.input.to_string()));
    add("Result", view.has_result.then(|| view.result.to_string()));
    add("Metadata", Some(summary.metadata.to_string()).filter(|text| text != "{}"));
    add("Wakes", summary.wakes_at.clone().filter(|_| !summary.is_due));
    let what = match (summary.is_due, &summary.wakes_at) {
        (true, _) => Some(format!("its runner: it can go on, with: kitaru-host executions resume {}", summary.exec_id)),
        (false, None) => Some(format!("a child flow; see: kitaru-host executions list --parent {}", summary.exec_id)),
        (false, Some(_)) => None,
    };
    add("Waits for", what.filter(|_| summary.status == "waiting" && summary.pending_wait.is_none()));
    add("Pending wait", summary.pending_wait.as_ref().map(|wait| wait.name.clone()));
    add("Wait question", summary.pending_wait.as_ref().and_then(|wait| wait.question.clone()));
    let several = view.waits.iter().filter(|wait| wait.status == "pending").count() > 1;
    add("Answer it", summary.pending_wait.as_ref().map(|wait| answer_command(wait, several)));
    add(
        "Failure",
        summary.failure.as_ref().map(|failure| format!("{} ({}, {})", failure.message, failure.exception_type, failure.origin)),
    );
    add("Cost", view.llm_usage_summary_v1.as_ref().map(costs::line));
    let grants = view.frozen_execution_spec.get("grants").map(granted).unwrap_or_default();
    add("Granted", Some(if grants.is_empty() { "nothing".into() } else { grants }));
    let mut text = fields(&rows);
    if !view.checkpoints.is_empty() {
        let row = |call: &crate::service::CheckpointView| {
            let attempts = if call.attempts.len() > 1 { format!("{} attempts", call.attempts.len()) } else { String::new() };
            let origin = if call.provenance == "ran" { String::new() } else { call.provenance.to_string() };
            vec![
                call.call_index.to_string(),
                call.invocation_id.clone(),
                call.status.to_string(),
                origin,
                attempts,
                call.call_id.clone(),
            ]
        };
        let rows: Vec<_> = view.checkpoints.iter().map(row).collect();
        text.push_str(&format!("\n\n{}", table(&["CALL", "CHECKPOINT", "STATUS", "", "", "CALL ID"], &rows)));
    }
    if let Some(capabilities) = capabilities(view) {
        text.push_str(&format!("\n\n{capabilities}"));
    }
    if let (Some(call), true) = (view.checkpoints.last(), summary.status != "running") {
        text.push_str(&format!(
            "\n\nReplay from here: kitaru-host executions replay {} --from {}",
            summary.exec_id,
            crate::cli::drive::selector(view, call)
        ));
    }
    text
}

/// Of one call, so many targets are shown.
const MOST_TARGETS: usize = 10;

/// What each checkpoint has of the grants, used, and was denied; nothing where there is nothing to tell.
fn capabilities(view: &ExecutionView) -> Option<String> {
    let mut rows = Vec::new();
    for call in &view.checkpoints {
        let own = |what: &str, which: String, times: String| {
            vec![call.call_index.to_string(), call.invocation_id.clone(), what.to_owned(), which, times]
        };
        let CapabilitiesView { granted: has, used, denied, .. } = &call.capabilities;
        let has = has.as_ref().map(granted).filter(|text| !text.is_empty());
        rows.extend(has.map(|text| own("granted", text, String::new())));
        for (what, sums) in [("used", used), ("denied", denied)] {
            let row = |sum: &AccessSum| own(what, format!("{} {}", sum.kind, sum.target), sum.count.to_string());
            rows.extend(sums.iter().take(MOST_TARGETS).map(row));
            if let more @ 1.. = sums.len().saturating_sub(MOST_TARGETS) {
                let hint = format!("… {more} more: kitaru-host executions access {}", view.summary.exec_id);
                rows.push(own(what, hint, String::new()));
            }
        }
    }
    (!rows.is_empty()).then(|| table(&["CALL", "CHECKPOINT", "", "WHAT", "TIMES"], &rows))
}

#[derive(Debug, Args)]
pub(crate) struct JournalCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// What governed each of its model calls, in place of its calls: guardrails, intercepts, sanitisers and middleware, with their versions
    #[arg(long)]
    policies: bool,
    /// Only calls after the one with this index
    #[arg(long, value_name = "INDEX", conflicts_with = "policies")]
    after: Option<u32>,
    /// The next so many; all of them if absent
    #[arg(long, conflicts_with = "policies")]
    limit: Option<u64>,
}

impl JournalCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let id = service.resolve(&self.execution).await?;
        if self.policies {
            let calls = service.governed(id).await?;
            return context.output.items(&calls, None, || governed(id, &calls));
        }
        if self.limit == Some(0) {
            return Err(CliError::usage("`--limit` must be >= 1."));
        }
        // One more tells whether there is more.
        let query = JournalQuery { after: self.after, limit: self.limit.map(|limit| limit.saturating_add(1)) };
        let mut calls = service.journal(id, query).await?;
        let most = self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let has_more = calls.len() > most;
        calls.truncate(most);
        let cursor = calls.last().filter(|_| has_more).map(|call| ("next_cursor".to_owned(), call.index.into()));
        context.output.page(&calls, cursor.into_iter().collect(), || {
            if calls.is_empty() {
                return match self.after {
                    Some(after) => format!("Execution {id} has made no durable call after number {after}."),
                    None => format!("Execution {id} has made no durable call."),
                };
            }
            table(
                &["CALL", "KIND", "INVOCATION", "STATUS", "HOW", "INPUT", "OUTCOME"],
                &calls.iter().map(row).collect::<Vec<_>>(),
            )
        })
    }
}

fn governed(id: ExecutionId, calls: &[GovernedCallView]) -> String {
    if calls.is_empty() {
        return format!("Execution {id} has called no model.");
    }
    let row = |call: &GovernedCallView| {
        // As many digits as tell two configurations apart for people; programs have all of them.
        let digest = call.digest().map(|digest| digest.chars().take(12).collect()).unwrap_or_default();
        let names = call.names().into_iter().map(one_line).collect::<Vec<_>>().join(", ");
        vec![call.call_id.clone(), call.attempt.to_string(), one_line(&call.name), digest, names]
    };
    table(&["CALL ID", "ATTEMPT", "MODEL CALL", "SHA-256", "GOVERNED BY"], &calls.iter().map(row).collect::<Vec<_>>())
}

fn row(call: &JournalCall) -> Vec<String> {
    let outcome = match (&call.output, &call.failure) {
        (Some(output), _) => output.to_string(),
        (_, Some(failure)) => failure.message.clone(),
        _ => String::new(),
    };
    let how = if call.other_input { format!("{}, other input", call.provenance) } else { call.provenance.to_string() };
    vec![
        call.index.to_string(),
        call.kind.to_string(),
        call.invocation_id.clone(),
        call.status.to_string(),
        how,
        brief(&call.input.to_string()),
        brief(&outcome),
    ]
}

/// The beginning of a text.
fn brief(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}
