//! What a replay gives model calls of its source, looked at before anything is created: it must be a request that can be made, of a model that is
//! granted.

use kitaru_llm::models::CallName;

use super::{place, read};
use crate::engine::{Engine, EngineError, FrozenSpec};
use crate::journal::{CallKind, Given, History, ReplayPlan};
use crate::store::get_text;

impl Engine {
    /// Checks the inputs and models that a replay gives to model calls. Keys are not looked for: what happens without one is for the call to say.
    pub(in crate::engine) async fn check_given_models(
        &self,
        plan: &ReplayPlan,
        source: &History,
        spec: &FrozenSpec,
    ) -> Result<(), EngineError> {
        for given in plan.overrides.iter().filter(|given| !matches!(given.given, Given::Output(_))) {
            let record = source.call(given.call).filter(|record| record.descriptor.kind == CallKind::Llm);
            let (Some(record), Some(models)) = (record, &self.models) else { continue };
            let gateway = models.gateway().await?;
            let asked = get_text(self.store().as_ref(), &record.descriptor.input).await?;
            let asked = serde_json::from_str(&asked).unwrap_or_default();
            let call = || given.invocation.clone();
            let unusable = |failure| EngineError::GivenCall { call: call(), failure: Box::new(failure) };
            let usage = |message: String| unusable(kitaru_llm::gateway::CallFailure::usage(message));
            let request = read(&given.given.clone().request(asked)).map_err(|failure| usage(failure.message))?;
            let name = CallName::normalise(&record.descriptor.name).map_err(|error| usage(error.to_string()))?;
            let planned = gateway.plan(request, name, &models.of(&spec.models)?).map_err(unusable)?;
            if let Some(model) = planned.selected().filter(|model| !place::is_granted(&spec.grants, model)) {
                return Err(EngineError::GivenModel { call: call(), model: model.requested_model.clone() });
            }
        }
        Ok(())
    }
}
