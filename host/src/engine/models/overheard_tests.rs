use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::*;
use crate::clock::SystemClock;
use crate::engine::models::chunk::Said;
use crate::engine::models::kept::Which;
use crate::engine::models::live::{Live, LiveCall};
use crate::engine::models::relay;
use crate::ids::CallId;

/// Somebody who speaks in one process, and the folder in which others listen.
struct Scene {
    folder: TempDir,
    live: Live,
    execution: ExecutionId,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), live: Live::default(), execution: SystemIds.execution() }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("live")
    }

    /// A call that is handed on.
    fn call(&self, index: u32) -> LiveCall {
        let call = CallId { execution: self.execution, index };
        let call = self.live.begin(&SystemClock, Which { call, attempt: 1, ordinal: 0 }, "story");
        call.hand_on(&SystemClock, self.root());
        call
    }

    async fn listen(&self) -> Overheard {
        Overheard::listen(self.root(), self.execution, "other".into()).await.unwrap()
    }

    fn listeners(&self) -> usize {
        fs::read_dir(self.root()).map(Iterator::count).unwrap_or_default()
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Text until so many pieces have come.
async fn hear(overheard: &mut Overheard, pieces: u64) -> String {
    let (mut heard, mut next) = (String::new(), 0);
    while next < pieces {
        let chunk = until("more of the text", async || overheard.next().await.unwrap()).await;
        let Said::Text(text) = chunk.said else { panic!("no text: {chunk:?}") };
        assert_eq!(chunk.piece, next, "no gap, and nothing twice");
        heard.push_str(&text);
        next += chunk.pieces;
    }
    heard
}

#[tokio::test]
async fn what_is_said_is_heard_in_another_process_from_its_beginning() {
    let scene = Scene::new();
    let mut early = scene.listen().await;
    let mut call = scene.call(3);
    call.text("One ".into());
    assert_eq!(hear(&mut early, 1).await, "One ");
    call.text("and two.".into());
    let mut late = scene.listen().await;
    assert_eq!(hear(&mut late, 2).await, "One and two.");
    drop(call);
    let mut another = scene.call(4);
    another.text("Three.".into());
    for mut overheard in [early, late] {
        let all = until("the other call", async || {
            let chunk = overheard.next().await.unwrap()?;
            Some(chunk).filter(|chunk| chunk.call.index == 4)
        });
        assert_eq!((all.await.said, scene.execution), (Said::Text("Three.".into()), scene.execution));
    }
    drop(another);
    assert!(!scene.root().exists(), "nothing is left of those who listened");
    until("the end of handing on", async || (!scene.live.knows(scene.execution)).then_some(())).await;
}

/// What is said in this process is known here.
#[tokio::test]
async fn a_process_does_not_overhear_itself() {
    let scene = Scene::new();
    let mut call = scene.call(0);
    let text = scene.live.watch(&SystemClock, scene.execution, None);
    let mut own = Overheard::listen(scene.root(), scene.execution, text.process().to_owned()).await.unwrap();
    let mut other = scene.listen().await;
    call.text("One.".into());
    assert_eq!(hear(&mut other, 1).await, "One.");
    assert_eq!(own.next().await.unwrap(), None);
}

/// Whoever reads nothing for a while has the rest then; until that, little is on the disk.
#[tokio::test]
async fn a_listener_that_is_slow_costs_little() {
    let scene = Scene::new();
    let mut call = scene.call(0);
    let mut slow = scene.listen().await;
    call.text("0 ".into());
    assert_eq!(hear(&mut slow, 1).await, "0 ");
    let piece = "x".repeat(64 * 1024);
    for _ in 0..200 {
        call.text(piece.clone());
        sleep(Duration::from_millis(1)).await;
    }
    let folder = lock(&slow.0).folder.clone();
    let size = || fs::read_dir(&folder).unwrap().flatten().map(|file| file.metadata().unwrap().len()).sum::<u64>();
    sleep(Duration::from_millis(300)).await;
    assert!(size() < 4 * 1024 * 1024, "{}", size());
    let last = until("the last of it", async || {
        let chunk = slow.next().await.unwrap()?;
        Some(chunk).filter(|chunk| chunk.piece + chunk.pieces == 201)
    });
    last.await;
    assert!(size() < 1024 * 1024, "what was read is gone: {}", size());
}

#[tokio::test]
async fn what_a_dead_listener_left_is_removed() {
    let scene = Scene::new();
    let dead = scene.root().join(folder_name(scene.execution, "dead", "1"));
    fs::create_dir_all(&dead).unwrap();
    fs::write(dead.join(LOCK), "").unwrap();
    let mut call = scene.call(0);
    call.text("One.".into());
    until("the end of what was left", async || (scene.listeners() == 0).then_some(())).await;
    let mut living = scene.listen().await;
    assert_eq!(hear(&mut living, 1).await, "One.");
    assert_eq!(scene.listeners(), 1);
}

#[tokio::test]
async fn nothing_is_written_where_nobody_listens() {
    let scene = Scene::new();
    let mut call = scene.call(0);
    call.text("One.".into());
    // Twice as long as it takes to look for somebody.
    sleep(relay::LOOKS * 2).await;
    assert!(!scene.root().exists());
}

#[tokio::test]
async fn what_a_dead_listener_left_goes_when_the_next_one_comes() {
    let scene = Scene::new();
    let left = scene.root().join("left");
    fs::create_dir_all(&left).unwrap();
    File::create(left.join(LOCK)).unwrap();
    fs::write(left.join("0"), "what was said\n").unwrap();
    let (_one, _other) = (scene.listen().await, scene.listen().await);
    assert!(!left.exists());
    assert_eq!(scene.listeners(), 2, "those who live stay");
}
