//! The flags of `ocp-receive serve` and `check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_rustls::TlsAcceptor;

use crate::cli::args::parse_size;
use crate::cli::named_files::NamedFiles;
use crate::error;
use crate::lake::layout::Codec;
use crate::os::files;
use crate::receive::access::networks::Network;
use crate::receive::publisher::Emit;
use crate::receive::server::certificate::CertificateExchange;
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::listen::ListenAddress;
use crate::receive::server::tls::{self, ClientCertificates};
use crate::time::{Timestamp, parse_duration, parse_positive_duration};

#[derive(clap::Args, Debug)]
pub(super) struct ServeArgs {
    /// Listen at ADDRESS:PORT, or at a socket that systemd passes on (fd:3). May be
    /// repeated.
    #[arg(long, value_name = "WHERE", required = true)]
    pub(super) listen: Vec<ListenAddress>,

    /// Keep everything in DIR, which must be on one file system: receive.db, token.keys, keys/,
    /// lake/, recordings/, quarantine/.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: PathBuf,

    /// The file with the clients that may push. The file is read again when it changes, and on
    /// SIGHUP.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub(super) clients: PathBuf,

    /// The file with the certificate and its chain, in PEM. The file is read again every 60 s, and
    /// on SIGHUP.
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        required_unless_present = "plain",
        help_heading = "TLS"
    )]
    pub(super) cert: Option<PathBuf>,

    /// The file with the private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub(super) key: Option<PathBuf>,

    /// Speak HTTP without TLS, behind a proxy on this machine: --listen must be a loopback address.
    #[arg(long, conflicts_with_all = ["cert", "key", "client_ca"], help_heading = "TLS")]
    pub(super) plain: bool,

    /// Accept client certificates that an authority in FILE has signed.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) client_ca: Option<PathBuf>,

    /// Whether a client needs a certificate.
    #[arg(
        long,
        value_name = "NEED",
        default_value = "required",
        requires = "client_ca",
        help_heading = "TLS"
    )]
    pub(super) mtls: ClientCertificates,

    /// Only these addresses may connect. With --plain, the last address in X-Forwarded-For counts.
    /// May be repeated. [default: all]
    #[arg(long, value_name = "CIDR", help_heading = "Access")]
    pub(super) allow: Vec<Network>,

    /// How long a token is valid: 5m to 24h.
    #[arg(long, value_name = "DUR", default_value = "1h", value_parser = token_ttl, help_heading = "Access")]
    pub(super) token_ttl: Duration,

    /// The path of the token endpoint.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/oauth2/token",
        value_parser = path,
        help_heading = "Access"
    )]
    pub(super) token_path: String,

    /// The first part of the callback paths: a push goes to PATH/GROUP/TYPE.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/push",
        value_parser = path,
        help_heading = "Access"
    )]
    pub(super) push_prefix: String,

    /// Publish the received records to the lake every DUR.
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_positive_duration, help_heading = "Publishing")]
    pub(super) publish_every: Duration,

    /// Compress the files of the lake; their names then end with .zst.
    #[arg(long, value_name = "CODEC", help_heading = "Publishing")]
    pub(super) compress: Option<Codec>,

    /// Recognise a record that is pushed again up to DUR after the time in the record.
    #[arg(long, value_name = "DUR", default_value = "62d", value_parser = parse_positive_duration, help_heading = "Publishing")]
    pub(super) dedupe_keep: Duration,

    /// What to print after publishing: a line about each file, the records themselves, or nothing.
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value = "files",
        help_heading = "Publishing"
    )]
    pub(super) emit: Emit,

    /// Warn when a path that has had pushes gets no push for DUR.
    #[arg(long, value_name = "DUR", default_value = "30m", value_parser = parse_positive_duration, help_heading = "Publishing")]
    pub(super) silence: Duration,

    /// The largest size of a JSON body.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size, help_heading = "Limits")]
    pub(super) max_push: u64,

    /// The largest size of a recording.
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = parse_size, help_heading = "Limits")]
    pub(super) max_recording: u64,

    /// The most connections at the same time. At most 256 of them may be without a valid token.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1024,
        help_heading = "Limits"
    )]
    pub(super) max_connections: usize,

    /// The largest total size of the pushes that wait to be written to disk.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size, help_heading = "Limits")]
    pub(super) queue: u64,

    /// The largest total size of the JSON bodies that are being received at the same time.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size, help_heading = "Limits")]
    pub(super) in_flight: u64,

    /// Answer 503 when less than SIZE is free on the disk. SIZE is a size such as 1G, or a part of
    /// the disk such as 5%.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = least_free, help_heading = "Limits")]
    pub(super) min_free: LeastFree,

    /// The HTTP status of the reply to a push for which there is no room, for example because of
    /// --queue or --in-flight.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 429,
        value_parser = clap::value_parser!(u16).range(400..=599),
        help_heading = "Limits"
    )]
    pub(super) overload_status: u16,

    /// After SIGTERM, report "not ready" for DUR before closing connections.
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = parse_duration, help_heading = "Operation")]
    pub(super) drain: Duration,

    /// Serve pages for operators at this address, in plain HTTP: /healthz /readyz /metrics
    /// /v1/usage /v1/coverage, and a page at /.
    #[arg(long, value_name = "WHERE", help_heading = "Operation")]
    pub(super) admin: Option<ListenAddress>,
}

/// The space that must stay free on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeastFree {
    Bytes(u64),
    /// A share of the disk's size, in percent.
    Percent(u64),
}

impl LeastFree {
    /// The space in bytes. A share is a part of the disk of `directory`, which must exist.
    pub(super) fn bytes(self, directory: &Path) -> anyhow::Result<u64> {
        match self {
            LeastFree::Bytes(bytes) => Ok(bytes),
            LeastFree::Percent(percent) => {
                let place = || format!("reading the size of the disk of {}", directory.display());
                let size = files::disk_size(&directory.join(".")).with_context(place)?;
                Ok(size / 100 * percent)
            }
        }
    }
}

fn least_free(text: &str) -> Result<LeastFree, String> {
    let Some(number) = text.strip_suffix('%') else {
        return parse_size(text).map(LeastFree::Bytes);
    };
    match number.parse() {
        Ok(percent) if percent < 100 => Ok(LeastFree::Percent(percent)),
        _ => Err(format!(
            "'{text}' is not a share of a disk: use for example 5%"
        )),
    }
}

fn token_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text).map_err(|e| e.to_string())?;
    let (least, most) = (Duration::from_secs(300), Duration::from_secs(86_400));
    match (least..=most).contains(&ttl) {
        true => Ok(ttl),
        false => Err(format!("'{text}' is not between 5m and 24h")),
    }
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/')
        && text.len() > 1
        && !text.ends_with('/')
        && !text.contains(['%', '?', '#', ' '])
        && !text.contains("//");
    match is_path {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "'{text}' is not a path: begin it with /, for example /push"
        )),
    }
}

impl ServeArgs {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--clients", [&self.clients]);
        files.read("--cert", &self.cert);
        files.read("--key", &self.key);
        files.read("--client-ca", &self.client_ca);
    }

    /// The limits that flags set. An error with status 2 if the limits contradict each other.
    pub(super) fn limits(&self) -> anyhow::Result<ServerLimits> {
        if self.max_push > self.in_flight || self.max_push > self.queue {
            return Err(error::usage(
                "--max-push is more than --in-flight or --queue: such a push would never fit",
            ));
        }
        if self.in_flight > u64::from(u32::MAX) {
            return Err(error::usage("--in-flight: the maximum is 4G"));
        }
        let limits = ServerLimits::default();
        Ok(ServerLimits {
            max_push: self.max_push,
            max_recording: self.max_recording,
            connections: self.max_connections.max(1),
            in_flight: self.in_flight,
            overload_status: self.overload_status,
            ..limits
        })
    }

    /// TLS with its certificate; `None` with --plain. An error with status 2 if a file of --cert,
    /// --key or --client-ca cannot be used.
    pub(super) fn tls(
        &self,
        now: Timestamp,
    ) -> anyhow::Result<Option<(TlsAcceptor, Arc<CertificateExchange>)>> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Ok(None);
        };
        let exchange = Arc::new(CertificateExchange::open(cert, key, now)?);
        let client_ca = self.client_ca.as_deref().map(|file| (file, self.mtls));
        let acceptor = tls::acceptor(Arc::clone(&exchange), client_ca)?;
        Ok(Some((acceptor, exchange)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_free_is_a_size_or_a_part_of_the_disk() {
        assert_eq!(least_free("2G"), Ok(LeastFree::Bytes(2 << 30)));
        assert_eq!(least_free("5%"), Ok(LeastFree::Percent(5)));
        for wrong in ["%", "100%", "-1%", "5.5%", "5 %"] {
            assert!(least_free(wrong).is_err(), "{wrong}");
        }
        let size = files::disk_size(Path::new("./x")).unwrap();
        let part = LeastFree::Percent(5).bytes(Path::new(".")).unwrap();
        assert!(size > 0 && part.abs_diff(size / 20) < 100);
    }
}
