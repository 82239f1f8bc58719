//! The record of who did what: kept for a while, and never with a value or a secret in it.

use std::collections::HashMap;
use std::time::Duration;

use super::rate::Bucket;
use super::{Access, AccessError, Caller, Source};
use crate::clock::Timestamp;
use crate::mutex::lock;
use crate::store::{AuditBounds, AuditEntry, AuditFilter, AuditRow};

/// How many entries are kept.
const ENTRIES: u64 = 100_000;
/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The longest text of an entry, in characters.
const LONGEST: usize = 200;
/// Refused log-ins that are noted at once, so that nobody can push the rest out of the record by guessing.
const LOG_INS_AT_ONCE: f64 = 20.0;
/// What one caller was refused, or failed at, and is noted at once.
const REFUSALS_AT_ONCE: f64 = 100.0;
/// And for long: one in a minute.
const REFUSALS_PER_SECOND: f64 = 1.0 / 60.0;
/// Whose refusals are counted at a time.
const MOST_CALLERS: usize = 4096;
/// Who comes without a credential that counts.
const NOBODY: &str = "unknown";

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The caller may not.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What is to be noted. It may name things, and has no value of anything.
#[derive(Clone, Debug)]
pub struct Note<'a> {
    /// What was done, by the name of the verb.
    pub verb: &'a str,
    /// To what.
    pub subject: Option<String>,
    /// How it went.
    pub outcome: Outcome,
    /// What else is to be said.
    pub detail: Option<String>,
}

impl<'a> Note<'a> {
    /// A note without more.
    pub fn of(verb: &'a str, outcome: Outcome) -> Self {
        Self { verb, subject: None, outcome, detail: None }
    }

    /// The same, about this.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same, with this to be said too.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same, after so many of its kind that were not noted.
    fn after(mut self, unnoted: u64) -> Self {
        if unnoted > 0 {
            let more = format!("{unnoted} more before it");
            self.detail = Some(self.detail.map_or_else(|| more.clone(), |detail| format!("{more}; {detail}")));
        }
        self
    }
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only of this one.
    pub who: Option<String>,
    /// Only of this verb, or of all that begin with it and a dot.
    pub verb: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Go on after the page that gave this.
    pub cursor: Option<u64>,
    /// How many to give at most.
    pub limit: u64,
}

/// A page of the record, the newest first.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The entries.
    pub rows: Vec<AuditRow>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<u64>,
}

/// What was refused to each, or failed: some of it is noted, the rest counted.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<String, Refused>);

#[derive(Debug)]
struct Refused {
    bucket: Bucket,
    last: Timestamp,
    unnoted: u64,
}

impl Refusals {
    /// Whether the next one is noted, and then how many before it were not.
    fn next(&mut self, who: &str, at_once: f64, now: Timestamp) -> Option<u64> {
        if self.0.len() >= MOST_CALLERS && !self.0.contains_key(who) {
            let idle = self.0.iter().min_by_key(|(_, refused)| refused.last).map(|(who, _)| who.clone());
            idle.map(|who| self.0.remove(&who));
        }
        let new = || Refused { bucket: Bucket::full(at_once, now), last: now, unnoted: 0 };
        let refused = self.0.entry(who.to_owned()).or_insert_with(new);
        refused.last = now;
        match refused.bucket.take(at_once, REFUSALS_PER_SECOND, now) {
            Ok(()) => Some(std::mem::take(&mut refused.unnoted)),
            Err(_) => {
                refused.unnoted = refused.unnoted.saturating_add(1);
                None
            }
        }
    }
}

impl Access {
    /// Notes what a caller did, or was refused. Of what is refused to one again and again, or fails, most is only counted.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn note(&self, caller: &Caller, source: Source, mut note: Note<'_>) -> Result<(), AccessError> {
        let who = caller.who.name();
        if note.outcome != Outcome::Done {
            let next = lock(&self.shared.refusals).next(who, REFUSALS_AT_ONCE, self.now());
            let Some(before) = next else { return Ok(()) };
            note = note.after(before);
        }
        self.write(who, caller.via.as_str(), source, note).await
    }

    /// Notes that somebody failed to log in, whom nobody knows.
    pub(super) async fn note_refused_log_in(&self, source: Source) {
        let next = lock(&self.shared.refusals).next(NOBODY, LOG_INS_AT_ONCE, self.now());
        let Some(before) = next else { return };
        let note = Note::of("auth.log-in", Outcome::Refused).after(before);
        if let Err(error) = self.write(NOBODY, "none", source, note).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a refused log-in was not noted");
        }
    }

    async fn write(&self, who: &str, via: &str, source: Source, note: Note<'_>) -> Result<(), AccessError> {
        let now = self.now();
        let entry = AuditEntry {
            at: now,
            who: short(who),
            via: via.to_owned(),
            verb: short(note.verb),
            subject: note.subject.as_deref().map(short),
            outcome: note.outcome.as_str().to_owned(),
            source: source.text(),
            detail: note.detail.as_deref().map(short),
        };
        let kept_for = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp::from_micros(now.as_micros().saturating_sub(kept_for));
        Ok(self.store().note(entry, AuditBounds { entries: ENTRIES, since }).await?)
    }

    /// A page of the record.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditPage, AccessError> {
        let AuditQuery { who, verb, subject, outcome, cursor, limit } = query;
        // One more than is asked for tells whether there is a next page.
        let filter = AuditFilter { who, verb, subject, outcome, before: cursor, limit: limit.saturating_add(1) };
        let mut rows = self.store().audit(filter).await?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > most;
        rows.truncate(most);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| row.number);
        Ok(AuditPage { rows, next_cursor })
    }

    /// Counts a request of a caller.
    ///
    /// # Errors
    /// [`AccessError::TooMany`].
    pub fn admit(&self, caller: &Caller) -> Result<(), AccessError> {
        lock(&self.shared.rates).admit(caller, self.now())
    }
}

/// As much of a text as is kept.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
