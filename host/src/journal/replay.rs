//! The plan of a replay (E10): which calls of the source are served, from where the flow runs live, which outputs are given.

use serde::{Deserialize, Serialize};

use super::{CallKind, CallRecord, Descriptor, History};
use crate::ids::{CallId, ExecutionId};

/// What somebody asked for.
#[derive(Clone, Debug, Default)]
pub struct ReplayRequest {
    /// Selector of the anchor: a checkpoint's name, invocation ID or call ID.
    pub from: Option<String>,
    /// Selectors with the outputs to use instead of the recorded ones, as JSON text.
    pub overrides: Vec<(String, String)>,
    /// Flow inputs were changed.
    pub inputs_changed: bool,
    /// Ask answered waits before the live part again.
    pub ask_again: bool,
}

/// An output given by the person who started the replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The overridden call in the source.
    pub call: u32,
    /// Name of the checkpoint.
    pub name: String,
    /// Its invocation ID, by which the replay finds the call.
    pub invocation: String,
    /// The output, as JSON text.
    pub value: String,
}

/// A replay, planned. Stored with the execution, so that it goes on after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// The execution that is replayed.
    pub source: ExecutionId,
    /// The first call that runs live. Calls before it are served from the source.
    pub live_from: u32,
    /// The anchor that was asked for.
    pub anchor: Option<u32>,
    /// The given outputs.
    pub overrides: Vec<Override>,
    /// Served calls may have other inputs than now, because flow inputs were changed or waits are asked again.
    pub other_inputs: bool,
    /// Waits before the live part are asked again.
    pub ask_again: bool,
}

/// A replay cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Neither an anchor nor an override.
    #[error("a replay needs an anchor (`--from`) or an override")]
    NoAnchor,
    /// The selector is empty.
    #[error("`from` must be a non-empty selector.")]
    BlankAnchor,
    /// Nothing to replay from.
    #[error("Execution '{0}' has no checkpoint history to replay.")]
    NoHistory(ExecutionId),
    /// The selector fits no call.
    #[error("Unknown checkpoint selector '{selector}'. Available checkpoints: {available}.")]
    Unknown {
        /// What was given.
        selector: String,
        /// The names that there are.
        available: String,
    },
    /// The selector fits several calls.
    #[error(
        "Replay selector is ambiguous for checkpoint '{selector}'. Use a checkpoint call ID instead. Matching call IDs: {matches}."
    )]
    Ambiguous {
        /// What was given.
        selector: String,
        /// The calls that it fits.
        matches: String,
    },
    /// An override key has no selector.
    #[error("Checkpoint override keys must include a selector after `checkpoint.`.")]
    BlankOverride,
    /// Waits cannot be overridden.
    #[error("Wait overrides (`wait.*`) are not supported in replay. Answer the wait in the replayed execution instead.")]
    WaitOverride,
    /// An override key of another form.
    #[error("Override keys must start with `checkpoint.`. Received: '{0}'.")]
    OverrideKey(String),
    /// An override is not JSON.
    #[error("the override of `{selector}` is not JSON: {problem}")]
    OverrideValue {
        /// Which.
        selector: String,
        /// What the parser says.
        problem: String,
    },
    /// One call has two overrides.
    #[error("checkpoint `{0}` is overridden twice")]
    OverriddenTwice(String),
}

/// The selector in an override key `checkpoint.<selector>`.
///
/// # Errors
/// When the key has another form.
pub fn parse_override_key(key: &str) -> Result<&str, ReplayError> {
    if let Some(selector) = key.strip_prefix("checkpoint.") {
        let selector = selector.trim();
        return if selector.is_empty() { Err(ReplayError::BlankOverride) } else { Ok(selector) };
    }
    if key == "wait" || key.starts_with("wait.") {
        Err(ReplayError::WaitOverride)
    } else {
        Err(ReplayError::OverrideKey(key.to_owned()))
    }
}

impl ReplayPlan {
    /// Plans the replay of `source`, whose journal folds into `history`.
    ///
    /// # Errors
    /// When the request names a call that is not there, or not clearly.
    pub fn new(source: ExecutionId, history: &History, request: &ReplayRequest) -> Result<Self, ReplayError> {
        let from = request.from.as_deref().map(str::trim);
        if from == Some("") {
            return Err(ReplayError::BlankAnchor);
        }
        if from.is_none() && request.overrides.is_empty() {
            return Err(ReplayError::NoAnchor);
        }
        if !history.calls().iter().any(|call| call.descriptor.kind == CallKind::Checkpoint) {
            return Err(ReplayError::NoHistory(source));
        }
        let anchor = from.map(|selector| select(source, history, selector)).transpose()?.map(|(call, _)| call);
        let mut overrides: Vec<Override> = Vec::new();
        for (selector, value) in &request.overrides {
            let (call, record) = select(source, history, selector)?;
            serde_json::from_str::<serde::de::IgnoredAny>(value)
                .map_err(|error| ReplayError::OverrideValue { selector: selector.clone(), problem: error.to_string() })?;
            let Descriptor { name, invocation, .. } = &record.descriptor;
            if overrides.iter().any(|known| known.call == call) {
                return Err(ReplayError::OverriddenTwice(invocation.clone()));
            }
            overrides.push(Override { call, name: name.clone(), invocation: invocation.clone(), value: value.clone() });
        }
        let after_override = overrides.iter().map(|given| given.call.saturating_add(1)).min();
        let live_from = anchor.into_iter().chain(after_override).min().unwrap_or(0);
        let other_inputs = request.inputs_changed || request.ask_again;
        Ok(Self { source, live_from, anchor, overrides, other_inputs, ask_again: request.ask_again })
    }

    /// The given output of a call, if it has one.
    pub fn override_of(&self, descriptor: &Descriptor) -> Option<&Override> {
        self.overrides.iter().find(|given| {
            descriptor.kind == CallKind::Checkpoint && given.name == descriptor.name && given.invocation == descriptor.invocation
        })
    }
}

/// The one checkpoint call that `selector` names: by name, invocation ID or call ID (`:3` is short for this execution's call 3).
fn select<'h>(source: ExecutionId, history: &'h History, selector: &str) -> Result<(u32, &'h CallRecord), ReplayError> {
    let selector = selector.trim();
    let checkpoints = || (0_u32..).zip(history.calls()).filter(|(_, record)| record.descriptor.kind == CallKind::Checkpoint);
    let id = |index: u32| CallId { execution: source, index }.to_string();
    let found: Vec<_> = checkpoints()
        .filter(|(index, record)| {
            let Descriptor { name, invocation, .. } = &record.descriptor;
            selector == name || selector == invocation || selector == id(*index) || selector == format!(":{index}")
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let mut names: Vec<&str> = checkpoints().map(|(_, record)| record.descriptor.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let available = if names.is_empty() { "none".into() } else { names.join(", ") };
            Err(ReplayError::Unknown { selector: selector.to_owned(), available })
        }
        several => Err(ReplayError::Ambiguous {
            selector: selector.to_owned(),
            matches: several.iter().map(|(index, _)| id(*index)).collect::<Vec<_>>().join(", "),
        }),
    }
}
