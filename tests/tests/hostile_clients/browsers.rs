//! Pages of others, in the browser of somebody who is logged in.

use super::*;

/// The owner's browser, without what its own page adds.
fn logged_in(served: &Served) -> (Asking, String) {
    let page = served.nobody().with("Origin", &format!("http://{}", served.address)).with("Sec-Fetch-Site", "same-origin");
    let entered = page.post(&format!("{API}/session"), &json!({ "code": served.login_code }));
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let token = text(&page.with("Cookie", &cookie).get(&format!("{API}/session")).expect(200)["csrf_token"]);
    (served.nobody().with("Cookie", &cookie), token)
}

#[test]
fn no_other_page_changes_anything_in_a_browsers_name() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let (browser, token) = logged_in(&served);
    let own = format!("http://{}", served.address);
    let forged = [
        // Without a token, from wherever it says.
        browser.clone(),
        browser.clone().with("Origin", &own),
        browser.clone().with("Origin", &own).with("X-Kitaru-CSRF", "AAAA"),
        // With the token even, from elsewhere.
        browser.clone().with("Origin", "http://evil.example").with("X-Kitaru-CSRF", &token),
        browser.clone().with("Origin", "null").with("X-Kitaru-CSRF", &token),
        browser.clone().with("Origin", &format!("{own}.evil.example")).with("X-Kitaru-CSRF", &token),
        browser.clone().with("Sec-Fetch-Site", "cross-site").with("X-Kitaru-CSRF", &token),
        browser.clone().with("Origin", &own).with("Sec-Fetch-Site", "same-site").with("X-Kitaru-CSRF", &token),
    ];
    let routes = routes(&admin);
    // The owner's requests are counted together.
    let changing: Vec<&Route> = routes.iter().filter(|route| route.method != "GET").take(24).collect();
    assert!(changing.len() == 24);
    for asking in &forged {
        for route in &changing {
            let path = route.at(|_| "x".into());
            let refused = until("an answer", || Some(sent(asking, &route.method, &path)).filter(|answer| answer.status != 429));
            assert_eq!(refused.status, 403, "{} {path} {asking:?}", route.method);
        }
    }
    // What a form can send, and what asks for another method than it has.
    let tokens = format!("{API}/tokens");
    let page = browser.clone().with("Origin", &own).with("X-Kitaru-CSRF", &token);
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        assert_eq!(page.send("POST", &tokens, Some(media_type), b"{\"seconds\": 60}").status, 415, "{media_type}");
    }
    let made = page.clone().with("X-HTTP-Method-Override", "DELETE").get(&format!("{API}/session"));
    assert_eq!(made.status, 200);
    assert_eq!(browser.get(&format!("{API}/session")).status, 200, "it is still logged in");
    // Assistants come with what they say themselves.
    assert_eq!(page.post("/mcp", &json!({})).status, 401);
    still_serves(&admin);
}
