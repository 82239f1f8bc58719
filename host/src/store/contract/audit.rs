//! Who did what.

use super::Place;
use super::scenes::at;
use crate::clock::Timestamp;
use crate::store::{AuditBounds, AuditEntry, AuditFilter, AuditLog};

const ALL: AuditBounds = AuditBounds { entries: 1_000, since: Timestamp::from_micros(0) };

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        at: at(number),
        who: "ci".into(),
        via: "api-key".into(),
        verb: "executions.cancel".into(),
        subject: Some(format!("execution {number}")),
        outcome: "done".into(),
        source: Some("192.0.2.7".into()),
        detail: None,
    }
}

fn any() -> AuditFilter {
    AuditFilter { limit: 1_000, ..AuditFilter::default() }
}

async fn listed(store: &impl AuditLog, filter: AuditFilter) -> Vec<AuditEntry> {
    store.audit(filter).await.unwrap().into_iter().map(|row| row.entry).collect()
}

pub(crate) async fn audit_entries_read_back_newest_first<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let bare = AuditEntry { subject: None, source: None, detail: Some("3 more".into()), ..entry(2) };
    for entry in [entry(0), entry(1), bare.clone()] {
        store.note(entry, ALL).await.unwrap();
    }
    assert_eq!(listed(&other, any()).await, [bare.clone(), entry(1), entry(0)]);
    let page = other.audit(AuditFilter { limit: 2, ..any() }).await.unwrap();
    assert_eq!(page.len(), 2);
    let rest = AuditFilter { before: Some(page[1].number), ..any() };
    assert_eq!(listed(&other, rest).await, [entry(0)], "each page goes on where the one before ended");
    drop((store, other));
    assert_eq!(listed(&place.open(), any()).await, [bare, entry(1), entry(0)], "after a restart");
}

pub(crate) async fn audit_filters_hold_together<P: Place>(place: P) {
    let store = place.open();
    let of = |number, who: &str, verb: &str, outcome: &str| AuditEntry {
        who: who.into(),
        verb: verb.into(),
        outcome: outcome.into(),
        ..entry(number)
    };
    let entries = [
        of(0, "ci", "auth.token", "done"),
        of(1, "ci", "auth.api-keys.create", "refused"),
        of(2, "owner", "auth.api-keys.create", "done"),
        of(3, "owner", "authority", "done"),
    ];
    for entry in entries.clone() {
        store.note(entry, ALL).await.unwrap();
    }
    let [token, refused, created, other] = entries;
    let text = |text: &str| Some(text.to_owned());
    let verb = |verb: &str| AuditFilter { verb: text(verb), ..any() };
    let cases = [
        (AuditFilter { who: text("owner"), ..any() }, vec![other, created.clone()]),
        (verb("auth"), vec![created.clone(), refused.clone(), token.clone()]),
        (verb("auth.api-keys"), vec![created.clone(), refused.clone()]),
        (verb("auth.token"), vec![token.clone()]),
        (verb("au%"), vec![]),
        (AuditFilter { who: text("ci"), outcome: text("refused"), ..verb("auth") }, vec![refused]),
        (AuditFilter { subject: text("execution 2"), ..any() }, vec![created]),
        (AuditFilter { limit: 0, ..any() }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

pub(crate) async fn audit_entries_go_by_number_and_by_age<P: Place>(place: P) {
    let store = place.open();
    for number in 0..6 {
        store.note(entry(number), AuditBounds { entries: 4, ..ALL }).await.unwrap();
    }
    assert_eq!(listed(&store, any()).await, [5, 4, 3, 2].map(entry));
    store.note(entry(6), AuditBounds { since: at(4), ..ALL }).await.unwrap();
    assert_eq!(listed(&store, any()).await, [6, 5, 4].map(entry));
}

pub(crate) async fn whoever_fills_the_audit_pushes_out_their_own_entries<P: Place>(place: P) {
    let store = place.open();
    let few = AuditBounds { entries: 8, ..ALL };
    let of = |number: i64, who: &str, outcome: &str| AuditEntry { who: who.into(), outcome: outcome.into(), ..entry(number) };
    store.note(of(0, "owner", "done"), few).await.unwrap();
    store.note(of(1, "ci", "done"), few).await.unwrap();
    store.note(of(2, "bot", "refused"), few).await.unwrap();
    for number in 3..40 {
        store.note(of(number, "ci", "refused"), few).await.unwrap();
    }
    let left = listed(&store, any()).await;
    let of_others: Vec<_> = left.iter().filter(|entry| entry.who != "ci").map(|entry| entry.at).collect();
    assert_eq!(of_others, [at(2), at(0)], "{left:#?}");
    let newest: Vec<_> = left.iter().filter(|entry| entry.who == "ci").map(|entry| entry.at).collect();
    assert_eq!(newest, [39, 38, 37, 36, 35, 1].map(at), "what was done stays longest");
    // Also where another has more.
    let store = place.open();
    let most = AuditBounds { entries: 40, ..ALL };
    for number in 100..140 {
        store.note(of(number, "owner", "done"), most).await.unwrap();
    }
    for number in 200..400 {
        store.note(of(number, "ci", "done"), most).await.unwrap();
    }
    let of_owner = listed(&store, AuditFilter { who: Some("owner".into()), ..any() }).await.len();
    assert!(of_owner >= 29, "{of_owner}");
}
