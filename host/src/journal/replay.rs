//! The plan of a replay (E10): which calls of the source are served, from where the flow runs live, what is given in place of the record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CallKind, CallRecord, Descriptor, History, Outcome, ReplayError};
use crate::ids::{CallId, ExecutionId};

/// What somebody asked for.
#[derive(Clone, Debug, Default)]
pub struct ReplayRequest {
    /// Selector of the anchor: a checkpoint's name, invocation ID or call ID.
    pub from: Option<String>,
    /// What to use in place of the record.
    pub overrides: Vec<OverrideRequest>,
    /// Selectors of calls after the anchor that are served all the same.
    pub skip: Vec<String>,
    /// Flow inputs were changed.
    pub inputs_changed: bool,
    /// Ask answered waits before the live part again.
    pub ask_again: bool,
    /// Serve calls of the live part too, where they are the same as in the source.
    pub reuse_unchanged: bool,
}

/// One override, as somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideRequest {
    /// Which calls a selector may name.
    pub scope: OverrideScope,
    /// A checkpoint's name, invocation ID or call ID.
    pub selector: String,
    /// What is given.
    pub given: Given,
}

/// Which calls the selector of an override names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideScope {
    /// One call; an ambiguous selector is refused.
    One,
    /// Every call of the checkpoint of that name; an invocation ID or call ID names one.
    Checkpoint,
    /// One call, by invocation ID or call ID; wins against [`OverrideScope::Checkpoint`].
    Invocation,
}

/// What is given in place of the record, as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// The call's output. It does not run.
    Output(String),
    /// The call's input. It runs with it, and everything after it.
    Input(String),
    /// The model of a model call. It is made anew with it, and everything after it runs.
    Model {
        /// An alias, or `provider/model`.
        name: String,
        /// The call's request, where that is given too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<String>,
    },
}

impl Given {
    /// Whether the call runs with it.
    fn is_run(&self) -> bool {
        !matches!(self, Self::Output(_))
    }

    /// The request of a model call that asks for `asked` where nothing is given.
    pub fn request(self, asked: Value) -> Value {
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        match self {
            Self::Output(_) => asked,
            Self::Input(input) => read(&input).unwrap_or(asked),
            Self::Model { name, input } => {
                let mut request = input.and_then(|input| read(&input)).unwrap_or(asked);
                if let Some(request) = request.as_object_mut() {
                    request.insert("model".into(), Value::String(name));
                }
                request
            }
        }
    }
}

/// Something given by the person who started the replay, for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The call in the source.
    pub call: u32,
    /// Name of the checkpoint.
    pub name: String,
    /// Its invocation ID, by which the replay finds the call.
    pub invocation: String,
    /// What is given.
    pub given: Given,
    /// How it was asked for.
    pub scope: OverrideScope,
    /// The selector that named it.
    pub selector: String,
}

/// A call of the live part that is served all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The call in the source.
    pub call: u32,
    /// Its invocation ID, by which the replay finds it.
    pub invocation: String,
}

/// A replay, planned. Stored with the execution, so that it goes on after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// The execution that is replayed.
    pub source: ExecutionId,
    /// How many records its journal had: what a later retry of the source adds is none of this replay's business.
    pub source_records: u64,
    /// The first call that runs live. Calls before it are served from the source.
    pub live_from: u32,
    /// The anchor that was asked for.
    pub anchor: Option<u32>,
    /// What is given.
    pub overrides: Vec<Override>,
    /// Calls of the live part that are served all the same, by invocation ID.
    pub skip: Vec<Skipped>,
    /// Served calls may have other inputs than now, because flow inputs were changed or waits are asked again.
    pub other_inputs: bool,
    /// Waits before the live part are asked again.
    pub ask_again: bool,
    /// Calls of the live part are served where they are the same as in the source.
    pub reuse_unchanged: bool,
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
        let calls = Checkpoints { source, history };
        if calls.all().next().is_none() {
            return Err(ReplayError::NoHistory(source));
        }
        let anchor = from.map(|selector| calls.one(selector)).transpose()?.map(|(call, _)| call);
        let overrides = overrides(&calls, &request.overrides)?;
        let skip = skipped(&calls, &request.skip, &overrides)?;
        let live = overrides.iter().map(|given| match given.given {
            Given::Output(_) => first_after(history, given.call),
            Given::Input(_) | Given::Model { .. } => given.call,
        });
        let live_from = anchor.into_iter().chain(live).min().unwrap_or(0);
        let other_inputs = request.inputs_changed || request.ask_again;
        let ReplayRequest { ask_again, reuse_unchanged, .. } = *request;
        let source_records = history.next_seq;
        Ok(Self { source, source_records, live_from, anchor, overrides, skip, other_inputs, ask_again, reuse_unchanged })
    }

    /// Where the live part of a replay that has made `own` begins: at the anchor, or where a retry of it had dropped a call before that.
    pub fn live_from_after(&self, own: &History) -> u32 {
        own.first_dropped().map_or(self.live_from, |dropped| dropped.min(self.live_from))
    }

    /// What a call runs with in place of what the flow gives it.
    pub(super) fn given_to_run(&self, descriptor: &Descriptor) -> Option<Given> {
        self.override_of(descriptor).map(|given| given.given.clone()).filter(Given::is_run)
    }

    /// What is given for a call, if something is.
    pub fn override_of(&self, descriptor: &Descriptor) -> Option<&Override> {
        self.overrides.iter().find(|given| {
            descriptor.kind.is_checkpoint() && given.name == descriptor.name && given.invocation == descriptor.invocation
        })
    }

    /// The recorded call that answers a call of the live part, if one does: it was to be skipped, or is the same and may be reused.
    pub(super) fn reused<'h>(&self, index: u32, descriptor: &Descriptor, source: &'h History) -> Option<(u32, &'h CallRecord)> {
        let skipped =
            self.skip.iter().find(|skipped| descriptor.kind.is_checkpoint() && skipped.invocation == descriptor.invocation);
        if let Some(skipped) = skipped {
            return source
                .call(skipped.call)
                .filter(|record| record.descriptor.name == descriptor.name)
                .map(|record| (skipped.call, record));
        }
        // Which of several calls ends first is not a matter of inputs, and the anchor is what was to run.
        let reusable = self.reuse_unchanged && descriptor.kind != CallKind::First && Some(index) != self.anchor;
        let (call, record) = reusable.then(|| source.by_invocation(descriptor.kind, &descriptor.invocation)).flatten()?;
        let same = record.descriptor.name == descriptor.name && record.descriptor.input_hash == descriptor.input_hash;
        let succeeded = record.end.as_ref().is_some_and(|end| matches!(end.outcome, Outcome::Success(_)));
        (same && succeeded).then_some((call, record))
    }
}

/// The first call that can depend on the outcome of `call`: what was issued before that was known cannot.
fn first_after(history: &History, call: u32) -> u32 {
    let next = call.saturating_add(1);
    let Some(end) = history.call(call).and_then(|record| record.end.as_ref()) else { return next };
    let issued = (0_u32..).zip(history.calls()).find(|(index, record)| *index > call && record.issued_seq > end.seq);
    issued.map_or(history.len(), |(index, _)| index).max(next)
}

fn overrides(calls: &Checkpoints<'_>, requests: &[OverrideRequest]) -> Result<Vec<Override>, ReplayError> {
    let mut found: BTreeMap<u32, Override> = BTreeMap::new();
    // Those that win come last.
    let (exact, families): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.scope == OverrideScope::Invocation);
    for request in families.into_iter().chain(exact) {
        let selector = request.selector.trim();
        let named = match request.scope {
            OverrideScope::One => vec![calls.one(selector)?],
            OverrideScope::Checkpoint => calls.family(selector)?,
            OverrideScope::Invocation => vec![calls.exact(selector)?],
        };
        for (call, record) in named {
            let Descriptor { kind, name, invocation, .. } = &record.descriptor;
            if matches!(request.given, Given::Model { .. }) && *kind != CallKind::Llm {
                return Err(ReplayError::NoModel(invocation.clone()));
            }
            let known = found.get(&call);
            if known
                .is_some_and(|known| (known.scope == OverrideScope::Invocation) == (request.scope == OverrideScope::Invocation))
            {
                return Err(ReplayError::OverriddenTwice(invocation.clone()));
            }
            let (name, invocation, given) = (name.clone(), invocation.clone(), request.given.clone());
            found.insert(call, Override { call, name, invocation, given, scope: request.scope, selector: selector.to_owned() });
        }
    }
    Ok(found.into_values().collect())
}

fn skipped(calls: &Checkpoints<'_>, selectors: &[String], overrides: &[Override]) -> Result<Vec<Skipped>, ReplayError> {
    let mut skip: Vec<Skipped> = Vec::new();
    for selector in selectors {
        if selector.trim().is_empty() {
            return Err(ReplayError::BlankSkip);
        }
        let (call, record) = calls.one(selector.trim())?;
        let invocation = record.descriptor.invocation.clone();
        if overrides.iter().any(|given| given.call == call) {
            return Err(ReplayError::SkippedAndOverridden(invocation));
        }
        if record.end.is_none() {
            return Err(ReplayError::NothingToServe(invocation));
        }
        skip.push(Skipped { call, invocation });
    }
    skip.sort_by(|a, b| a.invocation.cmp(&b.invocation));
    skip.dedup();
    Ok(skip)
}

/// The checkpoint calls of the source, by selector. Waits are never selected.
struct Checkpoints<'h> {
    source: ExecutionId,
    history: &'h History,
}

impl<'h> Checkpoints<'h> {
    fn all(&self) -> impl Iterator<Item = (u32, &'h CallRecord)> + use<'h> {
        (0_u32..).zip(self.history.calls()).filter(|(_, record)| record.descriptor.kind.is_checkpoint())
    }

    /// Whether `selector` is the call's ID (`:3` is short for this execution's call 3).
    fn is_id(&self, selector: &str, index: u32) -> bool {
        selector == CallId { execution: self.source, index }.to_string() || selector == format!(":{index}")
    }

    /// The one call that `selector` names: by name, invocation ID or call ID.
    fn one(&self, selector: &str) -> Result<(u32, &'h CallRecord), ReplayError> {
        let found: Vec<_> = self
            .all()
            .filter(|(index, record)| {
                let Descriptor { name, invocation, .. } = &record.descriptor;
                selector == name || selector == invocation || self.is_id(selector, *index)
            })
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(ReplayError::Unknown { selector: selector.to_owned(), available: self.names() }),
            several => Err(ReplayError::Ambiguous { selector: selector.to_owned(), matches: self.ids(several) }),
        }
    }

    /// The calls that `selector` names in an override of a checkpoint: all of its name, or else one by invocation ID or call ID.
    fn family(&self, selector: &str) -> Result<Vec<(u32, &'h CallRecord)>, ReplayError> {
        let named: Vec<_> = self.all().filter(|(_, record)| record.descriptor.name == selector).collect();
        if !named.is_empty() {
            return Ok(named);
        }
        let exact = self.all().find(|(index, record)| record.descriptor.invocation == selector || self.is_id(selector, *index));
        exact
            .map(|call| vec![call])
            .ok_or_else(|| ReplayError::UnknownTarget { selector: selector.to_owned(), available: self.names() })
    }

    /// The one call that `selector` names by invocation ID or call ID.
    fn exact(&self, selector: &str) -> Result<(u32, &'h CallRecord), ReplayError> {
        let found = self.all().find(|(index, record)| record.descriptor.invocation == selector || self.is_id(selector, *index));
        found.ok_or_else(|| ReplayError::UnknownTarget { selector: selector.to_owned(), available: self.names() })
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.all().map(|(_, record)| record.descriptor.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    fn ids(&self, calls: &[(u32, &CallRecord)]) -> String {
        let id = |(index, _): &(u32, &CallRecord)| CallId { execution: self.source, index: *index }.to_string();
        calls.iter().map(id).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
