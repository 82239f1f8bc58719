//! Components, looked at from outside.

use super::{ComponentView, ServiceError, SignatureView, SignerView};
use crate::engine::Engine;
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
    let status = verdict.word();
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
