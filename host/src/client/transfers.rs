//! Components, archives and artifacts: bytes that go piece by piece, as far as whoever gives or takes them lets them.

use std::io::{Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use reqwest::Body;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::RemoteService;
use super::archive::Names;
use super::request::Ask;
use super::wire::{Failed, LARGEST};
use crate::engine::{EngineError, Imported, TransferError};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::service::verbs::{Artifact, ArtifactParams, Component, ComponentParams};
use crate::service::{ArtifactValueView, ComponentView, ServiceError};

/// So many identifiers fit into the address of a request.
const MOST_EXPORTED: usize = 1_000;
/// What is read of a file at a time.
const PIECE: usize = 64 * 1024;

impl RemoteService {
    /// Sends a component, with its signature if there is one.
    pub(super) async fn send_component(&self, bytes: Vec<u8>, signature: Option<String>) -> Result<ComponentView, ServiceError> {
        let mut ask = Ask::named("components.put", &[])?;
        ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/wasm"));
        if let Some(signature) = signature {
            // Base64 has no characters that a header has not.
            let value =
                HeaderValue::from_str(&BASE64.encode(signature)).map_err(|error| ServiceError::usage(error.to_string()))?;
            ask.headers.insert("kitaru-signature", value);
        }
        // It is named by what it is: sent twice, it is there once.
        (ask.body, ask.is_repeatable, ask.is_transfer) = (Some(Bytes::from(bytes)), true, true);
        self.json(&ask).await
    }

    /// What a component is. The server has it from then on.
    pub(super) async fn keep_component(&self, bytes: &[u8]) -> Result<ComponentView, ServiceError> {
        let digest = ComponentDigest::of(bytes).to_string();
        match self.call::<Component>(ComponentParams { digest }).await {
            Err(error) if error.is_missing() => self.send_component(bytes.to_vec(), None).await,
            known => known,
        }
    }

    /// The digest of a component that the server has from then on.
    pub(super) async fn kept(&self, component: Option<&[u8]>) -> Result<Option<String>, ServiceError> {
        match component {
            Some(bytes) => Ok(Some(self.keep_component(bytes).await?.digest)),
            None => Ok(None),
        }
    }

    /// The bytes of a component.
    pub(super) async fn content_of_component(&self, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError> {
        let mut ask = Ask::named("components.content", &[("digest", &digest.to_string())])?;
        ask.is_transfer = true;
        let (_, bytes) = self.wire.fetch(&ask).await?;
        if ComponentDigest::of(&bytes) == digest {
            return Ok(bytes);
        }
        Err(ServiceError::state(format!("what the server at {} gave is not component {digest}", self.address())))
    }

    /// An artifact with its value, and as it is stored.
    pub(super) async fn artifact_as_stored(&self, artifact_id: &str) -> Result<ArtifactValueView, ServiceError> {
        let mut found = self.call::<Artifact>(ArtifactParams { artifact: artifact_id.to_owned() }).await?;
        let text = found.value.as_str().filter(|_| found.value_format == "base64");
        let decoded = text.map(|text| BASE64.decode(text));
        found.bytes = match decoded {
            Some(Ok(bytes)) => bytes,
            // JSON can be written in several ways.
            _ => self.content_of_artifact(&found.artifact.artifact_id).await?,
        };
        Ok(found)
    }

    async fn content_of_artifact(&self, artifact_id: &str) -> Result<Vec<u8>, ServiceError> {
        let ask = Ask::named("artifacts.content", &[("artifact", artifact_id)])?;
        Ok(self.wire.fetch(&ask).await?.1)
    }

    /// Writes an artifact as it is stored, piece by piece, and tells how many bytes it has.
    ///
    /// # Errors
    /// When there is no such artifact, or `out` cannot be written.
    pub async fn download_artifact(&self, artifact_id: &str, out: &mut (dyn Write + Send)) -> Result<u64, ServiceError> {
        let ask = Ask::named("artifacts.content", &[("artifact", artifact_id)])?;
        self.download(&ask, out, |_| {}).await
    }

    /// Writes an archive of executions, and tells which it has.
    pub(super) async fn download_archive(
        &self,
        ids: &[ExecutionId],
        out: &mut (dyn Write + Send),
    ) -> Result<Vec<ExecutionId>, ServiceError> {
        if ids.len() > MOST_EXPORTED {
            let message =
                format!("{} executions are named, and {MOST_EXPORTED} are the most in one export of a server", ids.len());
            return Err(ServiceError::usage(message));
        }
        let mut ask = Ask::named("executions.export", &[])?;
        for id in ids {
            ask = ask.with("execution", &id.to_string());
        }
        ask.is_transfer = true;
        let mut names = Names::default();
        self.download(&ask, out, |piece| names.take(piece)).await?;
        names.executions().ok_or_else(|| {
            let why = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it ends before its end");
            EngineError::from(TransferError::Archive(why)).into()
        })
    }

    async fn download(
        &self,
        ask: &Ask,
        out: &mut (dyn Write + Send),
        mut look: impl FnMut(&[u8]) + Send,
    ) -> Result<u64, ServiceError> {
        let mut answer = self.wire.open(ask).await?;
        let mut length = 0;
        // What was written is written: from here on nothing is asked for again.
        while let Some(piece) = answer.piece().await.map_err(|failed| failed.error)? {
            look(&piece);
            length += piece.len() as u64;
            out.write_all(&piece).map_err(broken)?;
        }
        out.flush().map_err(broken)?;
        Ok(length)
    }

    /// Sends an archive as it is read.
    pub(super) async fn upload_archive(&self, archive: &mut (dyn Read + Send), trusted: bool) -> Result<Imported, ServiceError> {
        let mut ask = Ask::named("executions.import", &[])?.with("trusted", if trusted { "true" } else { "false" });
        ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        ask.is_transfer = true;
        let (sender, pieces) = mpsc::channel(2);
        let sending = self.wire.send(&ask, Some(Body::wrap(Pieces(pieces))));
        tokio::pin!(sending);
        let answered = tokio::select! {
            // Whoever refuses it does not wait for its end.
            answered = &mut sending => answered,
            fed = feed(archive, sender) => {
                fed.map_err(broken)?;
                sending.await
            }
        };
        let whole = match answered {
            Ok(answer) => answer.whole(LARGEST).await,
            Err(failed) => Err(failed),
        };
        let body = whole.map_err(|Failed { error, .. }| error)?;
        let imported: ImportedView = self.read(&ask, &body)?;
        let ids = |texts: Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Ok(Imported { executions: ids(imported.executions), known: ids(imported.known), narrowed: ids(imported.narrowed) })
    }
}

#[derive(Deserialize)]
struct ImportedView {
    executions: Vec<String>,
    known: Vec<String>,
    narrowed: Vec<String>,
}

fn broken(error: std::io::Error) -> ServiceError {
    EngineError::from(TransferError::Archive(error)).into()
}

/// Hands on what is read, as fast as it is taken. A body that is not read to its end is cut off, and no shorter archive.
async fn feed(
    archive: &mut (dyn Read + Send),
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> Result<(), std::io::Error> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = match archive.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let told = std::io::Error::new(error.kind(), error.to_string());
                // Nobody takes it any more: then there is nothing to cut off.
                let _ = sender.send(Err(told)).await;
                return Err(error);
            }
        };
        let read = Bytes::copy_from_slice(piece.get(..count).unwrap_or_default());
        if sender.send(Ok(read)).await.is_err() {
            // Whoever took it has stopped, and says why.
            return Ok(());
        }
    }
}

/// A body that somebody else makes.
struct Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
