//! Noting what is done here, and reading the notes.

use super::{AuditEntryView, AuditListing, AuditParams, Behalf};
use crate::access::{AuditQuery, Note, Outcome};
use crate::service::ServiceError;

/// How many entries a page has if nobody says.
const PAGE: u64 = 20;
/// How many it has at most.
const LARGEST_PAGE: u64 = 1_000;

impl Behalf {
    /// Notes that the caller did something.
    pub(super) async fn done(&self, verb: &str, subject: impl Into<String>) -> Result<(), ServiceError> {
        let note = Note::of(verb, Outcome::Done).about(subject);
        Ok(self.access()?.note(&self.caller, self.source, note).await?)
    }

    pub(super) async fn audit(&self, params: AuditParams) -> Result<AuditListing, ServiceError> {
        let access = self.as_admin()?;
        let AuditParams { who, verb, subject, outcome, cursor, limit } = params;
        let limit = limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(ServiceError::usage(format!("`limit` must be from 1 to {LARGEST_PAGE}.")));
        }
        let page = access.audit(AuditQuery { who, verb, subject, outcome, cursor, limit }).await?;
        let items: Vec<AuditEntryView> = page.rows.into_iter().map(AuditEntryView::from).collect();
        Ok(AuditListing { count: items.len(), items, next_cursor: page.next_cursor })
    }
}
