//! Service accounts and their keys.

use super::Place;
use super::scenes::at;
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, Ids as _, SystemIds};
use crate::store::{
    AccountChange, AccountRow, ApiKeyChange, ApiKeyRow, ApiKeys, NewApiKey, RetainedSecret, SecretHash, ServiceAccounts,
    StoreError,
};

pub(super) fn account(name: &str) -> AccountRow {
    AccountRow {
        id: SystemIds.account(),
        name: name.into(),
        description: "for tests".into(),
        role: "author".into(),
        flows: Some(vec!["draft".into(), "team-*".into()]),
        active: true,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub(super) fn key(account: &AccountRow, name: &str) -> NewApiKey {
    let [a, b, c, d, e, f, g, h, ..] = SystemIds.credential();
    NewApiKey {
        id: ApiKeyId::from_bytes([a, b, c, d, e, f, g, h]),
        account: account.id,
        name: name.into(),
        description: String::new(),
        hash: SystemIds.credential(),
        created_at: at(2),
    }
}

/// The row of a key that was just made.
fn made(new: &NewApiKey, account: &AccountRow) -> ApiKeyRow {
    ApiKeyRow {
        id: new.id,
        account: account.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        active: true,
        hash: new.hash,
        retained: None,
        created_at: new.created_at,
        updated_at: new.created_at,
        rotated_at: None,
        used_at: None,
    }
}

fn is_conflict<T>(refused: &Result<T, StoreError>, name: &str) -> bool {
    matches!(refused, Err(StoreError::Conflict { message }) if message.contains(name))
}

fn is_missing<T>(refused: &Result<T, StoreError>) -> bool {
    matches!(refused, Err(StoreError::NotFound { .. }))
}

pub(crate) async fn an_account_reads_back_by_name_and_by_id<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let (ci, open) = (account("ci"), AccountRow { flows: None, active: false, ..account("a-open") });
    for account in [&ci, &open] {
        store.create_account(account.clone()).await.unwrap();
    }
    assert_eq!(other.account("ci").await.unwrap(), Some(ci.clone()));
    assert_eq!(store.account_by_id(open.id).await.unwrap(), Some(open.clone()));
    for unknown in ["", "CI", "c", "ci "] {
        assert_eq!(store.account(unknown).await.unwrap(), None, "{unknown:?}");
    }
    assert_eq!(store.account_by_id(SystemIds.account()).await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), [open.clone(), ci.clone()], "by name");
    drop((store, other));
    assert_eq!(place.open().accounts().await.unwrap(), [open, ci], "after a restart");
}

pub(crate) async fn names_of_accounts_are_unique<P: Place>(place: P) {
    let store = place.open();
    let (one, two) = (account("one"), account("two"));
    store.create_account(one.clone()).await.unwrap();
    assert!(is_conflict(&store.create_account(account("one")).await, "`one`"));
    store.create_account(two.clone()).await.unwrap();
    let renamed = AccountChange { name: Some("one".into()), ..AccountChange::default() };
    assert!(is_conflict(&store.change_account(two.id, renamed, at(5)).await, "`one`"));
    assert_eq!(store.accounts().await.unwrap(), [one, two], "a refusal changes nothing");
}

pub(crate) async fn of_an_account_what_is_named_changes<P: Place>(place: P) {
    let store = place.open();
    let (mut expected, other) = (account("ci"), account("other"));
    for account in [&expected, &other] {
        store.create_account(account.clone()).await.unwrap();
    }
    let change = |moment: Timestamp, change: AccountChange| store.change_account(expected.id, change, moment);
    let some = AccountChange { role: Some("viewer".into()), active: Some(false), ..AccountChange::default() };
    let first = change(at(5), some).await.unwrap();
    let flows = AccountChange { flows: Some(None), ..AccountChange::default() };
    let second = change(at(6), flows).await.unwrap();
    let all = AccountChange {
        name: Some("bot".into()),
        description: Some(String::new()),
        role: Some("admin".into()),
        flows: Some(Some(vec![])),
        active: Some(true),
    };
    let third = change(at(7), all).await.unwrap();
    (expected.role, expected.active, expected.updated_at) = ("viewer".into(), false, at(5));
    assert_eq!(first, expected);
    (expected.flows, expected.updated_at) = (None, at(6));
    assert_eq!(second, expected);
    let (name, description, role, flows) = ("bot".into(), String::new(), "admin".into(), Some(vec![]));
    let expected = AccountRow { name, description, role, flows, active: true, updated_at: at(7), ..expected };
    assert_eq!(third, expected);
    assert_eq!(store.accounts().await.unwrap(), [expected, other]);
    assert!(is_missing(&store.change_account(SystemIds.account(), AccountChange::default(), at(8)).await));
}

pub(crate) async fn a_key_is_found_with_its_account<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let (ci, bot) = (account("ci"), account("bot"));
    for account in [&ci, &bot] {
        store.create_account(account.clone()).await.unwrap();
    }
    let (b, a, same_name) = (key(&ci, "b"), key(&ci, "a"), key(&bot, "b"));
    for key in [&b, &a, &same_name] {
        store.create_api_key(key.clone()).await.unwrap();
    }
    assert_eq!(other.api_key(b.id).await.unwrap(), Some(made(&b, &ci)));
    assert_eq!(store.api_keys(ci.id).await.unwrap(), [made(&a, &ci), made(&b, &ci)], "by name");
    assert_eq!(store.api_keys(bot.id).await.unwrap(), [made(&same_name, &bot)]);
    assert_eq!(store.api_key(ApiKeyId::from_bytes([0; 8])).await.unwrap(), None);
    assert!(is_conflict(&store.create_api_key(key(&ci, "a")).await, "`a`"));
    let nobody = account("nobody");
    assert!(is_missing(&store.create_api_key(key(&nobody, "a")).await));
    assert!(is_missing(&store.api_keys(nobody.id).await));
    // What an account is allowed counts for its keys from the next moment on.
    let change = AccountChange { active: Some(false), ..AccountChange::default() };
    let changed = store.change_account(ci.id, change, at(9)).await.unwrap();
    assert_eq!(other.api_key(a.id).await.unwrap(), Some(made(&a, &changed)));
}

pub(crate) async fn a_key_changes_and_notes_its_use<P: Place>(place: P) {
    let store = place.open();
    let ci = account("ci");
    store.create_account(ci.clone()).await.unwrap();
    let (one, two) = (key(&ci, "one"), key(&ci, "two"));
    for key in [&one, &two] {
        store.create_api_key(key.clone()).await.unwrap();
    }
    let change = ApiKeyChange { name: Some("two".into()), ..ApiKeyChange::default() };
    assert!(is_conflict(&store.change_api_key(one.id, change, at(5)).await, "`two`"));
    let change = ApiKeyChange { active: Some(false), description: Some("old".into()), ..ApiKeyChange::default() };
    store.change_api_key(one.id, change, at(6)).await.unwrap();
    store.note_api_key_use(one.id, at(7)).await.unwrap();
    let expected =
        ApiKeyRow { active: false, description: "old".into(), updated_at: at(6), used_at: Some(at(7)), ..made(&one, &ci) };
    assert_eq!(store.api_key(one.id).await.unwrap(), Some(expected));
    assert_eq!(store.api_key(two.id).await.unwrap(), Some(made(&two, &ci)));
    let unknown = ApiKeyId::from_bytes([0; 8]);
    assert!(is_missing(&store.change_api_key(unknown, ApiKeyChange::default(), at(8)).await));
    store.note_api_key_use(unknown, at(8)).await.unwrap();
}

pub(crate) async fn a_rotated_key_keeps_the_secret_before_for_a_while<P: Place>(place: P) {
    let store = place.open();
    let ci = account("ci");
    store.create_account(ci.clone()).await.unwrap();
    let new = key(&ci, "one");
    store.create_api_key(new.clone()).await.unwrap();
    let secrets: [SecretHash; 3] = std::array::from_fn(|_| SystemIds.credential());
    let hashes = async || {
        let row = store.api_key(new.id).await.unwrap().unwrap();
        (row.hash, row.retained, row.rotated_at)
    };
    assert_eq!(hashes().await, (new.hash, None, None));
    store.rotate_api_key(new.id, secrets[0], Some(at(50)), at(10)).await.unwrap();
    assert_eq!(hashes().await, (secrets[0], Some(RetainedSecret { hash: new.hash, until: at(50) }), Some(at(10))));
    store.rotate_api_key(new.id, secrets[1], Some(at(60)), at(20)).await.unwrap();
    let retained = Some(RetainedSecret { hash: secrets[0], until: at(60) });
    assert_eq!(hashes().await, (secrets[1], retained, Some(at(20))), "one secret is retained, and not two");
    store.rotate_api_key(new.id, secrets[2], None, at(30)).await.unwrap();
    assert_eq!(hashes().await, (secrets[2], None, Some(at(30))));
    assert!(is_missing(&store.rotate_api_key(ApiKeyId::from_bytes([0; 8]), secrets[0], None, at(40)).await));
}

pub(crate) async fn a_deleted_account_takes_its_keys_along<P: Place>(place: P) {
    let store = place.open();
    let (ci, bot) = (account("ci"), account("bot"));
    for account in [&ci, &bot] {
        store.create_account(account.clone()).await.unwrap();
    }
    let (gone, left, others) = (key(&ci, "gone"), key(&ci, "left"), key(&bot, "others"));
    for key in [&gone, &left, &others] {
        store.create_api_key(key.clone()).await.unwrap();
    }
    store.delete_api_key(gone.id).await.unwrap();
    assert!(is_missing(&store.delete_api_key(gone.id).await), "once");
    assert_eq!(store.api_keys(ci.id).await.unwrap(), [made(&left, &ci)]);
    store.delete_account(ci.id).await.unwrap();
    assert!(is_missing(&store.delete_account(ci.id).await), "once");
    assert_eq!(store.api_key(left.id).await.unwrap(), None);
    assert_eq!(store.account("ci").await.unwrap(), None);
    assert_eq!(store.api_key(others.id).await.unwrap(), Some(made(&others, &bot)));
    store.create_account(account("ci")).await.unwrap();
}
