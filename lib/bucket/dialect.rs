//! The differences between Amazon's protocol, which most services use, and Google's.
//!
//! Google Cloud Storage knows Amazon's protocol, but ignores the conditions `If-Match` and
//! `If-None-Match` of a write. Google's own condition refers to the generation: a number that
//! changes with each write of an object. Google also refuses a request that has headers of both
//! protocols. So all requests to Google are in Google's own protocol:
//!
//! | | Amazon | Google |
//! |---|---|---|
//! | version of an object | `ETag` | `x-goog-generation` |
//! | condition of a write | `If-Match`, `If-None-Match: *` | `x-goog-if-generation-match`, 0 if the object must not exist |
//! | condition of a read | `If-Match` | the same header as for a write |
//! | names in a list | URL-encoded | not encoded |
//! | last request of an upload in parts | has the condition of a write | has no condition |
//! | content is verified by | `x-amz-checksum-sha256` | `x-goog-hash` with the MD5 |
//! | our metadata | `x-amz-meta-…` | `x-goog-meta-…` |
//! | signature | in the URL | in a header, because Google accepts no POST with a signed URL |
//!
//! MD5 and CRC32C are the checksums that Google verifies. MD5 is used here, because it needs only
//! one small crate.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::net::http::{Reply, Url};
use crate::os::digest;

/// The protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Amazon,
    Google,
}

/// The name of a header or a parameter, and its value.
pub(super) type HeaderLine = (&'static str, String);

impl Dialect {
    /// The protocol of the service at `endpoint`; `None` is Amazon's own service.
    pub(super) fn of(endpoint: Option<&Url>) -> Dialect {
        let host = endpoint.and_then(Url::host_str).unwrap_or_default();
        // Google Cloud Storage has several host names: for one region, for private networks, for
        // client certificates.
        let is_storage = |name: &str| name == "storage" || name.starts_with("storage-");
        let name = host.strip_suffix(".googleapis.com");
        match name.and_then(|name| name.split('.').next()) {
            Some(name) if is_storage(name) => Dialect::Google,
            _ => Dialect::Amazon,
        }
    }

    /// The version of the object in a reply.
    pub(super) fn version(self, reply: &Reply) -> Option<String> {
        let name = match self {
            Dialect::Amazon => "etag",
            Dialect::Google => "x-goog-generation",
        };
        let version = reply.header(name).map(str::to_owned);
        version.filter(|version| !version.is_empty())
    }

    /// A version that no object has.
    pub(super) fn no_version(self) -> &'static str {
        match self {
            Dialect::Amazon => "\"00000000000000000000000000000000\"",
            Dialect::Google => "1",
        }
    }

    /// The header with the condition that the object does not exist.
    pub(super) fn is_absent(self) -> HeaderLine {
        match self {
            Dialect::Amazon => ("If-None-Match", "*".to_owned()),
            Dialect::Google => ("x-goog-if-generation-match", "0".to_owned()),
        }
    }

    /// The header with the condition that the object has this version.
    pub(super) fn has_version(self, version: &str) -> HeaderLine {
        let name = match self {
            Dialect::Amazon => "If-Match",
            Dialect::Google => "x-goog-if-generation-match",
        };
        (name, version.to_owned())
    }

    /// Whether the last request of an upload in parts can have a condition. Google ignores a
    /// condition in the last request, and refuses a condition in the first request.
    pub(super) fn completes_on_condition(self) -> bool {
        self == Dialect::Amazon
    }

    /// The name of the header that gives a write an id. If the reply to the write is lost, the id
    /// that the object has shows whether this write was done.
    pub(super) fn write_id(self) -> &'static str {
        match self {
            Dialect::Amazon => "x-amz-meta-callpipe-write",
            Dialect::Google => "x-goog-meta-callpipe-write",
        }
    }

    /// The name of the header with the SHA-256 of the file from which an object was written, in
    /// hexadecimal.
    pub(super) fn file_sum(self) -> &'static str {
        match self {
            Dialect::Amazon => "x-amz-meta-callpipe-sha256",
            Dialect::Google => "x-goog-meta-callpipe-sha256",
        }
    }

    /// The parameter that asks for encoded names in a list. `None` for Google: the parser does not
    /// understand how Google's reply names the encoding, so we do not ask Google to encode names.
    pub(super) fn encoding_of_names(self) -> Option<HeaderLine> {
        match self {
            Dialect::Amazon => Some(("encoding-type", "url".to_owned())),
            Dialect::Google => None,
        }
    }

    /// The header with the checksum of a body. The service verifies the checksum.
    pub(super) fn checksum(self, bytes: &[u8]) -> HeaderLine {
        match self {
            Dialect::Amazon => {
                let sum = BASE64_STANDARD.encode(digest::sha256_raw(bytes));
                ("x-amz-checksum-sha256", sum)
            }
            Dialect::Google => {
                let sum = BASE64_STANDARD.encode(digest::md5_raw(bytes));
                ("x-goog-hash", format!("md5={sum}"))
            }
        }
    }

    /// The header that names the algorithm of the parts' checksums. This header is sent with the
    /// first request of an upload in parts.
    pub(super) fn checksum_of_parts(self) -> Option<HeaderLine> {
        match self {
            Dialect::Amazon => Some(("x-amz-checksum-algorithm", "SHA256".to_owned())),
            Dialect::Google => None,
        }
    }

    /// The XML of one part in the last request of an upload; `sum` is the value of
    /// [`Dialect::checksum`].
    pub(super) fn listed_part(self, number: usize, etag: &str, sum: &str) -> String {
        let sum = match self {
            Dialect::Amazon => format!("<ChecksumSHA256>{sum}</ChecksumSHA256>"),
            Dialect::Google => String::new(),
        };
        format!("<Part>{sum}<ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::parse_any_url;

    #[test]
    fn the_host_of_the_endpoint_says_which_it_is() {
        let of = |text: &str| Dialect::of(Some(&parse_any_url(text).unwrap()));
        for google in [
            "https://storage.googleapis.com",
            "http://STORAGE.googleapis.com:8080/",
            "https://storage.europe-west3.rep.googleapis.com",
            "https://storage.mtls.googleapis.com",
            "https://storage-vpc1.p.googleapis.com",
        ] {
            assert_eq!(of(google), Dialect::Google, "{google}");
        }
        for other in [
            "https://storage.googleapis.com.example.com",
            "https://mystorage.googleapis.com",
            "https://pubsub.googleapis.com",
            "https://storage.example.com",
            "https://googleapis.com",
            "http://127.0.0.1:9000",
        ] {
            assert_eq!(of(other), Dialect::Amazon, "{other}");
        }
        assert_eq!(Dialect::of(None), Dialect::Amazon);
    }

    /// The expected digests of `abc`, in base64, come from the standards for MD5 and SHA-256.
    #[test]
    fn a_body_has_the_checksum_that_its_service_verifies() {
        assert_eq!(
            Dialect::Google.checksum(b"abc"),
            ("x-goog-hash", "md5=kAFQmDzST7DWlj99KOF/cg==".to_owned())
        );
        let (name, sum) = Dialect::Amazon.checksum(b"abc");
        assert_eq!(name, "x-amz-checksum-sha256");
        assert_eq!(sum, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
