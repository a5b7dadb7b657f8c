//! The certificate of the server. It can be replaced while the server runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

use crate::error;
use crate::os::mutex::lock;
use crate::time::Timestamp;

/// A warning is logged when the certificate expires in fewer days than this.
const WARN_BELOW: u64 = 14;

const DAY: u64 = 86_400;

/// A certificate with its key and its expiry.
#[derive(Clone, Debug)]
pub(crate) struct CertificatePair {
    certified: Arc<CertifiedKey>,
    /// When the certificate expires.
    pub(crate) not_after: Timestamp,
}

impl CertificatePair {
    /// Reads a certificate and its key. An error with status 2 if the files do not match or cannot
    /// be read, or if the certificate has expired.
    pub(crate) fn read(cert: &Path, key: &Path, now: Timestamp) -> anyhow::Result<CertificatePair> {
        let chain = certificates(cert)?;
        let place = || cert.display().to_string();
        let first = chain.first().ok_or_else(|| {
            error::usage(format!("{}: it contains no certificate", cert.display()))
        })?;
        let not_after = end_of(first).with_context(place)?;
        if not_after <= now {
            let text = format!("the certificate has expired at {}", not_after.rfc3339());
            return Err(error::usage(text)).with_context(place);
        }
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|e| error::usage(format!("{}: {e}", key.display())))?;
        let provider = ring::default_provider();
        let certified = CertifiedKey::from_der(chain, private, &provider)
            .map_err(|e| error::usage(format!("{} and {}: {e}", cert.display(), key.display())))?;
        Ok(CertificatePair {
            certified: Arc::new(certified),
            not_after,
        })
    }

    /// The number of whole days until the certificate expires.
    pub(crate) fn days_left(&self, now: Timestamp) -> u64 {
        self.not_after.since(now).as_secs() / DAY
    }
}

/// All certificates in a file.
pub(crate) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let unreadable = |e: &dyn fmt::Display| error::usage(format!("{}: {e}", path.display()));
    let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))?;
    let all = all.map(|one| one.map_err(|e| unreadable(&e)));
    all.collect()
}

/// When the certificate expires. The TLS library is asked whether the certificate is valid at the
/// end of time, and its error contains the expiry. A parser of certificates would need 19 more
/// crates.
fn end_of(certificate: &CertificateDer<'_>) -> anyhow::Result<Timestamp> {
    let end_of_time = UnixTime::since_unix_epoch(Duration::MAX);
    let verified = ParsedCertificate::try_from(certificate).and_then(|parsed| {
        let nobody = RootCertStore::empty();
        verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], end_of_time, &[])
    });
    let reason = match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            let millis = not_after.as_secs().saturating_mul(1000);
            return Ok(Timestamp::from_millis(i64::try_from(millis)?));
        }
        Err(Error::InvalidCertificate(reason)) => reason.to_string(),
        Err(e) => e.to_string(),
        Ok(()) => "it does not say when it expires".to_owned(),
    };
    let text = format!("the certificate cannot be read: {reason}");
    Err(error::usage(text))
}

/// The certificate for new connections.
pub(crate) struct CertificateExchange {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<CertificatePair>,
    complaint: Mutex<String>,
}

impl fmt::Debug for CertificateExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateExchange({})", self.cert.display())
    }
}

impl CertificateExchange {
    /// Reads the certificate and its key when the server starts. An error with status 2 if they are
    /// invalid.
    pub(crate) fn open(
        cert: &Path,
        key: &Path,
        now: Timestamp,
    ) -> anyhow::Result<CertificateExchange> {
        let exchange = CertificateExchange {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current: Mutex::new(CertificatePair::read(cert, key, now)?),
            complaint: Mutex::default(),
        };
        exchange.complain(now, None);
        Ok(exchange)
    }

    /// Reads the files again. If they are invalid, the old certificate stays and the reason is
    /// logged.
    pub(crate) fn reload(&self, now: Timestamp) {
        match CertificatePair::read(&self.cert, &self.key, now) {
            Err(e) => self.complain(now, Some(&e)),
            Ok(pair) => {
                let mut current = lock(&self.current);
                if current.certified.cert != pair.certified.cert {
                    log::info!(
                        "a new certificate is in use, valid until {}",
                        pair.not_after.rfc3339()
                    );
                    *current = pair;
                }
                drop(current);
                self.complain(now, None);
            }
        }
    }

    /// Logs the current problem, unless it is the same as after the last reading of the files.
    fn complain(&self, now: Timestamp, error: Option<&anyhow::Error>) {
        let days = lock(&self.current).days_left(now);
        let complaint = match error {
            Some(e) => format!("{e:#}; the old certificate stays in use, valid for {days} days"),
            None if days < WARN_BELOW => {
                format!("the certificate expires in {days} days")
            }
            None => String::new(),
        };
        let mut last = lock(&self.complaint);
        if !complaint.is_empty() && *last != complaint {
            log::warn!("{complaint}");
        }
        *last = complaint;
    }

    /// When the current certificate expires.
    pub(crate) fn not_after(&self) -> Timestamp {
        lock(&self.current).not_after
    }
}

impl ResolvesServerCert for CertificateExchange {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&lock(&self.current).certified))
    }
}
