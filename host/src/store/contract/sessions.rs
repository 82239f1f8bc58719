//! Sessions, and what works once.

use std::sync::Arc;

use super::Place;
use super::scenes::at;
use super::service_accounts::{account, key};
use crate::ids::{ApiKeyId, Ids as _, SystemIds};
use crate::store::{
    AccountChange, ApiKeys, LoginCodes, NewSession, SecretHash, ServiceAccounts, SessionRow, Sessions, SpentUses, StoreError,
};

const MANY: u64 = 100;

fn session(api_key: Option<ApiKeyId>, began: i64) -> NewSession {
    NewSession {
        hash: SystemIds.credential(),
        api_key,
        source: Some("192.0.2.7".into()),
        created_at: at(began),
        expires_at: at(began + 100),
        ends_at: at(began + 1_000),
    }
}

fn begun(new: &NewSession) -> SessionRow {
    let NewSession { created_at, expires_at, ends_at, .. } = *new;
    SessionRow { api_key: None, created_at, used_at: created_at, expires_at, ends_at }
}

pub(crate) async fn a_session_reads_back_until_it_is_ended<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let new = session(None, 0);
    assert_eq!(store.session(new.hash).await.unwrap(), None);
    store.begin_session(new.clone(), MANY).await.unwrap();
    assert_eq!(other.session(new.hash).await.unwrap(), Some(begun(&new)));
    store.note_session_use(new.hash, at(70), at(170)).await.unwrap();
    let used = SessionRow { used_at: at(70), expires_at: at(170), ..begun(&new) };
    assert_eq!(other.session(new.hash).await.unwrap(), Some(used));
    assert!(store.end_session(new.hash).await.unwrap());
    assert!(!other.end_session(new.hash).await.unwrap(), "once");
    assert_eq!(store.session(new.hash).await.unwrap(), None);
    store.note_session_use(new.hash, at(80), at(180)).await.unwrap();
    assert_eq!(store.session(new.hash).await.unwrap(), None, "a use that was late begins nothing");
}

pub(crate) async fn a_session_goes_with_its_key<P: Place>(place: P) {
    let store = place.open();
    let ci = account("ci");
    store.create_account(ci.clone()).await.unwrap();
    let (one, two) = (key(&ci, "one"), key(&ci, "two"));
    for key in [&one, &two] {
        store.create_api_key(key.clone()).await.unwrap();
    }
    let (of_one, of_two, owners) = (session(Some(one.id), 0), session(Some(two.id), 0), session(None, 0));
    for session in [&of_one, &of_two, &owners] {
        store.begin_session(session.clone(), MANY).await.unwrap();
    }
    let change = AccountChange { role: Some("viewer".into()), ..AccountChange::default() };
    store.change_account(ci.id, change, at(5)).await.unwrap();
    let found = store.session(of_one.hash).await.unwrap().and_then(|session| session.api_key).unwrap();
    assert_eq!((found.id, found.account.role.as_str()), (one.id, "viewer"), "the key and the account are those of now");
    store.delete_api_key(one.id).await.unwrap();
    assert_eq!(store.session(of_one.hash).await.unwrap(), None);
    assert!(store.session(of_two.hash).await.unwrap().is_some());
    store.delete_account(ci.id).await.unwrap();
    assert_eq!(store.session(of_two.hash).await.unwrap(), None);
    assert!(store.session(owners.hash).await.unwrap().is_some());
    let late = store.begin_session(session(Some(one.id), 0), MANY).await;
    assert!(matches!(late, Err(StoreError::NotFound { .. })), "{late:?}");
}

pub(crate) async fn sessions_make_room<P: Place>(place: P) {
    let store = place.open();
    let ci = account("ci");
    store.create_account(ci.clone()).await.unwrap();
    let one = key(&ci, "one");
    store.create_api_key(one.clone()).await.unwrap();
    let others = session(Some(one.id), 0);
    store.begin_session(others.clone(), 3).await.unwrap();
    let mut begun: Vec<SecretHash> = Vec::new();
    for number in 0..5 {
        let new = session(None, number);
        begun.push(new.hash);
        store.begin_session(new, 3).await.unwrap();
    }
    let mut there = Vec::new();
    for hash in begun {
        there.push(store.session(hash).await.unwrap().is_some());
    }
    assert_eq!(there, [false, false, true, true, true], "the oldest go");
    assert!(store.session(others.hash).await.unwrap().is_some(), "of the same key alone");
    // What has expired goes when the next one begins.
    store.begin_session(session(None, 103), MANY).await.unwrap();
    assert_eq!(store.session(others.hash).await.unwrap(), None);
}

pub(crate) async fn a_login_code_is_taken_once_and_in_time<P: Place>(place: P) {
    let (store, other) = (Arc::new(place.open()), place.open());
    let hashes: [SecretHash; 3] = std::array::from_fn(|_| SystemIds.credential());
    for hash in &hashes[..2] {
        store.put_login_code(*hash, at(0), at(100)).await.unwrap();
    }
    assert!(!store.take_login_code(hashes[2], at(1)).await.unwrap(), "unknown");
    let tasks = (0..8).map(|_| {
        let (store, hash) = (Arc::clone(&store), hashes[0]);
        tokio::spawn(async move { store.take_login_code(hash, at(99)).await.unwrap() })
    });
    let mut taken = 0;
    for task in tasks.collect::<Vec<_>>() {
        taken += u32::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert!(!other.take_login_code(hashes[1], at(100)).await.unwrap(), "too late");
    assert!(!other.take_login_code(hashes[1], at(99)).await.unwrap(), "used up all the same");
    // What has expired goes when the next one comes.
    store.put_login_code(hashes[1], at(0), at(100)).await.unwrap();
    store.put_login_code(hashes[2], at(100), at(200)).await.unwrap();
    assert!(!other.take_login_code(hashes[1], at(99)).await.unwrap());
    assert!(other.take_login_code(hashes[2], at(150)).await.unwrap());
}

pub(crate) async fn what_may_be_used_once_is_spent_once<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let (one, two): (SecretHash, SecretHash) = (SystemIds.credential(), SystemIds.credential());
    assert!(!store.is_spent(one).await.unwrap());
    assert!(store.spend(one, at(0), at(100)).await.unwrap());
    assert!(!other.spend(one, at(1), at(100)).await.unwrap());
    assert!(other.is_spent(one).await.unwrap() && !other.is_spent(two).await.unwrap());
    assert!(other.spend(two, at(2), at(50)).await.unwrap());
    store.unspend(one).await.unwrap();
    store.unspend(one).await.unwrap();
    assert!(!other.is_spent(one).await.unwrap(), "it came to nothing");
    assert!(other.spend(one, at(50), at(100)).await.unwrap());
    assert!(!store.is_spent(two).await.unwrap(), "what has expired is forgotten");
    drop((store, other));
    assert!(place.open().is_spent(one).await.unwrap(), "after a restart");
}
