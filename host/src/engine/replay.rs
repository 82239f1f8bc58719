//! Replays: new executions that reuse another's journal before an anchor (E10).

use std::path::PathBuf;

use kitaru_llm::models::FrozenModels;
use serde_json::{Map, Value};

use super::journals::read_journal;
use super::submit::{check_tags, pick_flow};
use super::{Engine, EngineError, FrozenSpec, Starter};
use crate::ids::ExecutionId;
use crate::journal::{CanonicalJson, ReplayPlan, ReplayRequest};
use crate::sandbox::{Grants, LimitChanges, Limits};
use crate::scope::Scope;
use crate::store::{NewExecution, Status, get_text, put_bytes};

/// What to replay, and what to change.
#[derive(Debug)]
pub struct ReplayOrder {
    /// The execution to replay. It is never touched.
    pub source: ExecutionId,
    /// Anchor, overrides, waits.
    pub request: ReplayRequest,
    /// Flow arguments to change; others are kept.
    pub inputs: Map<String, Value>,
    /// Another version of the code.
    pub component: Option<Vec<u8>>,
    /// Grants beside those that the source had.
    pub grants: Grants,
    /// All that the component declares is granted too, with folders below this one.
    pub needs_in: Option<PathBuf>,
    /// Limits other than those that the source had.
    pub limits: LimitChanges,
    /// What the new execution's limits are not over, whatever the source had; none where whoever asks may raise them.
    pub most: Option<Limits>,
    /// What is known of models now, over what the source knew.
    pub models: FrozenModels,
    /// Labels of the new execution.
    pub tags: Vec<String>,
    /// Who asks over the network, if an account does.
    pub starter: Option<Starter>,
}

impl Engine {
    /// Creates a replay. It runs when somebody drives it.
    ///
    /// # Errors
    /// When the source still runs, or the order cannot be planned: then nothing was created.
    pub async fn replay(&self, mut order: ReplayOrder) -> Result<ExecutionId, EngineError> {
        let source = self.store.execution(order.source).await?;
        if source.status == Status::Running {
            return Err(EngineError::State {
                message: format!(
                    "Replay requires a non-running source execution. Execution '{}' is currently '{}'.",
                    order.source, source.status
                ),
                hint: Some(format!("wait for it to end, or: kitaru-host executions cancel {}", order.source)),
            });
        }
        let journal = read_journal(self.store.as_ref(), order.source).await?;
        let old_input = get_text(self.store.as_ref(), &source.new.input).await?;
        let mut input: Value = serde_json::from_str(&old_input).map_err(|error| EngineError::StoredJson {
            what: "input",
            execution: order.source,
            source: error,
        })?;
        if let Value::Object(arguments) = &mut input {
            arguments.extend(std::mem::take(&mut order.inputs));
        }
        let canonical = CanonicalJson::of(&input);
        order.request.inputs_changed = canonical.as_str() != old_input;
        let plan = ReplayPlan::new(order.source, &journal.history, &order.request)?;

        let program = match &order.component {
            Some(bytes) => self.program(bytes).await?,
            None => self.stored_program(source.new.component).await?,
        };
        let flow = pick_flow(program.manifest(), Some(&source.new.flow))?;
        self.check_input(&program, flow, &input)?;
        let component = match &order.component {
            Some(bytes) => self.keep_component(bytes).await?,
            None => source.new.component,
        };
        let mut spec = FrozenSpec::of(&source.new)?;
        let is_given = order.grants != Grants::default() || order.needs_in.is_some() || order.component.is_some();
        spec.starter = replayed_by(order.starter, spec.starter.take(), is_given);
        spec.grants.extend(order.grants);
        if let Some(folder) = &order.needs_in {
            let mut needs = program.manifest().needs_as_grants(folder);
            needs.make_absolute()?;
            spec.grants.extend(needs);
        }
        self.check_grants(&spec.grants)?;
        let limits = order.limits.over(spec.limits);
        spec.limits = order.most.map_or(limits, |most| limits.at_most(most));
        spec.flow_defaults = flow.options;
        spec.learn(order.models);
        self.check_given_models(&plan, &journal.history, &spec).await?;

        let id = self.ids.execution();
        let plan = serde_json::to_string(&plan).map_err(|error| EngineError::StoredJson {
            what: "replay plan",
            execution: id,
            source: error,
        })?;
        let execution = NewExecution {
            id,
            flow: source.new.flow,
            component,
            input: put_bytes(self.store.as_ref(), canonical.into_string().into_bytes()).await?,
            // E6: what the prefix drew and read, it draws and reads again.
            seed: source.new.seed,
            flow_epoch: source.new.flow_epoch,
            created_at: self.clock.now(),
            original: Some(order.source),
            parent: None,
            // Whoever replays it spends anew.
            root: None,
            depth: 0,
            tags: check_tags(order.tags)?,
            replay_plan: Some(plan),
            frozen_spec: spec.to_text(id)?,
        };
        self.store.create(execution).await?;
        Ok(id)
    }
}

/// Who stands behind a replay: whoever asks for it chooses what is started on its behalf, and answers for its grants only where they give it any, or
/// give them to other code.
fn replayed_by(asks: Option<Starter>, source: Option<Starter>, is_given: bool) -> Option<Starter> {
    let answers = if is_given { asks.as_ref() } else { source.as_ref() };
    let account = answers.and_then(|answers| answers.account.clone());
    let flows = asks.map_or(Scope::ALL, |asks| asks.flows);
    (account.is_some() || !flows.is_all()).then_some(Starter { account, flows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_replays_what_others_were_granted_does_not_answer_for_it() {
        let starter = |account: Option<&str>, flow: &str| Starter {
            account: account.map(str::to_owned),
            flows: Scope::of([flow]).unwrap(),
        };
        let (ada, bob) = (starter(Some("ada"), "a"), starter(Some("bob"), "b"));
        assert_eq!(replayed_by(None, None, false), None);
        assert_eq!(
            replayed_by(Some(bob.clone()), None, false),
            Some(starter(None, "b")),
            "the data folder's owner gave the grants"
        );
        assert_eq!(replayed_by(Some(bob.clone()), Some(ada.clone()), false), Some(starter(Some("ada"), "b")));
        assert_eq!(replayed_by(Some(bob.clone()), Some(ada.clone()), true), Some(bob), "who gave it other grants");
        let owners = replayed_by(None, Some(ada), false).unwrap();
        assert_eq!((owners.account.as_deref(), owners.flows.is_all()), (Some("ada"), true));
    }
}
