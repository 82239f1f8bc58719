//! Published flows. What holds between tags and versions is decided in the transaction that changes them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::errors::{self, DbError};
use super::{SqliteStore, columns};
use crate::ids::DeploymentId;
use crate::store::{DEFAULT_TAG, DeploymentRow, Durability, FlowTag, Flows, NewDeployment, StoreError};

/// A version with its tags, in one statement, so that both are of one moment.
macro_rules! versions {
    ($rest:literal) => {
        concat!(
            "SELECT flows.name AS name, deployments.*,
                 (SELECT json_group_object(tag, exclusive) FROM deployment_tags WHERE deployment = deployments.id) AS tags
             FROM ",
            $rest
        )
    };
}

pub(super) const ONE: &str =
    versions!("flows JOIN deployments ON deployments.flow = flows.id WHERE flows.name = ?1 AND deployments.version = ?2");
pub(super) const OF_FLOW: &str =
    versions!("flows JOIN deployments ON deployments.flow = flows.id WHERE flows.name = ?1 ORDER BY deployments.version DESC");
pub(super) const TAGGED: &str = versions!(
    "flows JOIN deployment_tags AS tagged ON tagged.flow = flows.id JOIN deployments ON deployments.id = tagged.deployment
     WHERE flows.name = ?1 AND tagged.tag = ?2 ORDER BY tagged.deployment DESC"
);
const ALL: &str =
    versions!("flows JOIN deployments ON deployments.flow = flows.id ORDER BY flows.name, deployments.version DESC");
pub(super) const KEYS: &str = "SELECT deployments.flow AS flow, deployments.id AS id
     FROM flows JOIN deployments ON deployments.flow = flows.id WHERE flows.name = ?1 AND deployments.version = ?2";
pub(super) const FLOW: &str = "SELECT id FROM flows WHERE name = ?1";
pub(super) const IS_EXCLUSIVE: &str = "SELECT exclusive FROM deployment_tags WHERE flow = ?1 AND tag = ?2 LIMIT 1";
pub(super) const TAKE_OFF: &str = "DELETE FROM deployment_tags WHERE flow = ?1 AND tag = ?2";
pub(super) const SHARE: &str = "UPDATE deployment_tags SET exclusive = 0 WHERE flow = ?1 AND tag = ?2";
pub(super) const UNTAG: &str = "DELETE FROM deployment_tags WHERE flow = ?1 AND tag = ?2 AND deployment = ?3";
pub(super) const HELD: &str = "SELECT tag FROM deployment_tags WHERE deployment = ?1 AND exclusive = 1";
pub(super) const DELETE: [&str; 2] =
    ["DELETE FROM deployment_tags WHERE deployment = ?1", "DELETE FROM deployments WHERE id = ?1"];
pub(super) const DELETE_ALL: [&str; 2] =
    ["DELETE FROM deployment_tags WHERE flow = ?1", "DELETE FROM deployments WHERE flow = ?1 RETURNING version"];

#[async_trait]
impl Flows for SqliteStore {
    async fn publish(&self, new: Vec<NewDeployment>) -> Result<Vec<DeploymentRow>, StoreError> {
        let publish = move |db: &Connection| new.iter().map(|new| publish(db, new)).collect();
        self.writer.write(Durability::Full, publish).await
    }

    async fn deployments(&self, flow: Option<&str>) -> Result<Vec<DeploymentRow>, StoreError> {
        let flow = flow.map(str::to_owned);
        self.readers
            .read(move |db| match flow {
                Some(flow) => read(db, OF_FLOW, [flow]),
                None => read(db, ALL, []),
            })
            .await
    }

    async fn deployment(&self, flow: &str, version: u64) -> Result<Option<DeploymentRow>, StoreError> {
        let flow = flow.to_owned();
        self.readers.read(move |db| Ok(read(db, ONE, params![flow, columns::integer(version)])?.pop())).await
    }

    async fn tagged(&self, flow: &str, tag: &str) -> Result<Vec<DeploymentRow>, StoreError> {
        let (flow, tag) = (flow.to_owned(), tag.to_owned());
        self.readers.read(move |db| read(db, TAGGED, [flow, tag])).await
    }

    async fn tag_deployment(&self, flow: &str, version: u64, tag: FlowTag) -> Result<(), StoreError> {
        let flow = flow.to_owned();
        let change = move |db: &Connection| {
            let keys = keys(db, &flow, version)?;
            give(db, keys, &tag)
        };
        self.writer.write(Durability::Full, change).await
    }

    async fn untag_deployment(&self, flow: &str, version: u64, tag: &str) -> Result<(), StoreError> {
        if tag == DEFAULT_TAG {
            return Err(StoreError::Conflict { message: format!("the tag `{DEFAULT_TAG}` cannot be removed, only moved") });
        }
        let (flow, tag) = (flow.to_owned(), tag.to_owned());
        let change = move |db: &Connection| {
            let Keys { flow: key, deployment } = keys(db, &flow, version)?;
            match db.prepare_cached(UNTAG)?.execute(params![key, tag, deployment])? {
                0 => Err(StoreError::not_found("tag", tag).into()),
                _ => Ok(()),
            }
        };
        self.writer.write(Durability::Full, change).await
    }

    async fn delete_deployment(&self, flow: &str, version: u64) -> Result<(), StoreError> {
        let flow = flow.to_owned();
        self.writer.write(Durability::Full, move |db| delete(db, &flow, version)).await
    }

    async fn delete_flow(&self, flow: &str) -> Result<Vec<u64>, StoreError> {
        let flow = flow.to_owned();
        let delete = move |db: &Connection| {
            let Some(key) = db.prepare_cached(FLOW)?.query_row([&flow], |row| row.get::<_, i64>(0)).optional()? else {
                return Ok(Vec::new());
            };
            let [tags, versions] = DELETE_ALL;
            db.prepare_cached(tags)?.execute([key])?;
            let mut gone = columns::collect(db.prepare_cached(versions)?.query([key])?, |row| columns::count(row, "version"))?;
            gone.sort_by(|one, other| other.cmp(one));
            Ok(gone)
        };
        self.writer.write(Durability::Full, delete).await
    }
}

/// A version and its flow, as rows about them refer to them.
#[derive(Clone, Copy)]
struct Keys {
    flow: i64,
    deployment: i64,
}

fn keys(db: &Connection, flow: &str, version: u64) -> Result<Keys, DbError> {
    let found = db
        .prepare_cached(KEYS)?
        .query_row(params![flow, columns::integer(version)], |row| {
            Ok(Keys { flow: row.get("flow")?, deployment: row.get("id")? })
        })
        .optional()?;
    found.ok_or_else(|| not_found(flow, version))
}

fn not_found(flow: &str, version: u64) -> DbError {
    StoreError::not_found("deployment", format!("{flow} v{version}")).into()
}

fn publish(db: &Connection, new: &NewDeployment) -> Result<DeploymentRow, DbError> {
    let (flow, version): (i64, i64) = db
        .prepare_cached(
            "INSERT INTO flows (name, latest) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET latest = latest + 1 RETURNING id, latest",
        )?
        .query_row([&new.flow], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let deployment = db
        .prepare_cached(
            "INSERT INTO deployments (flow, version, deployment_id, component, schema, spec, created_by, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        )?
        .query_row(
            params![
                flow,
                version,
                new.id.as_bytes(),
                new.component.as_bytes(),
                new.schema,
                new.spec,
                new.created_by,
                new.created_at.as_micros(),
            ],
            |row| row.get(0),
        )?;
    let keys = Keys { flow, deployment };
    for tag in &new.tags {
        give(db, keys, tag)?;
    }
    if kind(db, flow, DEFAULT_TAG)?.is_none() {
        give(db, keys, &FlowTag { name: DEFAULT_TAG.into(), exclusive: None })?;
    }
    let number = u64::try_from(version).unwrap_or_default();
    read(db, ONE, params![new.flow, version])?.pop().ok_or_else(|| not_found(&new.flow, number))
}

/// Whether a tag that the flow has is exclusive.
fn kind(db: &Connection, flow: i64, tag: &str) -> Result<Option<bool>, DbError> {
    Ok(db.prepare_cached(IS_EXCLUSIVE)?.query_row(params![flow, tag], |row| row.get(0)).optional()?)
}

fn give(db: &Connection, keys: Keys, tag: &FlowTag) -> Result<(), DbError> {
    let Keys { flow, deployment } = keys;
    let now = kind(db, flow, &tag.name)?;
    let exclusive = tag.name == DEFAULT_TAG || tag.exclusive.or(now).unwrap_or(false);
    if exclusive {
        db.prepare_cached(TAKE_OFF)?.execute(params![flow, tag.name])?;
    } else if now == Some(true) {
        db.prepare_cached(SHARE)?.execute(params![flow, tag.name])?;
    }
    db.prepare_cached("INSERT OR IGNORE INTO deployment_tags (flow, tag, deployment, exclusive) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![flow, tag.name, deployment, exclusive])?;
    Ok(())
}

fn delete(db: &Connection, flow: &str, version: u64) -> Result<(), DbError> {
    let Keys { deployment, .. } = keys(db, flow, version)?;
    let held: Vec<String> = columns::collect(db.prepare_cached(HELD)?.query([deployment])?, |row| Ok(row.get("tag")?))?;
    if !held.is_empty() {
        let tags = held.iter().map(|tag| format!("'{tag}'")).collect::<Vec<_>>().join(", ");
        let message = format!("Version {version} of flow '{flow}' cannot be deleted while it holds an exclusive tag: {tags}.");
        return Err(StoreError::Conflict { message }.into());
    }
    for sql in DELETE {
        db.prepare_cached(sql)?.execute([deployment])?;
    }
    Ok(())
}

fn read(db: &Connection, sql: &str, values: impl Params) -> Result<Vec<DeploymentRow>, DbError> {
    let mut statement = db.prepare_cached(sql)?;
    columns::collect(statement.query(values)?, deployment)
}

fn deployment(row: &Row<'_>) -> Result<DeploymentRow, DbError> {
    let (flow, version): (String, _) = (row.get("name")?, columns::count(row, "version")?);
    let tags: BTreeMap<String, u8> = serde_json::from_str(&row.get::<_, String>("tags")?)
        .map_err(|error| errors::damaged(format!("the tags of version {version} of the flow `{flow}`"), error))?;
    Ok(DeploymentRow {
        id: DeploymentId::from_bytes(columns::bytes(row, "deployment_id")?),
        flow,
        version,
        component: columns::component(row, "component")?,
        schema: row.get("schema")?,
        spec: row.get("spec")?,
        created_by: row.get("created_by")?,
        created_at: columns::time(row, "created_at")?,
        tags: tags.into_iter().map(|(tag, exclusive)| (tag, exclusive != 0)).collect(),
    })
}
