//! What is started by name, and started once: submissions made of what somebody asks, of what is published, and of what the host gives.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::{InvokeParams, RunParams, check_retries, component_error, parse_digest, select};
use crate::access::Who;
use crate::config::RunConfig;
use crate::engine::{DeployedAs, DeploymentSpec, EngineError, FrozenSpec, Submission, Submitted};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::CanonicalJson;
use crate::sandbox::{FlowInfo, Grants, Limits};
use crate::service::{LocalService, Service as _, ServiceError, grants, models};
use crate::store::{StartKey, StoreError};

/// Who starts and publishes where nobody asks who it is, on the data folder itself: its owner, on whatever way.
pub const LOCAL_CALLER: &str = Who::OWNER;

/// What a host gives to whatever is started on it by name.
#[derive(Clone, Debug, Default)]
pub struct HostDefaults {
    /// What its configuration grants.
    pub grants: Grants,
    /// Its limits, where nobody says others.
    pub limits: Limits,
    /// What holds where neither the request nor the flow says.
    pub run: RunConfig,
    /// Where folders are looked for that a component declares by their names.
    pub folder: PathBuf,
}

impl LocalService {
    /// The key under which this caller's request is known, if it has one.
    pub(super) fn start_key(
        &self,
        verb: &str,
        key: Option<&str>,
        request: &impl Serialize,
    ) -> Result<Option<StartKey>, ServiceError> {
        key.map(|key| start_key(&self.caller_name(), key, verb, request)).transpose()
    }

    pub(super) async fn start(
        &self,
        start: Option<StartKey>,
        submission: impl Future<Output = Result<Submission, ServiceError>> + Send,
    ) -> Result<ExecutionId, ServiceError> {
        let Some(start) = start else { return Ok(self.engine().submit(submission.await?).await?) };
        // First: what was asked for then may not be there any more.
        if let Some(known) = self.engine().started(&start).await? {
            return Ok(known);
        }
        self.submit_once(submission.await?, start).await
    }

    /// What an execution of a published version is created from.
    ///
    /// # Errors
    /// When there is no such version, or not one alone, or grants cannot be used.
    pub async fn invocation(&self, params: &InvokeParams) -> Result<Submission, ServiceError> {
        check_retries(params.retries)?;
        let row = select::deployment(self.store().as_ref(), &params.flow, params.version, params.tag.as_deref()).await?;
        let deployed = DeploymentSpec::of(&row)?;
        deployed.grants.check_unmoved().map_err(EngineError::from)?;
        let mut granted = self.granted(row.component, &params.grants).await?;
        granted.extend(deployed.grants);
        let mut input = deployed.input;
        input.extend(params.input.clone());
        let mut spec = FrozenSpec::new(granted, params.limits.over(deployed.limits));
        spec.cache = params.cache.or(deployed.cache);
        spec.retries = params.retries.or(deployed.retries);
        self.fill_in(&mut spec, row.component, Some(&row.flow));
        spec.models = models::known(self.model_sources()).await?.frozen;
        spec.deployment = Some(DeployedAs { deployment_id: row.id.to_string(), version: row.version });
        let component = Submitted::Stored(row.component);
        Ok(Submission { component, flow: Some(row.flow), input: Value::Object(input), spec, tags: params.tags.clone() })
    }

    /// What an execution of a stored component, or of a published version, is created from.
    ///
    /// # Errors
    /// When there is no such component or version, or grants cannot be used.
    pub async fn submission(&self, params: &RunParams) -> Result<Submission, ServiceError> {
        let mut submission = match (&params.component, &params.flow) {
            (Some(component), flow) => self.of_component(params, parse_digest(component)?, flow.clone()).await?,
            (None, Some(flow)) => self.invocation(&of_flow(params, flow)).await?,
            (None, None) => {
                return Err(ServiceError::Usage {
                    message: "Name a component, or a published flow.".into(),
                    hint: Some("`component` is the digest of a stored one; `flow` the name of one that was deployed".into()),
                });
            }
        };
        if let (true, Submitted::Stored(component)) = (params.allow_needs, &submission.component) {
            let bytes = self.store().get_component(*component).await.map_err(component_error)?;
            let program = self.engine().program(&bytes).await?;
            let mut needs = program.manifest().needs_as_grants(&self.host().folder);
            needs.make_absolute().map_err(EngineError::from)?;
            submission.spec.grants.extend(needs);
        }
        Ok(submission)
    }

    async fn of_component(
        &self,
        params: &RunParams,
        component: ComponentDigest,
        flow: Option<String>,
    ) -> Result<Submission, ServiceError> {
        if params.version.is_some() || params.tag.is_some() {
            return Err(ServiceError::Usage {
                message: "`version` and `tag` choose among the versions of a published flow, and not of a component.".into(),
                hint: Some("leave `component` out to run a published version".into()),
            });
        }
        check_retries(params.retries)?;
        if !self.store().keep_component(component).await? {
            return Err(component_error(StoreError::not_found("component", component)));
        }
        let granted = self.granted(component, &params.grants).await?;
        let mut spec = FrozenSpec::new(granted, params.limits.over(self.host().limits));
        (spec.cache, spec.retries) = (params.cache, params.retries);
        self.fill_in(&mut spec, component, flow.as_deref());
        spec.models = models::known(self.model_sources()).await?.frozen;
        let (component, input) = (Submitted::Stored(component), Value::Object(params.input.clone()));
        Ok(Submission { component, flow, input, spec, tags: params.tags.clone() })
    }

    /// Who asks, and what is configured for all, which holds where neither the request nor the flow says anything.
    fn fill_in(&self, spec: &mut FrozenSpec, component: ComponentDigest, flow: Option<&str>) {
        let run = self.host().run;
        spec.cache_default = run.cache;
        spec.starter = self.behalf.starter();
        let manifest = self.engine().known_manifest(component);
        let named = |info: &&FlowInfo| flow.is_none_or(|flow| info.name == flow);
        let says = manifest.iter().flat_map(|manifest| &manifest.flows).find(named).is_some_and(|info| info.options.retries > 0);
        spec.retries = spec.retries.or_else(|| run.retries.filter(|_| !says));
    }

    /// What a component is granted on this host, with what somebody grants it for one execution.
    pub(in crate::service) async fn granted(&self, component: ComponentDigest, own: &Grants) -> Result<Grants, ServiceError> {
        let mut all = self.host().grants.clone();
        all.extend(own.clone());
        all.make_absolute().map_err(EngineError::from)?;
        let for_good = grants::of(self.grant_memory(), component).await?;
        for_good.check_unmoved().map_err(EngineError::from)?;
        all.extend(for_good);
        Ok(all)
    }
}

fn of_flow(params: &RunParams, flow: &str) -> InvokeParams {
    let RunParams { version, tag, input, tags, cache, retries, grants, limits, .. } = params.clone();
    InvokeParams { flow: flow.to_owned(), version, tag, input, tags, cache, retries, grants, limits, idempotency_key: None }
}

/// The key under which a caller's request is known: the same for the same request, whatever order its fields came in. The field `idempotency_key` is
/// no part of the request.
///
/// # Errors
/// When the key cannot be used.
pub fn start_key(caller: &str, key: &str, verb: &str, request: &impl Serialize) -> Result<StartKey, ServiceError> {
    if key.trim().is_empty() || key.len() > 255 || key.chars().any(char::is_control) {
        return Err(ServiceError::Usage {
            message: "An idempotency key has 1 to 255 bytes without control characters.".into(),
            hint: Some("a random UUID for each request is a good one".into()),
        });
    }
    let mut request = serde_json::to_value(request)
        .map_err(|error| ServiceError::usage(format!("the request cannot be read as JSON: {error}")))?;
    if let Some(fields) = request.as_object_mut() {
        fields.remove("idempotency_key");
    }
    let canonical = CanonicalJson::of(&json!([verb, request]));
    let mut hasher = blake3::Hasher::new_derive_key("kitaru-host 2026-11 start");
    hasher.update(canonical.as_str().as_bytes());
    Ok(StartKey { caller: caller.to_owned(), key: key.to_owned(), request: *hasher.finalize().as_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_all_that_is_asked() {
        let params = |text: &str| serde_json::from_str::<InvokeParams>(text).unwrap();
        let request = |verb: &str, text: &str| start_key("ada", "k", verb, &params(text)).unwrap().request;
        let one = request("flows.invoke", r#"{"flow":"f","input":{"a":1,"b":2},"idempotency_key":"k"}"#);
        assert_eq!(one, request("flows.invoke", r#"{"input":{"b":2,"a":1},"flow":"f"}"#), "in whatever order it came");
        for other in [
            request("flows.invoke", r#"{"flow":"f","input":{"a":1,"b":3}}"#),
            request("flows.invoke", r#"{"flow":"f","input":{"a":1,"b":2},"version":1}"#),
            request("flows.invoke", r#"{"flow":"f","input":{"a":1,"b":2},"limits":{"calls":7}}"#),
            request("executions.run", r#"{"flow":"f","input":{"a":1,"b":2}}"#),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn keys_are_checked() {
        assert_eq!(start_key("ada", "a key: 1", "v", &json!({})).unwrap().key, "a key: 1");
        for wrong in ["", "  ", "a\nb", &"x".repeat(256)] {
            assert_eq!(start_key("ada", wrong, "v", &json!({})).unwrap_err().class(), "KitaruUsageError", "{wrong:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(serde_json::from_str::<InvokeParams>(r#"{"flow":"f","inputs":{}}"#).is_err());
        assert!(serde_json::from_str::<RunParams>(r#"{"limits":{"memory":1}}"#).is_err());
        assert!(serde_json::from_str::<RunParams>(r#"{"grants":{"net":["ftp://x"]}}"#).is_err());
    }
}
