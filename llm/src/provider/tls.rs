//! TLS: rustls with ring, and the certificates that the system trusts.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::transport::TransportSetupError;

/// TLS as model calls have it, for requests that are none: one set of algorithms, and the certificates that the system trusts.
///
/// # Errors
///
/// [`TransportSetupError`] if TLS cannot be used.
pub fn tls_config() -> Result<ClientConfig, TransportSetupError> {
    config(&[]).map_err(|reason| TransportSetupError { reason })
}

/// Certificates, as DER, of a text in PEM.
pub(super) fn in_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).map(|one| one.map(|one| one.to_vec())).collect();
    let read = read.map_err(|error| error.to_string())?;
    if read.is_empty() && !text.is_empty() { Err("there is no certificate in it".into()) } else { Ok(read) }
}

/// The client's side of TLS. `extra` are certificates as DER.
pub(super) fn config(extra: &[Vec<u8>]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let roots: Vec<CertificateDer<'static>> = extra.iter().cloned().map(CertificateDer::from).collect();
    match Verifier::new_with_extra_roots(roots, provider) {
        Ok(verifier) => Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()),
        // A machine without any certificates can still talk to a model of its own; every other connection then fails and says why.
        Err(_) if extra.is_empty() => Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
        Err(error) => Err(error.to_string()),
    }
}
