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

/// Replays of replays whose trees one of them may look into: more than anybody makes by hand, and few enough to be kept with each.
const TREES: usize = 64;

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
        // Other code is told nothing that its replayer may not see.
        let trees = if component == source.new.component {
            inherited(&source.new, spec.starter.as_ref(), order.starter.as_ref())
        } else {
            Vec::new()
        };
        spec.starter = replayed_by(order.starter, spec.starter.take(), trees, is_given);
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
fn replayed_by(asks: Option<Starter>, source: Option<Starter>, trees: Vec<ExecutionId>, is_given: bool) -> Option<Starter> {
    let answers = if is_given { asks.as_ref() } else { source.as_ref() };
    let account = answers.and_then(|answers| answers.account.clone());
    let flows = asks.map_or(Scope::ALL, |asks| asks.flows);
    (account.is_some() || !flows.is_all()).then_some(Starter { account, flows, trees })
}

/// The trees that a replay of `source`, which `began` started, may look into when `asks` makes it: those that the source may, of whoever may start all
/// that whoever started the source may. A narrower scope would learn by its replays what it does not by its own runs.
fn inherited(source: &NewExecution, began: Option<&Starter>, asks: Option<&Starter>) -> Vec<ExecutionId> {
    // Who has all flows may see all.
    let Some(asks) = asks.filter(|asks| !asks.flows.is_all()) else { return Vec::new() };
    let Some(began) = began.filter(|began| asks.flows.includes(&began.flows)) else { return Vec::new() };
    let own = source.root.unwrap_or(source.id);
    std::iter::once(own).chain(began.trees.iter().copied()).take(TREES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_replays_what_others_were_granted_does_not_answer_for_it() {
        let (ada, bob) = (starter(Some("ada"), &["a"]), starter(Some("bob"), &["b"]));
        let replayed = |asks: Option<&Starter>, source: Option<&Starter>, is_given| {
            replayed_by(asks.cloned(), source.cloned(), Vec::new(), is_given)
        };
        assert_eq!(replayed(None, None, false), None);
        assert_eq!(replayed(Some(&bob), None, false), Some(starter(None, &["b"])), "the data folder's owner gave the grants");
        assert_eq!(replayed(Some(&bob), Some(&ada), false), Some(starter(Some("ada"), &["b"])));
        assert_eq!(replayed(Some(&bob), Some(&ada), true), Some(bob), "who gave it other grants");
        let owners = replayed(None, Some(&ada), false).unwrap();
        assert_eq!((owners.account.as_deref(), owners.flows.is_all()), (Some("ada"), true));
    }

    fn starter(account: Option<&str>, flows: &[&str]) -> Starter {
        let account = account.map(str::to_owned);
        Starter { account, flows: Scope::of(flows.iter().copied()).unwrap(), trees: Vec::new() }
    }

    #[test]
    fn a_replay_looks_into_the_trees_of_its_source_where_that_gives_its_replayer_nothing_new() {
        let id = |number: u8| ExecutionId::from_bytes([number; 16]);
        let source = NewExecution { id: id(1), root: Some(id(2)), ..execution() };
        let (some, more) = (starter(Some("ada"), &["a"]), starter(Some("bob"), &["a", "b"]));
        for (began, asks, expected) in [
            (Some(&some), Some(&some), vec![id(2)]),
            (Some(&some), Some(&more), vec![id(2)]),
            (Some(&more), Some(&some), vec![]),
            // The data folder's owner, who may read everything, and whose runs may.
            (None, Some(&more), vec![]),
            (Some(&some), None, vec![]),
        ] {
            assert_eq!(inherited(&source, began, asks), expected, "{began:?} {asks:?}");
        }
        // What the source was served from came before it, and it is not kept without end.
        let chain: Vec<_> = (3..).map(id).take(TREES).collect();
        let began = Starter { trees: chain.clone(), ..some.clone() };
        let top = NewExecution { root: None, ..source };
        assert_eq!(inherited(&top, Some(&began), Some(&more)), [&[id(1)][..], &chain[..TREES - 1]].concat());
    }

    fn execution() -> NewExecution {
        let nothing = crate::journal::Payload::Inline(b"{}".to_vec());
        let now = crate::clock::Timestamp::from_micros(0);
        NewExecution {
            id: ExecutionId::from_bytes([0; 16]),
            flow: "a".into(),
            component: crate::ids::ComponentDigest::of(b""),
            input: nothing,
            seed: [0; 32],
            created_at: now,
            flow_epoch: now,
            original: None,
            parent: None,
            root: None,
            depth: 0,
            tags: Vec::new(),
            replay_plan: None,
            frozen_spec: "{}".into(),
        }
    }
}
