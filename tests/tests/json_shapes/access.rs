//! What the commands about access answer.

use kitaru_tests::{Host, Served};

use super::golden::{answer, check};

#[test]
fn whoever_asks_for_access_keeps_its_shapes() {
    let host = Host::new();
    let auth = |words: &[&str]| answer(&host.json([&["auth"], words].concat()));
    check("auth.whoami", &[("owner", auth(&["whoami"]))]);
    let token = |rest: &[&str]| auth(&[&["token"], rest].concat());
    check("auth.token", &[("made", token(&["--flow", "hello"])), ("too long", token(&["--seconds", "100000"]))]);
    let (noted, none) = (auth(&["audit"]), auth(&["audit", "--who", "nobody"]));
    let _ = auth(&["token"]);
    let page = auth(&["audit", "--limit", "1"]);
    check("auth.audit", &[("noted", noted), ("none", none), ("page", page), ("no page", auth(&["audit", "--limit", "0"]))]);
}

#[test]
fn service_accounts_keep_their_shapes() {
    let host = Host::new();
    let accounts = |verb: &str, rest: &[&str]| answer(&host.json([&["auth", "service-accounts", verb], rest].concat()));
    let none = accounts("list", &[]);
    check(
        "auth.service-accounts.create",
        &[
            ("created", accounts("create", &["ci", "--role", "author", "--flow", "hello"])),
            ("taken", accounts("create", &["ci"])),
            ("no name", accounts("create", &["owner"])),
        ],
    );
    check("auth.service-accounts.list", &[("some", accounts("list", &[])), ("none", none)]);
    check("auth.service-accounts.show", &[("shown", accounts("show", &["ci"])), ("unknown", accounts("show", &["nobody"]))]);
    check(
        "auth.service-accounts.update",
        &[("updated", accounts("update", &["ci", "--all-flows"])), ("nothing", accounts("update", &["ci"]))],
    );
    check("auth.service-accounts.delete", &[("deleted", accounts("delete", &["ci"])), ("unknown", accounts("delete", &["ci"]))]);
}

#[test]
fn api_keys_keep_their_shapes() {
    let host = Host::new();
    let _ = host.item(["auth", "service-accounts", "create", "ci"]);
    let keys = |verb: &str, rest: &[&str]| answer(&host.json([&["auth", "api-keys", verb, "ci"], rest].concat()));
    let none = keys("list", &[]);
    check("auth.api-keys.create", &[("created", keys("create", &["first"])), ("taken", keys("create", &["first"]))]);
    check("auth.api-keys.list", &[("some", keys("list", &[])), ("none", none)]);
    check("auth.api-keys.show", &[("shown", keys("show", &["first"])), ("unknown", keys("show", &["second"]))]);
    check(
        "auth.api-keys.update",
        &[("updated", keys("update", &["first", "--no-active"])), ("nothing", keys("update", &["first"]))],
    );
    let rotate = |minutes: &str| keys("rotate", &["first", "--retain-minutes", minutes]);
    check("auth.api-keys.rotate", &[("rotated", rotate("60")), ("too long", rotate("100000"))]);
    check("auth.api-keys.delete", &[("deleted", keys("delete", &["first"])), ("unknown", keys("delete", &["first"]))]);
}

#[test]
fn logging_in_and_out_keeps_its_shapes() {
    let host = Host::new();
    let served = Served::start(&host);
    let (key, url) = (Served::key(&host, "ci", "viewer", &[]), format!("http://{}", served.address));
    let laptop = Host::new();
    let login = |key: &str| answer(&laptop.with_input(["login", &url, "--key-stdin"], key));
    check("login", &[("logged in", login(&key)), ("no key", login(""))]);
    let logout = || answer(&laptop.json(["logout"]));
    check("logout", &[("logged out", logout()), ("nobody", logout())]);
}
