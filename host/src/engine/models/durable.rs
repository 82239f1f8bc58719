//! A model call of a flow: a durable call of its own.

use std::sync::Arc;

use kitaru_llm::gateway::{AfterCrash, CallRequest, Gateway, PlannedCall};
use kitaru_llm::models::{CallName, FrozenModels};
use serde_json::Value;

use super::kept::{self, UnderWay, Which};
use super::live::{self, LiveCall};
use super::missing::{Stands, Waited};
use super::{Models, failure, missing, place, places, read, unusable, uses};
use crate::engine::EngineError;
use crate::engine::accounts::Accounts;
use crate::engine::call::Call;
use crate::engine::calls::Ended;
use crate::engine::effects::{Unknown, settle_unknown};
use crate::engine::events::Event;
use crate::engine::patience::Suspended;
use crate::engine::recorder::Step;
use crate::engine::run::Run;
use crate::ids::CallId;
use crate::journal::{CallRecord as JournalRecord, EntryBody, Failure, Outcome, Provenance};
use crate::sandbox::{OnUnknown, Stop};
use crate::store::{AccessRow, Durability, put_bytes};

impl Run {
    /// Asks a model, and ends the call with what that came to.
    pub(in crate::engine) async fn ask_model(
        self: &Arc<Self>,
        call: Call,
        name: CallName,
        request: Value,
        attempt: u32,
    ) -> Result<Ended, Stop> {
        let index = call.index;
        if let Some(ended) = self.answered_for_model(&call, attempt).await? {
            return Ok(ended);
        }
        let Some(models) = self.engine.models.clone() else {
            return self.refuse_model(index, attempt, unusable(&EngineError::NoModels)).await;
        };
        let gateway = match models.gateway().await {
            Ok(gateway) => gateway,
            Err(error) => return self.refuse_model(index, attempt, unusable(&error)).await,
        };
        if self.cursor.own().call(index).is_some_and(JournalRecord::was_interrupted)
            && let Some(ended) = self.after_crash(&models, &call, attempt).await?
        {
            return Ok(ended);
        }
        let planned = read(&request).and_then(|request| self.plan_model(gateway, request, name));
        let planned = match planned {
            Ok(planned) => planned,
            Err(failure) => return self.refuse_model(index, attempt, failure).await,
        };
        if let Some(failure) = place::refused(self.scopes.flow(), &planned) {
            let accounts = Accounts::new(self.clone(), index, attempt, &call.descriptor.name);
            uses::refused(&accounts.audit(), &planned);
            return self.end_model(index, attempt, failure, accounts.let_out()).await;
        }
        let planned = if self.waits_for(&planned, self.scopes.flow()) {
            match missing::wait_for_model(self, gateway, &call, planned, Stands::ForCall, attempt).await? {
                Waited::Ready(planned) => *planned,
                Waited::Ended(ended) => return Ok(ended),
            }
        } else {
            planned
        };
        let _place = self.places.clone().acquire_owned().await.map_err(|_| EngineError::state("the host is stopping"))?;
        let _host = places::free(self.engine.model_calls()).await?;
        if self.is_stopping() {
            return Err(Stop::Engine(Box::new(Suspended::Stopping)));
        }
        let _body = self.calls.body().await;
        self.make_call(gateway, &call, planned, attempt).await
    }

    /// What a request means with the models of this execution.
    pub(super) fn plan_model(&self, gateway: &Gateway, request: CallRequest, name: CallName) -> Result<PlannedCall, Failure> {
        let models =
            self.engine.models.as_ref().map_or_else(|| Ok(FrozenModels::default()), |models| models.of(&self.spec.models));
        let models = models.map_err(|error| unusable(&error))?;
        gateway.plan(request, name, &models).map_err(failure)
    }

    /// What becomes of a call whose end nobody knows. None where it is made again.
    async fn after_crash(self: &Arc<Self>, models: &Models, call: &Call, attempt: u32) -> Result<Option<Ended>, Stop> {
        let policy = match models.after_crash() {
            AfterCrash::Retry => OnUnknown::Retry,
            AfterCrash::Fail => OnUnknown::Fail,
            AfterCrash::Ask => OnUnknown::Ask,
        };
        settle_unknown(self, call, Unknown::Answer, policy, attempt).await
    }

    async fn make_call(
        self: &Arc<Self>,
        gateway: &Gateway,
        call: &Call,
        planned: PlannedCall,
        attempt: u32,
    ) -> Result<Ended, Stop> {
        let id = CallId { execution: self.id(), index: call.index };
        let invocation = &call.descriptor.invocation;
        // E3: all that it may depend on is durable before anybody is asked; and that it began, because it is paid for.
        let start = EntryBody::CallStarted { call: id.index, attempt, descriptor: None, deadline: None, child: None };
        self.recorder.hand_over(Step::entry(start), Durability::Full)?;
        self.recorder.settle().await?;
        self.tell(|| Event::Running { execution: id.execution, index: id.index, invocation: invocation.clone(), attempt });
        let which = Which { call: id, attempt, ordinal: 0 };
        let accounts = Accounts::new(self.clone(), id.index, attempt, &call.descriptor.name);
        // The attempt is on record: whatever becomes of it, so is what it used.
        accounts.has_record();
        let audit = accounts.audit();
        let place = place::of(self, which, invocation, self.scopes.flow(), Some(&audit));
        let mut under_way = UnderWay::new(self, which, &planned, &place, &audit);
        let mut live = LiveCall::begin(self, which, planned.name().as_str());
        let record = live::complete(self, gateway, planned, place, &mut live).await;
        uses::ended(&audit, &record);
        under_way.ended(kept::row(self, which, &record, self.scopes.flow()));
        kept::artifacts(self, which, 0, &record).await?;
        let metadata = kept::metadata(&record);
        let outcome = match record.outcome {
            Ok(answer) => {
                let text = serde_json::to_string(&answer).map_err(|error| EngineError::state(format!("an answer: {error}")))?;
                Outcome::Success(put_bytes(self.store.as_ref(), text.into_bytes()).await.map_err(EngineError::from)?)
            }
            Err(error) => Outcome::Failure(failure(error).at_call(id.index)),
        };
        let failed = if let Outcome::Failure(failure) = &outcome { Some(failure.clone()) } else { None };
        let metadata = (!metadata.is_empty()).then(|| Value::Object(metadata).to_string());
        let entry = EntryBody::CallEnded {
            call: id.index,
            attempt,
            descriptor: None,
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata,
            started_at: None,
        };
        let model_calls = under_way.into_record().into_iter().collect();
        let step = Step { model_calls, accesses: accounts.let_out(), ..Step::entry(entry) };
        let ended = self.finish(id.index, step, outcome).await?;
        drop(live);
        self.tell(|| Event::Ran {
            execution: id.execution,
            index: id.index,
            invocation: invocation.clone(),
            failure: failed,
            again: false,
        });
        Ok(ended)
    }

    /// Ends a call that cannot be made.
    async fn refuse_model(&self, index: u32, attempt: u32, failure: Failure) -> Result<Ended, Stop> {
        self.end_model(index, attempt, failure, Vec::new()).await
    }

    async fn end_model(&self, index: u32, attempt: u32, failure: Failure, accesses: Vec<AccessRow>) -> Result<Ended, Stop> {
        Ok(self.finish_accounted(index, attempt, Outcome::Failure(failure.at_call(index)), accesses).await?)
    }
}
