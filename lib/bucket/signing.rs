//! Signatures of requests: Amazon's in the URL, Google's in a header.
//!
//! Google's signature has the form of Amazon's version 4, but uses the names `GOOG4` and `x-goog-`.
//! If a signature has Amazon's names, Google refuses the headers of Google's own protocol. Google's
//! signature covers not the body, but the header `x-goog-hash`, and Google compares the body with
//! the hash in that header.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp as SigningTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusty_s3::signing::sign;

use crate::bucket::dialect::Dialect;
use crate::bucket::keys::BucketKeys;
use crate::error;
use crate::net::http::{Method, Url};
use crate::net::secret::Secret;
use crate::os::digest;
use crate::time::Timestamp;

/// How long a signature in a URL is valid.
const SIGNED_FOR: Duration = Duration::from_secs(900);

/// The characters that are escaped in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `ALGORITHM` is the algorithm of Google's signature. `PLACE` names the region, the service and
/// the kind of request for which the signature is valid.
const ALGORITHM: &str = "GOOG4-HMAC-SHA256";
const PLACE: [&str; 3] = ["auto", "storage", "goog4_request"];

/// A request before it is signed.
#[derive(Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: Method,
    /// The URL without a query.
    pub(super) url: Url,
    /// The parameters, sorted by name.
    pub(super) query: &'a [(&'static str, String)],
    /// The headers, with names in lower case.
    pub(super) headers: &'a [(String, String)],
    pub(super) region: &'a str,
}

/// A request that can be sent.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
}

impl Unsigned<'_> {
    /// Signs the request at `now`. Returns an error with status 2 if `now` is no valid date, or if
    /// a request to Google has keys with a session token, which Google does not support.
    pub(super) fn sign(
        self,
        dialect: Dialect,
        keys: &BucketKeys,
        now: Timestamp,
    ) -> anyhow::Result<Signed> {
        let time = SigningTime::from_millisecond(now.millis())
            .map_err(|e| error::usage(format!("the clock of this machine is wrong: {e}")))?;
        match dialect {
            Dialect::Amazon => Ok(self.in_url(keys, &time)),
            Dialect::Google if keys.token.is_some() => Err(error::usage(
                "Google's HMAC keys have no session token: unset AWS_SESSION_TOKEN, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of Google Cloud Storage",
            )),
            Dialect::Google => Ok(self.in_header(keys, &time)),
        }
    }

    fn in_url(self, keys: &BucketKeys, time: &SigningTime) -> Signed {
        let headers = sorted(self.headers);
        let url = sign(
            time,
            signed_method(self.method),
            self.url,
            &keys.id,
            keys.secret.expose(),
            keys.token.as_ref().map(Secret::expose),
            self.region,
            SIGNED_FOR.as_secs(),
            (self.query.iter()).map(|(name, value)| (*name, value.as_str())),
            headers.iter().copied(),
        );
        Signed {
            url,
            headers: self.headers.to_vec(),
        }
    }

    fn in_header(self, keys: &BucketKeys, time: &SigningTime) -> Signed {
        let moment = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = time.strftime("%Y%m%d").to_string();
        let mut headers = self.headers.to_vec();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        add("x-goog-content-sha256", "UNSIGNED-PAYLOAD");
        add("x-goog-date", &moment);
        let query: Vec<String> = (self.query.iter())
            .map(|(name, value)| {
                let value = utf8_percent_encode(value, ESCAPED);
                format!("{name}={value}")
            })
            .collect();
        let query = query.join("&");
        let mut url = self.url;
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        let host = host_of(&url);
        let mut signed = sorted(&headers);
        signed.push(("host", &host));
        signed.sort_unstable();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = format!("{}\n{}\n{query}\n", self.method, url.path());
        for (name, value) in &signed {
            let words: Vec<&str> = value.split_whitespace().collect();
            let _ = writeln!(canonical, "{name}:{}", words.join(" "));
        }
        let _ = write!(canonical, "\n{names}\nUNSIGNED-PAYLOAD");
        let scope = format!("{day}/{}", PLACE.join("/"));
        let hash = digest::sha256(canonical.as_bytes());
        let text = format!("{ALGORITHM}\n{moment}\n{scope}\n{hash}");
        let start = format!("GOOG4{}", keys.secret.expose()).into_bytes();
        let key = (std::iter::once(day.as_str()).chain(PLACE)).fold(start, |key, part| {
            digest::hmac_sha256(&key, part.as_bytes())
        });
        let signature = digest::hex(&digest::hmac_sha256(&key, text.as_bytes()));
        let line = format!(
            "{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            keys.id
        );
        headers.push(("authorization".to_owned(), line));
        Signed { url, headers }
    }
}

/// The headers, sorted by name.
fn sorted(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut sorted: Vec<_> = (headers.iter())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    sorted.sort_unstable();
    sorted
}

/// The value of the header `Host`.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn signed_method(method: Method) -> rusty_s3::Method {
    match method {
        Method::Get => rusty_s3::Method::Get,
        Method::Head => rusty_s3::Method::Head,
        Method::Put | Method::Patch => rusty_s3::Method::Put,
        Method::Post => rusty_s3::Method::Post,
        Method::Delete => rusty_s3::Method::Delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::net::http::parse_any_url;

    fn signed(dialect: Dialect, token: Option<&str>) -> anyhow::Result<Signed> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let unsigned = Unsigned {
            method: Method::Put,
            url: parse_any_url("https://storage.googleapis.com/calls/a/k%20%C3%A9").unwrap(),
            query: &[
                ("partNumber", "2".to_owned()),
                ("uploadId", "a<b> c/~".to_owned()),
            ],
            headers: &[
                header("x-goog-meta-b", "two  words "),
                header("x-goog-hash", "md5=kAFQmDzST7DWlj99KOF/cg=="),
            ],
            region: "eu-west-1",
        };
        let keys = BucketKeys {
            id: "GOOGTEST".to_owned(),
            secret: Secret::new("s3cr3t"),
            token: token.map(Secret::new),
            expires: None,
        };
        unsigned.sign(dialect, &keys, Timestamp::from_millis(1_785_542_400_000))
    }

    /// The expected signature comes from a separate Python program, written after Google's
    /// description.
    #[test]
    fn google_gets_its_signature_in_a_header() {
        let Signed { url, headers } = signed(Dialect::Google, None).unwrap();
        assert_eq!(
            url.as_str(),
            "https://storage.googleapis.com/calls/a/k%20%C3%A9?partNumber=2&uploadId=a%3Cb%3E%20c%2F~"
        );
        let get = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name == wanted);
            found.unwrap().1.as_str()
        };
        assert_eq!(get("x-goog-date"), "20260801T000000Z");
        assert_eq!(
            get("authorization"),
            "GOOG4-HMAC-SHA256 Credential=GOOGTEST/20260801/auto/storage/goog4_request,SignedHeaders=host;x-goog-content-sha256;x-goog-date;x-goog-hash;x-goog-meta-b,Signature=a1b3891115bc46ee72e1452acba1e3507dc8b586d994320b70d63af96858b6f9"
        );
        assert!(headers.iter().all(|(name, _)| !name.starts_with("x-amz-")));
        let error = signed(Dialect::Google, Some("t0ken")).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage, "{error}");
    }

    #[test]
    fn others_get_it_in_the_url() {
        let Signed { url, headers } = signed(Dialect::Amazon, Some("t0ken")).unwrap();
        assert!(url.as_str().contains("X-Amz-Signature="), "{url}");
        assert!(headers.iter().all(|(name, _)| name != "authorization"));
    }
}
