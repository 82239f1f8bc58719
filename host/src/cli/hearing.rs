//! What models say to an execution that is driven in the foreground: shown beside what runs, and needed by nobody.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::LiveChunk;
use crate::ids::ExecutionId;
use crate::service::{ChunkFollow, Service};

/// Chunks that wait to be shown.
const AHEAD: usize = 16;

/// Somebody who hears what models say, as long as this is there.
pub(super) struct Hearing {
    heard: mpsc::Receiver<LiveChunk>,
    _listening: JoinSet<()>,
}

impl Hearing {
    /// Listens to an execution if that is `wanted`. Where it cannot be, nothing is heard.
    pub(super) async fn of(service: &dyn Service, id: ExecutionId, wanted: bool) -> Self {
        let (sender, heard) = mpsc::channel(AHEAD);
        let mut listening = JoinSet::new();
        if wanted {
            match service.follow_chunks(id).await {
                Ok(chunks) => drop(listening.spawn(hear(chunks, sender))),
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "what models say is not heard"),
            }
        }
        Self { heard, _listening: listening }
    }

    /// What is said next. It never comes where nobody speaks any more.
    pub(super) async fn next(&mut self) -> LiveChunk {
        match self.heard.recv().await {
            Some(chunk) => chunk,
            None => std::future::pending().await,
        }
    }
}

async fn hear(mut chunks: ChunkFollow, sender: mpsc::Sender<LiveChunk>) {
    loop {
        let is_told = match chunks.next().await {
            Ok(Some(chunk)) => sender.send(chunk).await.is_ok(),
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "what models say is not heard any more");
                false
            }
        };
        if !is_told {
            return;
        }
    }
}
