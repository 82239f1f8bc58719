//! `inspect`: what a component is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::granted::granted;
use crate::cli::isolate::Guests;
use crate::cli::table;
use crate::cli::terminal::one_line;
use crate::registry::Target;
use crate::sandbox::Needs;
use crate::service::{ComponentView, Service as _, SignatureView, signature_beside};

#[derive(Debug, Args)]
pub(crate) struct InspectCommand {
    /// Component file or project folder
    target: PathBuf,
}

impl InspectCommand {
    pub(super) fn guests(&self) -> Guests {
        Guests { target: Some(self.target.clone()), ..Guests::default() }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let (component, _) = super::run::locate(context, &self.target)?;
        let bytes = Target::read(&component)?;
        let service = context.local()?;
        service.note_signature(&bytes, signature_beside(&component));
        let view = service.inspect(&bytes).await.map_err(|error| super::run::in_file(error.into(), &component))?;
        context.output.item(&view, || text(&view))
    }
}

fn text(view: &ComponentView) -> String {
    let sdk = view.manifest.sdk.as_ref().map_or_else(|| "-".to_owned(), |sdk| format!("{} {}", sdk.name, sdk.version));
    let mut text = table::fields(&[
        ("Digest", format!("sha256:{}", view.digest)),
        ("Size", format!("{} bytes", view.size_bytes)),
        ("SDK", sdk),
        ("Signature", signature(&view.signature)),
    ]);
    text.push_str("\n\nFlows:");
    for flow in &view.manifest.flows {
        text.push_str(&format!("\n  {}({}) -> {}", flow.name, parameters(&flow.parameters, &flow.input), kind(&flow.result)));
        push_doc(&mut text, flow.doc.as_deref());
    }
    text.push_str("\n\nCheckpoints:");
    for checkpoint in &view.manifest.checkpoints {
        let signature = parameters(&checkpoint.parameters, &checkpoint.input);
        text.push_str(&format!("\n  {}({signature}) -> {}", checkpoint.name, kind(&checkpoint.result)));
        if checkpoint.options.retries > 0 {
            text.push_str(&format!("   retries {}", checkpoint.options.retries));
        }
        if let Some(kind) = &checkpoint.options.r#type {
            text.push_str(&format!("   type {}", one_line(kind)));
        }
        push_doc(&mut text, checkpoint.doc.as_deref());
        push_needs(&mut text, checkpoint.needs.as_ref());
    }
    if view.manifest.needs.is_some() {
        text.push_str("\n\nNeeds of flows, and of checkpoints that declare none:");
        push_needs(&mut text, view.manifest.needs.as_ref());
    }
    text.push_str("\n\nImports:");
    for import in &view.imports {
        text.push_str(&format!("\n  {import}"));
    }
    text
}

fn signature(view: &SignatureView) -> String {
    if !view.signed_by.is_empty() {
        let signers = view.signed_by.iter().map(|signer| format!("{} ({})", signer.key_id, signer.trusted_comment));
        return format!("signed by {}", signers.collect::<Vec<_>>().join(", "));
    }
    match (view.problems.first(), view.unknown_keys.as_slice()) {
        (Some(problem), _) => format!("bad: {problem}"),
        (None, []) => "none".into(),
        (None, keys) => format!("of keys that are not trusted here: {}", keys.join(", ")),
    }
}

fn push_doc(text: &mut String, doc: Option<&str>) {
    if let Some(line) = doc.and_then(|doc| doc.trim().lines().next()) {
        text.push_str(&format!("\n      {}", one_line(line)));
    }
}

fn push_needs(text: &mut String, needs: Option<&Needs>) {
    if let Some(needs) = needs {
        let listed = granted(needs);
        let listed = if listed.is_empty() { "nothing".to_owned() } else { listed };
        text.push_str(&format!("\n      needs {}", one_line(&listed)));
    }
}

fn parameters(names: &[String], schema: &Value) -> String {
    let property = |name: &String| schema.get("properties").and_then(|properties| properties.get(name));
    let required = |name: &String| {
        schema.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|required| required == name))
    };
    let parameter = |name: &String| {
        let optional = if required(name) { "" } else { "?" };
        format!("{}{optional}: {}", one_line(name), property(name).map_or_else(|| "any".into(), kind))
    };
    names.iter().map(parameter).collect::<Vec<_>>().join(", ")
}

/// A schema in a word.
fn kind(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => one_line(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(one_line).collect::<Vec<_>>().join(" | "),
        _ => schema.get("title").and_then(Value::as_str).map_or_else(|| "any".into(), one_line),
    }
}
