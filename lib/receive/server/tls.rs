//! TLS 1.2 and 1.3, with HTTP/1.1 as the only protocol.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::error;
use crate::receive::server::certificate::{self, CertificateExchange};

/// Whether a client needs a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientCertificates {
    /// A client may connect without a certificate. If it sends one, the certificate must be valid.
    Optional,
    /// A connection without a client certificate is refused.
    Required,
}

/// Accepts TLS connections with the certificate of `exchange`. With `client_ca`, a client may or
/// must show a certificate that an authority in this file has signed. An error with status 2 if the
/// file is invalid.
pub(crate) fn acceptor(
    exchange: Arc<CertificateExchange>,
    client_ca: Option<(&Path, ClientCertificates)>,
) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some((path, need)) => {
            let unusable = |e: String| error::usage(format!("{}: {e}", path.display()));
            let mut roots = RootCertStore::empty();
            for root in certificate::certificates(path)? {
                roots.add(root).map_err(|e| unusable(e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match need {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required => verifier,
            };
            let verifier = verifier.build().map_err(|e| unusable(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(exchange);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
