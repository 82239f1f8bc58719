//! Who did what.

use super::{Scene, somewhere, text};
use crate::access::{AuditQuery, Caller, Note, Outcome, Role, Scope, Source};
use crate::store::AuditEntry;

async fn entries(scene: &Scene) -> Vec<AuditEntry> {
    let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
    scene.access.audit(query).await.unwrap().rows.into_iter().map(|row| row.entry).collect()
}

#[tokio::test]
async fn it_says_who_did_what_from_where() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Operator, Scope::ALL).await;
    let caller = scene.bearer(text(&made)).await.unwrap();
    let endless = "x".repeat(10_000);
    let note = Note::of("executions.cancel", Outcome::Refused).about(endless.clone()).with(endless);
    scene.access.note(&caller, somewhere(), note).await.unwrap();
    scene.access.note(&Caller::owner(), Source::HERE, Note::of("flows.deploy", Outcome::Done)).await.unwrap();
    let [newest, oldest] = &entries(&scene).await[..] else { panic!("two entries") };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!((newest.who.as_str(), newest.via.as_str(), &newest.source), ("owner", "data-folder", &None));
    assert_eq!((oldest.who.as_str(), oldest.via.as_str(), oldest.outcome.as_str()), ("ci", "api-key", "refused"));
    assert_eq!((text(&oldest.source), text(&oldest.subject).len()), ("192.0.2.7".to_owned(), 200));
}

#[tokio::test]
async fn guesses_do_not_push_the_rest_out() {
    let scene = Scene::new();
    for number in 0..50 {
        let source = Source::at([198, 51, 100, number].into());
        assert!(scene.access.bearer("kh_wrong", source).await.is_err());
    }
    assert_eq!(entries(&scene).await.len(), 20);
    scene.pass(60);
    assert!(scene.bearer("kh_wrong").await.is_err());
    let newest = entries(&scene).await.remove(0);
    assert_eq!((newest.who.as_str(), newest.verb.as_str(), newest.outcome.as_str()), ("unknown", "auth.log-in", "refused"));
    assert_eq!(newest.detail.as_deref(), Some("30 more before it"));
}

#[tokio::test]
async fn what_one_is_refused_again_and_again_does_not_push_the_rest_out() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let caller = scene.bearer(text(&made)).await.unwrap();
    let refused = |caller: Caller| {
        let access = scene.access.clone();
        async move { access.note(&caller, somewhere(), Note::of("secrets.list", Outcome::Refused)).await.unwrap() }
    };
    for _ in 0..130 {
        refused(caller.clone()).await;
    }
    assert_eq!(entries(&scene).await.len(), 100);
    refused(Caller::owner()).await;
    scene.access.note(&caller, somewhere(), Note::of("auth.token", Outcome::Done)).await.unwrap();
    assert_eq!(entries(&scene).await.len(), 102, "what others are refused, and what is done, is noted");
    scene.pass(60);
    refused(caller).await;
    assert_eq!(entries(&scene).await.remove(0).detail.as_deref(), Some("30 more before it"));
}

#[tokio::test]
async fn pages_follow_each_other() {
    let scene = Scene::new();
    for number in 0..5 {
        let note = Note::of("flows.deploy", Outcome::Done).about(number.to_string());
        scene.access.note(&Caller::owner(), Source::HERE, note).await.unwrap();
    }
    let (mut cursor, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = scene.access.audit(AuditQuery { cursor, limit: 2, ..AuditQuery::default() }).await.unwrap();
        seen.extend(page.rows.into_iter().filter_map(|row| row.entry.subject));
        (cursor, pages) = (page.next_cursor, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen.join(" "), pages), ("4 3 2 1 0".to_owned(), 3));
}
