//! `executions model-calls`: what models were asked and answered, and what that cost.

use std::process::ExitCode;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::service::ModelCallView;

pub(super) async fn run(context: &Context, execution: &str) -> Result<ExitCode, CliError> {
    let service = context.service()?;
    let id = service.resolve(execution).await?;
    let calls = service.model_calls(id).await?;
    context.output.items(&calls, None, || {
        if calls.is_empty() {
            return format!("Execution {id} has called no model.");
        }
        table(&["CALL", "NAME", "MODEL", "STATUS", "TOKENS", "COST", "SAVED", "TOOK"], &calls.iter().map(row).collect::<Vec<_>>())
    })
}

fn row(call: &ModelCallView) -> Vec<String> {
    vec![
        call.call_index.to_string(),
        call.name.clone(),
        call.model.clone().or_else(|| call.requested_model.clone()).unwrap_or_else(|| "-".into()),
        call.status.to_string(),
        call.input_tokens.saturating_add(call.output_tokens).to_string(),
        call.cost_usd.to_string(),
        call.saved_cost_usd.to_string(),
        call.latency_ms.map(|took| format!("{took:.0} ms")).unwrap_or_default(),
    ]
}
