//! Components, looked at from outside.

use super::flows::component_error;
use super::{ComponentView, LocalService, ServiceError, SignatureView, SignerView};
use crate::engine::Engine;
use crate::ids::ComponentDigest;
use crate::signing::Verdict;

pub(super) async fn inspect(engine: &Engine, component: &[u8]) -> Result<ComponentView, ServiceError> {
    // Who may run it is another question: somebody has to be able to look first.
    let program = engine.look_at(component).await?;
    let signature = signature_view(engine.judge_signatures(component).await?);
    Ok(ComponentView {
        digest: program.digest().to_string(),
        size_bytes: program.size(),
        imports: program.imports().to_vec(),
        manifest: program.manifest().clone(),
        signature,
    })
}

fn signature_view(verdict: Verdict) -> SignatureView {
    let status = verdict.word().into();
    let signers = verdict.signers.into_iter().map(|signer| SignerView {
        key_id: signer.key.to_string(),
        trusted_comment: signer.trusted_comment,
        trusted: true,
    });
    SignatureView {
        status,
        signed_by: signers.collect(),
        unknown_keys: verdict.unknown.iter().map(ToString::to_string).collect(),
        problems: verdict.bad,
    }
}

/// Keeps a component that this host can run, with the signature that came with it.
pub(super) async fn put(
    service: &LocalService,
    bytes: Vec<u8>,
    signature: Option<String>,
) -> Result<ComponentView, ServiceError> {
    service.note_signature(&bytes, signature);
    service.engine().program(&bytes).await?;
    service.engine().keep_component(&bytes).await?;
    inspect(service.engine(), &bytes).await
}

/// A component that is kept here.
pub(super) async fn kept(engine: &Engine, digest: ComponentDigest) -> Result<ComponentView, ServiceError> {
    inspect(engine, &bytes(engine, digest).await?).await
}

/// Its bytes.
pub(super) async fn bytes(engine: &Engine, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError> {
    engine.store().get_component(digest).await.map_err(component_error)
}
