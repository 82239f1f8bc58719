//! Whoever answers in a server's place, or says that it is busy; and who it is that answers.

use std::path::PathBuf;
use std::time::Duration;

use kitaru_host::client::{ClientSettings, RemoteService};
use kitaru_host::config::ServerConnection;
use kitaru_host::service::{AccessVerbs as _, LogQuery, Service as _};
use kitaru_tests::web::Say;
use kitaru_tests::{Host, Served, Web};
use serde_json::json;

use super::lost::followed;
use super::{at, ran, sent, to, told};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_server_is_told_from_one() {
    const KEY: &str = "kh_0123456789abcdef_SECRET";
    let html = Say::text("<html>").with("Content-Type", "text/html");
    let echo = Say::Answer {
        status: 418,
        headers: vec![("Content-Type".into(), "application/problem+json".into())],
        body: json!({ "detail": KEY, "class": KEY, "causes": [KEY], "hint": KEY }).to_string().into_bytes(),
    };
    for (say, expected) in [
        (html, "is no kitaru-host"),
        (Say::status(404), "is no kitaru-host"),
        (Say::text("{}").with("Content-Type", "application/json"), "cannot be read"),
        (Say::redirect("http://127.0.0.1:1/elsewhere"), "sends elsewhere"),
        (Say::status(502), "cannot reach it"),
        (echo, "***"),
        (Say::text(json!(format!("Bearer {KEY}")).to_string()).with("Content-Type", "application/json"), "cannot be read"),
        (Say::Raw(b"SSH-2.0-x\r\n".to_vec()), "was lost"),
    ] {
        let web = Web::always(say.clone());
        let error = at(&web.url(""), KEY).who_am_i().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{say:?}: {error}");
        assert!(!format!("{error:?} {}", told(&error)).contains("SECRET"), "{say:?}: {error:?}");
        let once = matches!(say, Say::Answer { status, .. } if status != 502);
        assert_eq!(web.asked().len() == 1, once, "{say:?}: only what may pass is asked for again");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = to(free, KEY).who_am_i().await.unwrap_err();
    assert!(error.to_string().contains("cannot connect") && error.hint().is_some(), "{error}");
    let settings = ClientSettings { answer: Duration::from_millis(200), tries: 1, ..ClientSettings::default() };
    let silent = Web::always(Say::nothing());
    let connection = ServerConnection::new(&silent.url(""), KEY.to_owned().into()).unwrap();
    let error = RemoteService::new(connection, settings).unwrap().who_am_i().await.unwrap_err();
    assert!(error.to_string().contains("did not answer"), "{error}");
    assert!(ServerConnection::new("k.example/SECRET", KEY.to_owned().into()).is_err());
    let unusable = ServerConnection::new("http://127.0.0.1:1", "a\nb".to_owned().into()).unwrap();
    assert!(RemoteService::new(unusable, ClientSettings::default()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_when_it_says() {
    let busy = |status: u16| {
        let problem = json!({ "detail": "busy", "class": "KitaruRateLimitError", "causes": [] }).to_string().into_bytes();
        let headers = vec![("Content-Type".into(), "application/problem+json".into()), ("Retry-After".into(), "1".into())];
        Say::Answer { status, headers, body: problem }
    };
    for (status, posts) in [(429, 2), (503, 1)] {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let web = Web::new(move |_| {
            let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst).is_multiple_of(2);
            if is_first { busy(status) } else { Say::text("{\"items\":[],\"count\":0}").with("Content-Type", "application/json") }
        });
        let remote = at(&web.url(""), "kh_x");
        let began = std::time::Instant::now();
        assert!(remote.secrets().await.unwrap().is_empty());
        assert!(began.elapsed() >= Duration::from_secs(1), "it waits as long as it is told");
        let id = "01234567-89ab-7def-8123-456789abcdef".parse().unwrap();
        let _ = remote.cancel(id).await;
        let asked = web.asked().iter().filter(|asked| asked.method == "POST").count();
        assert_eq!(asked, posts, "{status}: what was not carried out is sent again, what may have been is not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_its_own_is_trusted_by_a_file() {
    let host = Host::new();
    let tls = |name: &str| kitaru_tests::repository().join("tests/src/tls").join(name).to_str().unwrap().to_owned();
    let (certificate, private) = (tls("localhost.pem"), tls("localhost.key"));
    let copied = host.file("localhost.key", std::fs::read(private).unwrap());
    #[cfg(unix)]
    std::fs::set_permissions(&copied, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let served = Served::start_at(&host, "127.0.0.1:0", &["--tls-certificate", &certificate, "--tls-key", &copied]);
    let key = Served::key(&host, "root", "admin", &[]);
    let url = format!("https://localhost:{}", served.address.port());
    let with = |authorities: Option<PathBuf>| {
        let settings = ClientSettings { authorities, ..ClientSettings::default() };
        RemoteService::new(ServerConnection::new(&url, key.clone().into()).unwrap(), settings)
    };
    let trusting = with(Some(Web::authority())).unwrap();
    assert_eq!(trusting.who_am_i().await.unwrap().who, "root");
    let component = sent(&trusting).await;
    let id = ran(&trusting, &component, "log_lines", &json!({})).await;
    assert!(followed(trusting.follow(id, &LogQuery::default()).await.unwrap()).await.len() > 3);
    let refused = with(None).unwrap().who_am_i().await.unwrap_err();
    assert!(refused.to_string().contains("does not show who it is"), "{refused}");
    assert!(refused.hint().unwrap().contains("KITARU_CA_FILE"));
    assert!(with(Some("/no/such/file".into())).unwrap_err().to_string().contains("/no/such/file"));
    let no_certificate = host.file("empty.pem", "no certificate");
    assert!(with(Some(no_certificate.into())).is_err());
    let plain = at(&format!("http://127.0.0.1:{}", served.address.port()), &key);
    assert!(plain.who_am_i().await.is_err());
}
