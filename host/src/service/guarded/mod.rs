//! The verbs for somebody who came over the network: each checks what the caller may before anything is done. Surfaces on the network hold nothing
//! else, so that none of them can forget to ask.
//!
//! - An execution is its flow's: a caller whose scope has not the flow is told that there is no such execution.
//! - Lists have what the caller may see, and nothing tells how much else there is.
//! - What belongs to no flow, or to all, needs a scope of all flows, but for what every flow needs: models, and what a component is.

mod access;
mod called;
mod chunks;
mod flows;
mod verbs;

use std::sync::Arc;

use super::flows::parse_digest;
use super::{ListQuery, PendingWaitView, ReplayCommand, RunParams, Service, ServiceError};
use crate::access::{Access, AccessError, Caller, Needs, Role, Share, Shares, Source};
use crate::ids::ExecutionId;
use crate::sandbox::{Grants, LimitChanges};

/// The verbs, on behalf of a caller.
#[derive(Clone)]
pub struct GuardedService {
    inner: Arc<dyn Service>,
    caller: Caller,
    record: Option<(Access, Source)>,
    work: Option<Shares<String>>,
}

impl std::fmt::Debug for GuardedService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedService").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl GuardedService {
    /// What a caller may of a service, which works on behalf of the same caller.
    pub fn new(inner: Arc<dyn Service>, caller: Caller) -> Self {
        Self { inner, caller, record: None, work: None }
    }

    /// The same, where what changes something is noted in the record of who did what.
    #[must_use]
    pub fn recorded(mut self, access: Access, source: Source) -> Self {
        self.record = Some((access, source));
        self
    }

    /// The same, where verbs are called out of so much work at a time.
    #[must_use]
    pub fn working(mut self, work: Shares<String>) -> Self {
        self.work = Some(work);
        self
    }

    /// The caller's place for some work, until this goes.
    ///
    /// # Errors
    /// When there is none, or they have as many as one gets.
    pub fn place(&self) -> Result<Option<Share<String>>, ServiceError> {
        let Some(work) = &self.work else { return Ok(None) };
        let place = work.take(self.caller.counted_as(), 1);
        Ok(place.map(Some).map_err(|full| AccessError::Full { what: "requests under way", full })?)
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    fn need(&self, role: Role) -> Result<(), ServiceError> {
        Ok(self.caller.require(role)?)
    }

    /// What belongs to no flow, or to all.
    fn need_all(&self, role: Role) -> Result<(), ServiceError> {
        self.need(role)?;
        Ok(self.caller.require_all_flows()?)
    }

    /// Whether the caller's scope has the flow of an execution. Whose has not is told no more than that there is none.
    async fn sees(&self, id: ExecutionId) -> Result<(), ServiceError> {
        if self.caller.scope.is_all() {
            return Ok(());
        }
        let flow = self.inner.flow_of(id).await?;
        if self.caller.scope.covers(&flow) { Ok(()) } else { Err(none(&id.to_string())) }
    }

    async fn need_for(&self, role: Role, id: ExecutionId) -> Result<(), ServiceError> {
        self.need(role)?;
        self.sees(id).await
    }

    async fn need_for_each(&self, role: Role, ids: &[ExecutionId]) -> Result<(), ServiceError> {
        self.need(role)?;
        for id in ids {
            self.sees(*id).await?;
        }
        Ok(())
    }

    /// Those of some executions that the caller may know of.
    async fn seen_of(&self, ids: Vec<ExecutionId>) -> Result<Vec<ExecutionId>, ServiceError> {
        if self.caller.scope.is_all() {
            return Ok(ids);
        }
        let mut seen = Vec::with_capacity(ids.len());
        for id in ids {
            match self.inner.flow_of(id).await {
                Ok(flow) if self.caller.scope.covers(&flow) => seen.push(id),
                // It was removed in between.
                Ok(_) => {}
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// The execution that a text names, where the caller may know of it.
    async fn seen(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        self.need(Role::Viewer)?;
        match self.inner.resolve(text).await {
            Ok(id) => match self.sees(id).await {
                Ok(()) => Ok(id),
                // With its beginning as it was given, and not as it goes on.
                Err(ServiceError::NotFound { .. }) => Err(none(text)),
                Err(error) => Err(error),
            },
            // It names others that begin so.
            Err(ServiceError::Usage { .. }) if !self.caller.scope.is_all() => Err(none(text)),
            Err(error) => Err(error),
        }
    }

    /// Those of some questions that the caller may know of.
    fn seen_waits(&self, mut waits: Vec<PendingWaitView>) -> Vec<PendingWaitView> {
        waits.retain(|wait| self.caller.scope.covers(&wait.flow_name));
        waits
    }

    /// A query of what the caller may see.
    fn within(&self, query: &ListQuery) -> Result<ListQuery, ServiceError> {
        self.need(Role::Viewer)?;
        Ok(ListQuery { flows: self.caller.scope.names().map(<[String]>::to_vec), ..query.clone() })
    }

    /// The flow that an order is for, which the caller's scope has.
    async fn flow_to_start(&self, order: &RunParams) -> Result<String, ServiceError> {
        let flow = match (&order.flow, &order.component) {
            (Some(flow), _) => flow.clone(),
            (None, None) => return Err(ServiceError::usage("name a component, or a published flow")),
            (None, Some(component)) => match self.inner.component(parse_digest(component)?).await?.manifest.flows.as_slice() {
                [only] => only.name.clone(),
                _ => return Err(ServiceError::usage("the component has several flows: name one")),
            },
        };
        self.caller.require_flow(&flow)?;
        Ok(flow)
    }

    /// Whether the caller has to do with the machine: where its folders are is nobody else's business.
    fn sees_places(&self) -> bool {
        self.caller.may(Role::Admin) && self.caller.scope.is_all()
    }

    /// What only admins may: to grant, and to bring other code to an execution, which keeps the grants that somebody gave to its own.
    fn need_admin_if(&self, is_asked_for: bool) -> Result<(), ServiceError> {
        if !is_asked_for || self.caller.may(Role::Admin) {
            return Ok(());
        }
        Err(AccessError::Forbidden { needs: Needs::Role { needed: Role::Admin, has: self.caller.role } }.into())
    }

    /// Other code in an execution goes on starting and reading what whoever started it may: only who may do all of that brings it there.
    async fn need_to_bring_code(&self, ids: &[ExecutionId]) -> Result<(), ServiceError> {
        self.need_admin_if(true)?;
        if self.caller.scope.is_all() {
            return Ok(());
        }
        for id in ids {
            if !self.caller.scope.includes(&self.inner.acts_within(*id).await?) {
                return Err(AccessError::Forbidden { needs: Needs::ScopeOf { execution: id.to_string() } }.into());
            }
        }
        Ok(())
    }

    /// Grants, and limits other than the host's or the deployment's, are for admins to give.
    fn need_to_grant(&self, grants: &Grants, limits: &LimitChanges) -> Result<(), ServiceError> {
        self.need_admin_if(*grants != Grants::default() || *limits != LimitChanges::default())
    }

    /// What a run is given decides what its grants are used for. Somebody else's grants, that the caller could not start it with, are used for what
    /// that one gave it.
    async fn need_to_change(&self, source: ExecutionId, command: &ReplayCommand) -> Result<(), ServiceError> {
        let ReplayCommand { inputs, overrides, checkpoint_overrides, invocation_overrides, skip, ask_again, .. } = command;
        let has_overrides = !(overrides.is_empty() && checkpoint_overrides.is_empty() && invocation_overrides.is_empty());
        // A call that is skipped may be the one that looks at what comes after it.
        let is_changed = *ask_again || !inputs.is_empty() || has_overrides || !skip.is_empty();
        if !is_changed || self.caller.may(Role::Admin) {
            return Ok(());
        }
        self.need_admin_if(self.inner.has_grants_of_others(source).await?)
    }

    /// The same of several, of which those that are none are for whoever replays them to report.
    async fn need_to_change_each(&self, sources: &[String], command: &ReplayCommand) -> Result<(), ServiceError> {
        for source in sources {
            if let Ok(id) = self.seen(source).await {
                self.need_to_change(id, command).await?;
            }
        }
        Ok(())
    }

    fn need_to_order(&self, command: &ReplayCommand) -> Result<(), ServiceError> {
        self.need_to_grant(&command.grants, &command.limits)?;
        self.need_admin_if(command.component.is_some())?;
        refuse_folder(command)
    }
}

/// A folder of the host is nothing that anybody elsewhere can mean.
fn refuse_folder(command: &ReplayCommand) -> Result<(), ServiceError> {
    if command.needs_in.is_some() { Err(never("all that a component declares is not granted")) } else { Ok(()) }
}

/// There is no such execution, for this caller.
fn none(text: &str) -> ServiceError {
    let name: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    ServiceError::NotFound {
        message: format!("Execution '{name}' was not found."),
        hint: Some("list them: kitaru-host executions list".into()),
    }
}

/// What is never given away over the network.
fn never(what: &str) -> ServiceError {
    ServiceError::Usage {
        message: format!("{what} over the network"),
        hint: Some("use kitaru-host where the data folder is".into()),
    }
}
