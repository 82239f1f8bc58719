//! The table of verbs: of each, what it is called on every surface, what it takes and gives, and who may.
//!
//! HTTP routes, the OpenAPI document, MCP tools and the client's requests are made from it, so that no surface lacks what another has.

mod access;
mod artifacts;
mod comparing;
mod components;
mod executions;
mod granted;
mod listing;
mod models;
mod replays;
mod secrets;
mod specials;
mod starting;
mod system;
mod upkeep;
mod waits;

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use access::{
    AccountCreate, AccountDelete, AccountList, AccountShow, AccountUpdate, Audit, KeyCreate, KeyDelete, KeyList, KeyRotate,
    KeyShow, KeyUpdate, Token, WaitLink, WhoAmI,
};
pub use artifacts::{Artifact, ArtifactParams, Artifacts, ArtifactsParams};
pub use comparing::{Cohort, CohortParams, Diff, DiffMatrix, DiffParams, MatrixParams, StatisticsParams, StatisticsVerb};
pub use components::{Component, ComponentParams};
pub use executions::{
    Access, AccessParams, Changes, ChangesParams, Events, EventsParams, ExecutionParams, Get, Governed, Journal, JournalPage,
    JournalParams, Latest, List, LogPage, Logs, LogsParams, ModelCalls, Schema_, Trajectory,
};
pub use granted::{ForgetGrants, GrantParams, GrantsList};
pub use listing::{ListParams, Nothing, Page, Plain, parse_deployment, parse_status, parse_words};
pub use models::{
    ModelList, ModelParams, ModelRegister, ModelRegisterParams, ModelRemove, ModelShow, ModelTest, ModelTestParams, ModelUsage,
    ModelUsageParams,
};
pub use replays::{OnError, Replay, ReplayParams, Retry, RetryParams};
pub use secrets::{SecretDelete, SecretList, SecretParams, SecretSet, SecretSetParams, SecretShow};
pub use specials::specials;
pub use starting::{
    Curl, DeleteDeployment, DeleteFlow, Deploy, DeployMany, DeployManyParams, Deployment, Flow, Flows, Invoke, Run, Tag, Untag,
};
pub use system::{Info, Status, Summary};
pub use upkeep::{
    Delete, DeleteMany, DeleteManyParams, EndedBefore, EndedBeforeParams, Upgrade, UpgradeParams, Verify, VerifyParams,
};
pub use waits::{AbortWait, Cancel, Input, InputParams, PendingWaits, PendingWaitsParams, Resume, WaitParams};

use super::{Service, ServiceError};
use crate::access::Role;

/// Where the paths of verbs begin over HTTP.
pub const BASE: &str = "/api/v1";

/// How a verb is sent over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads; parameters in the query.
    Get,
    /// Makes or does something; parameters in the body.
    Post,
    /// Sets something; parameters in the body.
    Put,
    /// Changes something; parameters in the body.
    Patch,
    /// Removes something; parameters in the query.
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether parameters come in a body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// What a verb does to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Reads,
    /// It makes or changes something.
    Changes,
    /// It takes away what cannot be had back.
    Destroys,
}

/// What is to be known of a verb without calling it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name: the command, and the `command` of its JSON.
    pub name: &'static str,
    /// Over HTTP.
    pub method: Method,
    /// Below `/api/v1`; `{…}` are parameters.
    pub path: &'static str,
    /// The least role that may.
    pub role: Role,
    /// What it does.
    pub effect: Effect,
    /// Its MCP tool, or why there is none.
    pub tool: Result<&'static str, &'static str>,
    /// One sentence.
    pub summary: &'static str,
    /// The status of a success.
    pub status: u16,
}

impl About {
    /// The parameters that are part of the path, in its order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// A verb.
#[async_trait]
pub trait Verb: Send + Sync + 'static {
    /// What it takes: an object.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send;
    /// What it gives.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send;
    /// What is to be known of it.
    const ABOUT: About;
    /// Does it.
    async fn call(service: &dyn Service, params: Self::Params) -> Result<Self::Output, ServiceError>;
}

/// What comes of a verb, in the end.
pub type Called<'a> = Pin<Box<dyn Future<Output = Result<Value, ServiceError>> + Send + 'a>>;

/// A verb whose types are not known.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What is to be known of it.
    pub about: About,
    /// What it takes.
    pub params: fn() -> Schema,
    /// What it gives.
    pub output: fn() -> Schema,
    /// Does it.
    pub call: for<'a> fn(&'a dyn Service, Value) -> Called<'a>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.about.fmt(f)
    }
}

const fn entry<V: Verb>() -> Entry {
    Entry { about: V::ABOUT, params: schema::<V::Params>, output: schema::<V::Output>, call: call::<V> }
}

/// As it stands by itself: nothing in it refers to another schema's definitions.
fn schema<T: JsonSchema>() -> Schema {
    schemars::SchemaGenerator::new(schemars::generate::SchemaSettings::draft2020_12()).into_root_schema_for::<T>()
}

fn call<V: Verb>(service: &dyn Service, params: Value) -> Called<'_> {
    Box::pin(async move {
        let params = match params {
            Value::Null => Value::Object(serde_json::Map::new()),
            given => given,
        };
        let params = serde_json::from_value(params).map_err(|error| ServiceError::Usage {
            message: format!("the parameters do not fit: {error}"),
            hint: Some(format!("see `{}` in the API's description", V::ABOUT.name)),
        })?;
        let output = V::call(service, params).await?;
        serde_json::to_value(output).map_err(|error| ServiceError::state(format!("the result cannot be shown: {error}")))
    })
}

/// All verbs that take and give JSON.
pub fn all() -> &'static [Entry] {
    const ALL: &[Entry] = &[
        entry::<List>(),
        entry::<Latest>(),
        entry::<Get>(),
        entry::<Run>(),
        entry::<Journal>(),
        entry::<Changes>(),
        entry::<Access>(),
        entry::<Events>(),
        entry::<Trajectory>(),
        entry::<Logs>(),
        entry::<Schema_>(),
        entry::<ModelCalls>(),
        entry::<Governed>(),
        entry::<PendingWaits>(),
        entry::<Input>(),
        entry::<AbortWait>(),
        entry::<Resume>(),
        entry::<Cancel>(),
        entry::<Retry>(),
        entry::<Replay>(),
        entry::<Diff>(),
        entry::<DiffMatrix>(),
        entry::<Cohort>(),
        entry::<StatisticsVerb>(),
        entry::<Verify>(),
        entry::<Upgrade>(),
        entry::<Delete>(),
        entry::<DeleteMany>(),
        entry::<EndedBefore>(),
        entry::<Artifacts>(),
        entry::<Artifact>(),
        entry::<Component>(),
        entry::<Flows>(),
        entry::<Flow>(),
        entry::<Deployment>(),
        entry::<Deploy>(),
        entry::<DeployMany>(),
        entry::<Tag>(),
        entry::<Untag>(),
        entry::<DeleteDeployment>(),
        entry::<DeleteFlow>(),
        entry::<Curl>(),
        entry::<Invoke>(),
        entry::<GrantsList>(),
        entry::<ForgetGrants>(),
        entry::<SecretList>(),
        entry::<SecretShow>(),
        entry::<SecretSet>(),
        entry::<SecretDelete>(),
        entry::<ModelList>(),
        entry::<ModelShow>(),
        entry::<ModelRegister>(),
        entry::<ModelRemove>(),
        entry::<ModelTest>(),
        entry::<ModelUsage>(),
        entry::<Status>(),
        entry::<Info>(),
        entry::<Summary>(),
        entry::<WhoAmI>(),
        entry::<Token>(),
        entry::<AccountList>(),
        entry::<AccountCreate>(),
        entry::<AccountShow>(),
        entry::<AccountUpdate>(),
        entry::<AccountDelete>(),
        entry::<KeyList>(),
        entry::<KeyCreate>(),
        entry::<KeyShow>(),
        entry::<KeyUpdate>(),
        entry::<KeyDelete>(),
        entry::<KeyRotate>(),
        entry::<Audit>(),
        entry::<WaitLink>(),
    ];
    ALL
}

/// A verb: its documentation is what it is told as.
macro_rules! verb {
    (
        $(#[doc = $doc:literal])+
        $verb:ident = $name:literal, $method:ident $path:literal, $role:ident, $effect:ident, $tool:expr, $status:literal;
        |$service:ident, $params:ident: $takes:ty| -> $gives:ty $body:block
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $verb;

        #[async_trait::async_trait]
        impl $crate::service::verbs::Verb for $verb {
            type Params = $takes;
            type Output = $gives;
            const ABOUT: $crate::service::verbs::About = $crate::service::verbs::About {
                name: $name,
                method: $crate::service::verbs::Method::$method,
                path: $path,
                role: $crate::access::Role::$role,
                effect: $crate::service::verbs::Effect::$effect,
                tool: $tool,
                summary: concat!($($doc),+),
                status: $status,
            };

            async fn call(
                $service: &dyn $crate::service::Service,
                $params: Self::Params,
            ) -> Result<Self::Output, $crate::service::ServiceError> $body
        }
    };
}
use verb;
