//! Links that answer one question.

use super::{Scene, somewhere, text};
use crate::access::{AccessError, AccountUpdate, Caller, LinkProblem, MadeLink, Role, Scope, Via};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, Ids as _, SystemIds};
use crate::journal::{EncodedEntry, Payload, chain};
use crate::secrets::ExposeSecret as _;
use crate::store::{Append, Durability, NewExecution, NewWait, Resolution, WaitRow};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

/// A question of an execution of the flow `review`.
async fn question(scene: &Scene) -> WaitRow {
    let id = SystemIds.execution();
    let new = NewExecution {
        id,
        flow: "review".into(),
        component: ComponentDigest::of(b"component"),
        input: Payload::Inline(b"{}".to_vec()),
        seed: [7; 32],
        created_at: at(0),
        flow_epoch: at(0),
        original: None,
        parent: None,
        root: None,
        depth: 0,
        tags: vec![],
        replay_plan: None,
        frozen_spec: "{}".into(),
    };
    scene.store.create(new).await.unwrap();
    let lease = scene.store.claim(id).await.unwrap();
    let (name, bytes) = ("approve".to_owned(), b"asked".to_vec());
    let wait = NewWait { call: 0, name, question: None, schema: None, metadata: None, deadline: None, default: None };
    let entry = EncodedEntry { seq: 0, link: chain(&[0; 32], &bytes), bytes };
    let asked = Append { entries: vec![entry], wait: Some(wait), ..Append::new(at(0), Durability::Full) };
    scene.store.append(&lease, asked).await.unwrap();
    scene.store.waits(id).await.unwrap().remove(0)
}

async fn link(scene: &Scene, caller: &Caller, question: &WaitRow) -> MadeLink {
    scene.access.make_answer_link(caller, question, Some(3_600)).await.unwrap()
}

async fn problem(scene: &Scene, link: &MadeLink) -> Option<LinkProblem> {
    match scene.access.answer_link(link.token.expose_secret()).await {
        Ok(_) => None,
        Err(AccessError::Link(problem)) => Some(problem),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_link_answers_its_question_once() {
    let scene = Scene::new();
    let question = question(&scene).await;
    let (made, other) = (link(&scene, &Caller::owner(), &question).await, link(&scene, &Caller::owner(), &question).await);
    let found = scene.access.answer_link(made.token.expose_secret()).await.unwrap();
    assert_eq!((found.wait, found.flow.as_str(), found.expires_at), (question.id, "review", made.expires_at));
    assert!(found.caller.has_link_for(question.id) && !found.caller.may(Role::Viewer));
    assert_eq!(problem(&scene, &made).await, None, "looking does not use it up");
    scene.access.use_link(&found).await.unwrap();
    let again = scene.access.use_link(&found).await;
    assert!(matches!(again, Err(AccessError::Link(LinkProblem::Used))), "{again:?}");
    assert_eq!(problem(&scene, &made).await, Some(LinkProblem::Used));
    assert_eq!(problem(&scene, &other).await, None, "another link is another");
    // An answer that did not fit leaves the link as it was.
    scene.access.give_link_back(&found).await.unwrap();
    assert_eq!(problem(&scene, &made).await, None);
    let answer = Resolution::Answered(Payload::Inline(b"true".to_vec()));
    scene.store.resolve(question.id, None, answer, at(1)).await.unwrap();
    assert_eq!(problem(&scene, &other).await, Some(LinkProblem::Settled));
    let settled = scene.store.wait(question.id).await.unwrap();
    let refused = scene.access.make_answer_link(&Caller::owner(), &settled, None).await;
    assert!(matches!(refused, Err(AccessError::Link(LinkProblem::Settled))), "{refused:?}");
}

#[tokio::test]
async fn a_link_ends_and_is_for_one_question() {
    let scene = Scene::new();
    let (one, two) = (question(&scene).await, question(&scene).await);
    let made = link(&scene, &Caller::owner(), &one).await;
    assert_eq!(scene.access.answer_link(made.token.expose_secret()).await.unwrap().wait, one.id);
    // A question that was asked anew is another one.
    let anew = WaitRow { entered_at: at(99), ..two };
    assert_eq!(problem(&scene, &link(&scene, &Caller::owner(), &anew).await).await, Some(LinkProblem::Settled));
    for wrong in ["", "a.b", "kt_a.b", &made.token.expose_secret()[1..]] {
        let refused = scene.access.answer_link(wrong).await;
        assert!(matches!(refused, Err(AccessError::Link(LinkProblem::NotValid))), "{wrong:?}: {refused:?}");
    }
    // It is no token, and a token is no link.
    assert!(scene.bearer(&format!("kt_{}", made.token.expose_secret())).await.is_err());
    scene.pass(3_600);
    assert_eq!(problem(&scene, &made).await, Some(LinkProblem::Expired));
    for seconds in [0, 30 * 24 * 60 * 60 + 1] {
        let refused = scene.access.make_answer_link(&Caller::owner(), &one, Some(seconds)).await;
        assert!(matches!(refused, Err(AccessError::Invalid(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_link_works_as_long_as_its_maker_may_answer() {
    let scene = Scene::new();
    let question = question(&scene).await;
    let made = scene.key("ci", Role::Operator, Scope::ALL).await;
    let session = scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap();
    let link = link(&scene, &session.caller, &question).await;
    scene.access.log_out(&session.caller, somewhere()).await.unwrap();
    let found = scene.access.answer_link(link.token.expose_secret()).await.unwrap();
    assert_eq!((found.caller.who.name(), &found.caller.via), ("ci", &Via::AnswerLink(question.id)), "it outlives the session");
    let refused = scene.access.make_answer_link(&found.caller, &question, None).await;
    assert!(matches!(refused, Err(AccessError::Forbidden { .. })), "and makes no other: {refused:?}");
    let changes = [
        AccountUpdate { role: Some(Role::Viewer), ..AccountUpdate::default() },
        AccountUpdate { role: Some(Role::Operator), scope: Scope::of(["other"]).ok(), ..AccountUpdate::default() },
        AccountUpdate { scope: Some(Scope::ALL), active: Some(false), ..AccountUpdate::default() },
    ];
    for change in changes {
        scene.update("ci", change.clone()).await;
        assert_eq!(problem(&scene, &link).await, Some(LinkProblem::NotValid), "{change:?}");
    }
    scene.update("ci", AccountUpdate { active: Some(true), ..AccountUpdate::default() }).await;
    assert_eq!(problem(&scene, &link).await, None);
    scene.access.delete_account("ci").await.unwrap();
    assert_eq!(problem(&scene, &link).await, Some(LinkProblem::NotValid));
}
