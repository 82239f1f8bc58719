//! Keys, tokens, sessions and codes.

use super::{Scene, somewhere, text, unknown};
use crate::access::{
    AccessError, AccountUpdate, Caller, Credential, Invalid, MadeToken, NewAccount, Role, Scope, Source, TokenRequest, Via, Who,
};
use crate::secrets::ExposeSecret as _;
use crate::store::ApiKeyChange;

fn flows(names: &[&str]) -> Scope {
    Scope::of(names.iter().copied()).unwrap()
}

async fn token(scene: &Scene, caller: &Caller, request: TokenRequest) -> MadeToken {
    scene.access.make_token(caller, request).await.unwrap()
}

fn within(seconds: u64) -> TokenRequest {
    TokenRequest { seconds: Some(seconds), ..TokenRequest::default() }
}

#[tokio::test]
async fn a_key_lets_in_whoever_has_all_of_it() {
    let scene = Scene::new();
    let (made, other) =
        (scene.key("ci", Role::Author, flows(&["team-*"])).await, scene.key("bot", Role::Viewer, Scope::ALL).await);
    let caller = scene.bearer(text(&made)).await.unwrap();
    let who = Who::Account { id: made.key.account, name: "ci".into(), key: made.key.id };
    assert_eq!(caller, Caller { who, role: Role::Author, scope: flows(&["team-*"]), via: Via::ApiKey(made.key.id) });
    // Parts of one and parts of another, an ID that nobody has, and nonsense: all get the same answer.
    let mixed = format!("{}{}", &text(&made)[..20], &text(&other)[20..]);
    let nobody = format!("kh_0000000000000000{}", &text(&made)[19..]);
    for wrong in ["", "kh_", "kt_", "kt_a.b", "Bearer x", &mixed] {
        unknown(scene.restarted().bearer(wrong, somewhere()).await);
    }
    let answers = [scene.bearer(&mixed).await, scene.bearer(&nobody).await].map(|answer| answer.unwrap_err().to_string());
    assert_eq!(answers[0], answers[1]);
    assert!(!format!("{made:?}").contains(text(&made)), "it does not show by accident");
}

#[tokio::test]
async fn what_is_kept_of_a_key_lets_nobody_in() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Admin, Scope::ALL).await;
    let login = scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap();
    let code = scene.access.make_login_code().await.unwrap();
    let token = token(&scene, &login.caller, within(60)).await;
    for entry in std::fs::read_dir(scene.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in [&text(&made)[20..], login.cookie.expose_secret(), code.code.expose_secret(), token.token.expose_secret()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} has a secret in it", path.display());
        }
    }
}

#[tokio::test]
async fn a_rotated_keys_old_secret_counts_for_a_while() {
    let scene = Scene::new();
    let old = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let new = scene.access.rotate_api_key("ci", "first", 10).await.unwrap();
    assert_eq!((new.key.id, new.key.retained_until.is_some()), (old.key.id, true));
    for made in [&old, &new] {
        assert!(scene.bearer(text(made)).await.is_ok());
    }
    scene.pass(10 * 60);
    unknown(scene.bearer(text(&old)).await);
    let newest = scene.access.rotate_api_key("ci", &new.key.id.to_string(), 0).await.unwrap();
    unknown(scene.bearer(text(&new)).await);
    assert!(scene.bearer(text(&newest)).await.is_ok());
    let refused = scene.access.rotate_api_key("ci", "first", 10_081).await;
    assert!(matches!(refused, Err(AccessError::Invalid(Invalid::Span { .. }))), "{refused:?}");
}

#[tokio::test]
async fn whatever_rests_on_a_key_ends_with_it() {
    let scene = Scene::new();
    for ending in 0..4 {
        let name = format!("ci-{ending}");
        let made = scene.key(&name, Role::Operator, Scope::ALL).await;
        let caller = scene.bearer(text(&made)).await.unwrap();
        let session = scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap();
        let tokens = [token(&scene, &caller, within(60)).await, token(&scene, &session.caller, within(60)).await];
        for token in &tokens {
            assert!(scene.bearer(token.token.expose_secret()).await.is_ok());
        }
        let inactive = AccountUpdate { active: Some(false), ..AccountUpdate::default() };
        match ending {
            0 => scene.update(&name, inactive).await,
            1 => drop(scene.access.delete_account(&name).await.unwrap()),
            2 => drop(scene.access.delete_api_key(&name, "first").await.unwrap()),
            _ => {
                let inactive = ApiKeyChange { active: Some(false), ..ApiKeyChange::default() };
                scene.access.update_api_key(&name, "first", inactive).await.unwrap();
            }
        }
        unknown(scene.bearer(text(&made)).await);
        unknown(scene.access.session(session.cookie.expose_secret()).await);
        for token in &tokens {
            unknown(scene.restarted().bearer(token.token.expose_secret(), somewhere()).await);
        }
    }
}

#[tokio::test]
async fn less_is_allowed_from_the_next_request_on() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Admin, Scope::ALL).await;
    let caller = scene.bearer(text(&made)).await.unwrap();
    let session = scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap();
    let token = token(&scene, &caller, TokenRequest { scope: Some(flows(&["a*", "b"])), ..within(60) }).await;
    let less = AccountUpdate { role: Some(Role::Viewer), scope: Some(flows(&["ab*", "c"])), ..AccountUpdate::default() };
    scene.update("ci", less).await;
    let of_session = scene.access.session(session.cookie.expose_secret()).await.unwrap();
    assert_eq!((of_session.role, &of_session.scope), (Role::Viewer, &flows(&["ab*", "c"])));
    let of_token = scene.bearer(token.token.expose_secret()).await.unwrap();
    assert_eq!((of_token.role, &of_token.scope), (Role::Viewer, &flows(&["ab*"])), "what both have");
    // More than a token was made with it never has.
    let more = AccountUpdate { role: Some(Role::Admin), scope: Some(Scope::ALL), ..AccountUpdate::default() };
    scene.update("ci", more).await;
    assert_eq!(scene.bearer(token.token.expose_secret()).await.unwrap().scope, flows(&["a*", "b"]));
}

#[tokio::test]
async fn a_token_has_no_more_than_its_maker_and_ends() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Author, flows(&["a*"])).await;
    let caller = scene.bearer(text(&made)).await.unwrap();
    let more = [
        TokenRequest { role: Some(Role::Admin), ..TokenRequest::default() },
        TokenRequest { scope: Some(Scope::ALL), ..TokenRequest::default() },
        TokenRequest { scope: Some(flows(&["b"])), ..TokenRequest::default() },
        within(0),
        within(24 * 60 * 60 + 1),
    ];
    for request in more {
        let refused = scene.access.make_token(&caller, request.clone()).await;
        assert!(matches!(refused, Err(AccessError::Invalid(_))), "{request:?}: {refused:?}");
    }
    let less = TokenRequest { role: Some(Role::Viewer), scope: Some(flows(&["ab"])), seconds: None };
    let first = token(&scene, &caller, less).await;
    let by_token = scene.bearer(first.token.expose_secret()).await.unwrap();
    let expected = Via::Token { of: Credential::ApiKey(made.key.id), expires_at: first.expires_at };
    assert_eq!((by_token.role, &by_token.scope, &by_token.via), (Role::Viewer, &flows(&["ab"]), &expected));
    // A token that was made with a token ends with it.
    let second = token(&scene, &by_token, within(24 * 60 * 60)).await;
    assert_eq!(second.expires_at, first.expires_at);
    assert!(scene.access.make_token(&by_token, TokenRequest { role: Some(Role::Author), ..within(60) }).await.is_err());
    assert!(scene.restarted().bearer(second.token.expose_secret(), somewhere()).await.is_ok(), "after a restart");
    scene.pass(60 * 60);
    for made in [first, second] {
        let refused = scene.bearer(made.token.expose_secret()).await;
        assert!(matches!(refused, Err(AccessError::Expired { what: "token" })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_token_of_another_data_folder_counts_for_nothing() {
    let (here, there) = (Scene::new(), Scene::new());
    let made = token(&here, &Caller::owner(), within(60)).await;
    assert_eq!(here.bearer(made.token.expose_secret()).await.unwrap().who, Who::Owner);
    unknown(there.bearer(made.token.expose_secret()).await);
    // Nor with the same key file.
    std::fs::copy(here.folder.path().join("access.key"), there.folder.path().join("access.key")).unwrap();
    unknown(there.restarted().bearer(made.token.expose_secret(), somewhere()).await);
    // Without the file all of them end.
    std::fs::remove_file(here.folder.path().join("access.key")).unwrap();
    unknown(here.restarted().bearer(made.token.expose_secret(), somewhere()).await);
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_that_signs_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    let file = scene.folder.path().join("access.key");
    assert!(!file.exists(), "nobody has needed it");
    let _ = token(&scene, &Caller::owner(), within(60)).await;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = scene.restarted().make_token(&Caller::owner(), within(60)).await.unwrap_err();
    assert!(refused.hint().is_some_and(|hint| hint.contains("chmod 600")), "{refused:?}");
}

#[tokio::test]
async fn a_login_code_works_once() {
    let scene = Scene::new();
    let (one, two) = (scene.access.make_login_code().await.unwrap(), scene.access.make_login_code().await.unwrap());
    let login = scene.access.log_in_with_code(one.code.expose_secret(), somewhere()).await.unwrap();
    assert_eq!((&login.caller.who, login.caller.role), (&Who::Owner, Role::Admin));
    assert_eq!(scene.access.session(login.cookie.expose_secret()).await.unwrap(), login.caller);
    unknown(scene.access.log_in_with_code(one.code.expose_secret(), somewhere()).await);
    scene.pass(10 * 60);
    unknown(scene.access.log_in_with_code(two.code.expose_secret(), somewhere()).await);
    unknown(scene.access.log_in_with_code("", somewhere()).await);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_in_any_case() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Operator, Scope::ALL).await;
    let log_in = async || scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap();
    let is_in = async |cookie: &str| scene.access.session(cookie).await.is_ok();
    let (idle, used) = (log_in().await, log_in().await);
    // Every eleven hours, for a week.
    for _ in 0..15 {
        scene.pass(11 * 60 * 60);
        assert!(is_in(used.cookie.expose_secret()).await);
    }
    assert!(!is_in(idle.cookie.expose_secret()).await);
    scene.pass(3 * 60 * 60);
    let ended = scene.access.session(used.cookie.expose_secret()).await;
    assert!(matches!(ended, Err(AccessError::Expired { what: "session" })), "{ended:?}");
    let left = log_in().await;
    assert!(scene.access.log_out(&left.caller, somewhere()).await.unwrap());
    unknown(scene.access.session(left.cookie.expose_secret()).await);
    assert!(!scene.access.log_out(&Caller::owner(), Source::HERE).await.unwrap());
    // A token is no key to log in with: a session would outlive it.
    let token = token(&scene, &Caller::owner(), within(60)).await;
    unknown(scene.access.log_in_with_key(token.token.expose_secret(), somewhere()).await);
}

#[tokio::test]
async fn a_csrf_token_is_for_one_session() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Operator, Scope::ALL).await;
    let (one, two) = (
        scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap().caller,
        scene.access.log_in_with_key(text(&made), somewhere()).await.unwrap().caller,
    );
    let of = async |caller: &Caller| scene.access.csrf_token(caller).await.unwrap();
    let (first, second) = (of(&one).await.unwrap(), of(&two).await.unwrap());
    assert_ne!(first, second);
    assert_eq!(of(&one).await.as_ref(), Some(&first), "the same as long as the session");
    assert!(scene.restarted().check_csrf(&one, Some(&first)).await.is_ok());
    for wrong in [None, Some(""), Some(second.as_str()), Some("AAAA")] {
        let refused = scene.access.check_csrf(&one, wrong).await;
        assert!(matches!(refused, Err(AccessError::Csrf)), "{wrong:?}: {refused:?}");
    }
    let bearer = scene.bearer(text(&made)).await.unwrap();
    assert_eq!(of(&bearer).await, None);
    assert!(scene.access.check_csrf(&bearer, None).await.is_ok(), "nothing is sent along by itself");
}

#[tokio::test]
async fn whoever_guesses_has_to_wait() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    for _ in 0..6 {
        unknown(scene.bearer("kh_wrong").await);
    }
    let Err(AccessError::TooMany { retry_after, .. }) = scene.bearer("kh_wrong").await else { panic!("one more") };
    assert_eq!(retry_after.as_secs(), 1);
    let refused = scene.access.log_in_with_code("wrong", somewhere()).await;
    assert!(matches!(refused, Err(AccessError::TooMany { .. })), "by any way: {refused:?}");
    unknown(scene.access.bearer("kh_wrong", Source::at([192, 0, 2, 8].into())).await);
    scene.pass(1);
    unknown(scene.bearer("kh_wrong").await);
    // What has expired was no guess, and neither is the cookie of a session that ended.
    let token = token(&scene, &Caller::owner(), within(1)).await;
    scene.pass(1);
    for _ in 0..20 {
        assert!(matches!(scene.bearer(token.token.expose_secret()).await, Err(AccessError::Expired { .. })));
        unknown(scene.access.session("stale").await);
    }
    assert!(scene.bearer(text(&made)).await.is_ok());
}

#[tokio::test]
async fn what_is_right_is_let_in_whatever_others_try_at_the_same_address() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let code = scene.access.make_login_code().await.unwrap();
    for _ in 0..200 {
        assert!(scene.bearer("kh_wrong").await.is_err());
    }
    assert!(scene.bearer(text(&made)).await.is_ok());
    assert!(scene.access.log_in_with_key(text(&made), somewhere()).await.is_ok());
    assert!(scene.access.log_in_with_code(code.code.expose_secret(), somewhere()).await.is_ok());
    let guess = scene.bearer("kh_wrong").await;
    assert!(matches!(guess, Err(AccessError::TooMany { .. })), "which forgives nobody's guesses: {guess:?}");
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let used = async || scene.access.api_key("ci", "first").await.unwrap().used_at;
    assert_eq!(used().await, None);
    scene.bearer(text(&made)).await.unwrap();
    let first = used().await.unwrap();
    scene.pass(59);
    scene.bearer(text(&made)).await.unwrap();
    assert_eq!(used().await, Some(first));
    scene.pass(1);
    scene.bearer(text(&made)).await.unwrap();
    assert_eq!(used().await.unwrap().since(first).as_secs(), 60);
}

#[tokio::test]
async fn names_and_changes_are_checked() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let long = "a".repeat(101);
    for bad in ["", "owner", "OWNER", "-a", "a b", "a/b", "é", &long] {
        let new = NewAccount { name: bad.into(), description: String::new(), role: Role::Viewer, scope: Scope::ALL };
        let refused = scene.access.create_account(new).await;
        assert!(matches!(refused, Err(AccessError::Invalid(Invalid::Name(..)))), "{bad:?}: {refused:?}");
        assert!(scene.access.create_api_key("ci", bad, "").await.is_err(), "{bad:?}");
    }
    let nothing = scene.access.update_account("ci", AccountUpdate::default()).await;
    assert!(matches!(nothing, Err(AccessError::Invalid(Invalid::Nothing))), "{nothing:?}");
    for unknown in ["nobody", "", "00000000-0000-0000-0000-000000000000"] {
        let refused = scene.access.account(unknown).await;
        assert!(matches!(refused, Err(AccessError::NotFound { .. })), "{refused:?}");
    }
    assert_eq!(scene.access.account(&made.key.account.to_string()).await.unwrap().name, "ci");
    assert_eq!(scene.access.api_key("ci", &made.key.id.to_string()).await.unwrap(), made.key);
    let other = scene.key("bot", Role::Viewer, Scope::ALL).await;
    let others = scene.access.api_key("ci", &other.key.id.to_string()).await;
    assert!(matches!(others, Err(AccessError::NotFound { .. })), "another account's: {others:?}");
}

#[tokio::test]
async fn a_damaged_role_lets_nobody_in() {
    let scene = Scene::new();
    let made = scene.key("ci", Role::Viewer, Scope::ALL).await;
    let change = crate::store::AccountChange { role: Some("root".into()), ..crate::store::AccountChange::default() };
    scene.store.change_account(made.key.account, change, made.key.created_at).await.unwrap();
    let refused = scene.bearer(text(&made)).await;
    assert!(matches!(refused, Err(AccessError::Store(_))), "{refused:?}");
}
