//! Components, artifacts and archives on their way.

use kitaru_host::engine::DriveOptions;
use kitaru_host::service::{ArtifactQuery, JournalQuery, ReplayCommand, Service as _};
use kitaru_tests::{Host, Served, fixture};
use serde_json::json;

use super::{admin, ran, sent, to, told};

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_and_go_as_they_are() {
    let (host, other) = (Host::new(), Host::new());
    let (_served, remote, _) = admin(&host);
    let (_elsewhere, elsewhere, _) = admin(&other);
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let inspected = remote.inspect(&bytes).await.unwrap();
    assert_eq!(inspected.digest, sent(&remote).await, "what is only looked at is kept, and once");
    let digest = inspected.digest.parse().unwrap();
    assert_eq!(remote.component_bytes(digest).await.unwrap(), bytes);
    assert!(elsewhere.component_bytes(digest).await.is_err(), "nobody has sent it there");

    let id = ran(&remote, &inspected.digest, "save_kinds", &json!({ "blob_bytes": 100_000 })).await;
    for one in remote.artifacts(id, &ArtifactQuery::default()).await.unwrap() {
        let whole = remote.artifact(&one.artifact_id).await.unwrap();
        let mut written = Vec::new();
        let length = remote.download_artifact(&one.artifact_id, &mut written).await.unwrap();
        assert_eq!((length, &written), (whole.bytes.len() as u64, &whole.bytes), "{one:?}");
        assert_eq!(json!(length), one.metadata["size_bytes"]);
    }

    let order = ReplayCommand { from: Some("saves_kinds".into()), ..ReplayCommand::default() };
    let replay = remote.replay(id, order).await.unwrap();
    remote.drive(replay, DriveOptions::default()).await.unwrap();
    let mut archive = Vec::new();
    let exported = remote.export(&[replay], &mut archive).await.unwrap();
    assert_eq!(exported, [replay, id], "what a replay needs goes with it");
    let imported = elsewhere.import(&mut archive.as_slice(), false).await.unwrap();
    assert_eq!(imported.executions.len(), exported.len());
    let again = elsewhere.import(&mut archive.as_slice(), true).await.unwrap();
    assert_eq!((again.executions.len(), again.known.len()), (0, exported.len()));
    let all = JournalQuery::default();
    assert_eq!(elsewhere.journal(id, all).await.unwrap().len(), remote.journal(id, all).await.unwrap().len());
    let refused = elsewhere.import(&mut &archive[..archive.len() / 2], false).await.unwrap_err();
    assert_eq!(refused.class(), "KitaruUsageError", "{refused}");
    let broken = elsewhere.import(&mut Broken, false).await.unwrap_err();
    assert!(told(&broken)["causes"].to_string().contains("a bad disk"), "{broken:?}");

    let viewer = to(_elsewhere.address, &Served::key(&other, "eyes", "viewer", &[]));
    let refused = viewer.import(&mut archive.as_slice(), false).await.unwrap_err();
    assert_eq!(refused.class(), "KitaruAuthorizationError");
}

/// A file that cannot be read.
struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("a bad disk"))
    }
}
