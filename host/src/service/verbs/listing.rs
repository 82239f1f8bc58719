//! What verbs take to find executions, and how they give lists.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::service::{DeploymentParams, ListQuery, Listing, Service, ServiceError};
use crate::store::{StartedAs, Status};

/// A page that says no size has this many.
const SIZE: u64 = 20;
/// The most that a page may have.
const MOST: u64 = 1_000;

/// A struct of parameters that has the fields which choose executions before its own. No flattened struct: beside one, serde does not promise to
/// refuse unknown fields.
macro_rules! filtered {
    ($(#[$about:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// Only of this status: `running`, `waiting`, `completed`, `failed` or `cancelled`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub status: Option<String>,
            /// Only of this flow.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub flow: Option<String>,
            /// Only started as this version of a published flow: its ID; or, with `flow`, its number, or a tag that it has now. A
            /// plain number is never a tag; `v2` is the tag of that name where the flow has it, and otherwise version 2.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub deployment: Option<String>,
            /// Only with all of these labels.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub tags: Vec<String>,
            /// Only created at this moment or later: a time in RFC 3339, a date, or how long ago, such as `2h`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub since: Option<String>,
            /// Only created before this moment.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub until: Option<String>,
            /// Only with these values in what the flow logged about itself, each as `key=JSON`.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub metadata: Vec<String>,
            /// Only replays of this execution.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub original: Option<String>,
            /// Only children of this execution.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub parent: Option<String>,
            $($own)*
        }

        impl $name {
            /// The query that the fields make which choose executions.
            async fn chosen(&self, service: &dyn $crate::service::Service) -> Result<ListQuery, ServiceError> {
                let Self { status, flow, deployment, tags, since, until, metadata, original, parent, .. } = self.clone();
                let filters = $crate::service::verbs::listing::Filters {
                    status, flow, deployment, tags, since, until, metadata, original, parent,
                };
                filters.query(service).await
            }

            /// With what a query chooses, and nothing else.
            fn choosing(query: &ListQuery) -> Self {
                let $crate::service::verbs::listing::Filters {
                    status, flow, deployment, tags, since, until, metadata, original, parent,
                } = $crate::service::verbs::listing::Filters::of(query);
                Self { status, flow, deployment, tags, since, until, metadata, original, parent, ..Self::default() }
            }
        }
    };
}
pub(super) use filtered;

/// What chooses executions. Everything that is given must hold.
pub(super) struct Filters {
    pub(super) status: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) deployment: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) metadata: Vec<String>,
    pub(super) original: Option<String>,
    pub(super) parent: Option<String>,
}

impl Filters {
    pub(super) async fn query(self, service: &dyn Service) -> Result<ListQuery, ServiceError> {
        let moment = |text: Option<String>| text.as_deref().map(parse_moment).transpose();
        let deployment = match &self.deployment {
            Some(text) => Some(parse_deployment(service, self.flow.as_deref(), text).await?),
            None => None,
        };
        let mut query = ListQuery {
            status: self.status.as_deref().map(parse_status).transpose()?,
            flow: self.flow,
            deployment,
            tags: self.tags,
            since: moment(self.since)?,
            until: moment(self.until)?,
            ..ListQuery::default()
        };
        for pair in &self.metadata {
            let (key, value) = pair.split_once('=').ok_or_else(|| ServiceError::usage(format!("`{pair}` is not `key=value`")))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            query.metadata.push((key.to_owned(), value));
        }
        if let Some(original) = &self.original {
            query.original = Some(service.resolve(original).await?);
        }
        if let Some(parent) = &self.parent {
            query.parent = Some(service.resolve(parent).await?);
        }
        Ok(query)
    }

    pub(super) fn of(query: &ListQuery) -> Self {
        Self {
            status: query.status.map(|status| status.as_str().to_owned()),
            flow: query.flow.clone(),
            deployment: query.deployment.as_ref().map(ToString::to_string),
            tags: query.tags.clone(),
            since: query.since.map(Timestamp::to_rfc3339),
            until: query.until.map(Timestamp::to_rfc3339),
            metadata: query.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            original: query.original.map(|id| id.to_string()),
            parent: query.parent.map(|id| id.to_string()),
        }
    }
}

filtered! {
    /// Which executions, and how many at a time. Everything that is given must hold.
    pub struct ListParams {
        /// Only with all of these words: in the flow's name, the ID, the status, the labels, the status reason, or an open question. One request looks
        /// through 10,000 executions; `total` is then how many it has looked through, and `next_cursor` goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 500))]
        pub q: Option<String>,
        /// Go on after the page that gave this cursor.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cursor: Option<u64>,
        /// How many to leave out.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub offset: Option<u64>,
        /// How many to give: 20 if absent, at most 1000.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 1000))]
        pub limit: Option<u64>,
    }
}

impl ListParams {
    /// The query that it is.
    ///
    /// # Errors
    /// When a part of it cannot be read, or names no execution.
    pub async fn query(&self, service: &dyn Service) -> Result<ListQuery, ServiceError> {
        let limit = within("limit", self.limit.unwrap_or(SIZE), MOST)?;
        Ok(ListQuery {
            words: self.q.as_deref().map(parse_words).transpose()?.unwrap_or_default(),
            cursor: self.cursor,
            offset: self.offset.unwrap_or_default(),
            limit,
            ..self.chosen(service).await?
        })
    }

    /// The parameters of a query.
    pub fn of(query: &ListQuery) -> Self {
        Self {
            q: Some(query.words.join(" ")).filter(|words| !words.is_empty()),
            cursor: query.cursor,
            offset: Some(query.offset).filter(|offset| *offset > 0),
            limit: Some(query.limit),
            ..Self::choosing(query)
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many that are.
    pub count: u64,
    /// How many there are on all pages; of a search by words, how many this page has looked through.
    pub total: u64,
    /// Where the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u64>,
}

impl<T> From<Listing<T>> for Page<T> {
    fn from(listing: Listing<T>) -> Self {
        Self { count: listing.items.len() as u64, total: listing.total, next_cursor: listing.next_cursor, items: listing.items }
    }
}

/// A list that has one page.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Plain<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many that are.
    pub count: u64,
}

impl<T> From<Vec<T>> for Plain<T> {
    fn from(items: Vec<T>) -> Self {
        Self { count: items.len() as u64, items }
    }
}

/// Nothing to say.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A number that has a most.
pub(super) fn within(name: &str, given: u64, most: u64) -> Result<u64, ServiceError> {
    if (1..=most).contains(&given) {
        return Ok(given);
    }
    Err(ServiceError::usage(format!("`{name}` must be from 1 to {most}")))
}

/// As many as one request may name: each costs work.
pub(super) fn at_most(texts: &[String], most: usize) -> Result<&[String], ServiceError> {
    if texts.len() > most {
        return Err(ServiceError::usage(format!("{} executions are named, and {most} are the most at a time", texts.len())));
    }
    Ok(texts)
}

/// The status that a word names, however it is written.
///
/// # Errors
/// When it names none.
pub fn parse_status(text: &str) -> Result<Status, ServiceError> {
    Status::parse(&text.trim().to_lowercase()).ok_or_else(|| {
        let expected = Status::ALL.map(Status::as_str).join(", ");
        ServiceError::usage(format!("Unsupported status filter '{text}'. Expected one of: {expected}."))
    })
}

/// The published version that a text means: by its ID, by its number, or by a tag that it has now. A plain number is never a tag; `v2`, as versions are
/// shown, is the tag of that name where the flow has it, and otherwise version 2.
///
/// # Errors
/// When it is a number or a tag and no flow is named, or no version, or several, have the tag.
pub async fn parse_deployment(service: &dyn Service, flow: Option<&str>, text: &str) -> Result<StartedAs, ServiceError> {
    let text = text.trim();
    if let Ok(id) = text.parse() {
        return Ok(StartedAs::Deployment(id));
    }
    let flow = flow.map(str::trim).ok_or_else(|| ServiceError::Usage {
        message: format!(
            "`{text}` is no ID of a published version, and no flow is named that it could be a version or a tag of."
        ),
        hint: Some("name the flow too; `kitaru-host flow show <flow>` has its versions".into()),
    })?;
    // Executions of a version that was removed are still there.
    if let Some(version) = number(text) {
        return Ok(StartedAs::Version(version));
    }
    let params = DeploymentParams { flow: flow.to_owned(), version: None, tag: Some(text.to_owned()) };
    let id = match (service.deployment(&params).await, text.strip_prefix('v').and_then(number)) {
        (Err(error), Some(version)) if error.is_missing() => return Ok(StartedAs::Version(version)),
        (found, _) => found?.deployment_id,
    };
    let id = id.parse().map_err(|_| ServiceError::state(format!("`{id}` is no ID of a published version")))?;
    Ok(StartedAs::Deployment(id))
}

/// The number of a version. There is none with a sign.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number > 0 && !text.starts_with('+'))
}

/// The words of a search. Letters from A to Z are in lower case: those are what the store takes for the same.
///
/// # Errors
/// When they are more than anybody searches for: each is looked for in every execution.
pub fn parse_words(text: &str) -> Result<Vec<String>, ServiceError> {
    const MOST: usize = 500;
    if text.chars().count() > MOST {
        return Err(ServiceError::usage(format!("a search by words has at most {MOST} characters")));
    }
    let words: std::collections::BTreeSet<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    Ok(words.into_iter().collect())
}

fn parse_moment(text: &str) -> Result<Timestamp, ServiceError> {
    Timestamp::parse_moment(text, SystemClock.now()).map_err(ServiceError::usage)
}
