//! What Google Cloud Storage does in another way than Amazon, as its documentation describes it and
//! as those who tried it report: the signature, the conditions, the headers that it refuses.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use md5::Md5;
use ring::hmac;
use sha2::{Digest, Sha256};

use crate::bucket::service::{SECRET, refusal};
use crate::sim::http::Request;
use crate::sim::reply::Reply;

/// It is found by its name alone; the proxy is on loopback.
pub const ENDPOINT: &str = "http://storage.googleapis.com";

/// A number of the length that Google's have.
pub fn generation(version: u64) -> String {
    (1_790_000_000_000_000 + version).to_string()
}

/// A name in a list, if encoded ones are asked for. The list says so in words of its own.
pub fn encoded(name: &str) -> String {
    let encoded = url::form_urlencoded::byte_serialize(name.as_bytes());
    encoded.collect()
}

/// Whether a request has a condition of Google's.
pub fn has_condition(request: &Request) -> bool {
    request.header("x-goog-if-generation-match").is_some()
}

/// Whether a request may go on with the object of this version, or none. Conditions of Amazon count
/// only for reading.
pub fn allow(request: &Request, version: Option<u64>) -> Result<(), Reply> {
    let is_met = match request.header("x-goog-if-generation-match") {
        None => true,
        Some("0") => version.is_none(),
        Some(wanted) => version.map(generation).as_deref() == Some(wanted),
    };
    match is_met {
        true => Ok(()),
        false => Err(refusal(412, "PreconditionFailed")),
    }
}

/// The id of the key of a request that may be heard.
pub fn admit(request: &Request, now: DateTime<Utc>, keys: &[&str]) -> Result<String, Reply> {
    let is_amazons = |name: &str| name.to_ascii_lowercase().starts_with("x-amz-");
    if request.headers.iter().any(|(name, _)| is_amazons(name)) || request.target.contains("X-Amz")
    {
        return Err(refusal(400, "ExcessHeaderValues"));
    }
    let has_body = matches!(request.method.as_str(), "PUT" | "POST");
    if has_body && request.header("content-length").is_none() {
        return Err(refusal(411, "MissingContentLength"));
    }
    let authorization = request.header("authorization").unwrap_or_default();
    let line = authorization
        .strip_prefix("GOOG4-HMAC-SHA256 ")
        .ok_or_else(|| refusal(403, "AccessDenied"))?;
    let field = |name: &str| {
        let found = line
            .split(',')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| refusal(400, "MalformedSecurityHeader"))
    };
    let (credential, names) = (field("Credential")?, field("SignedHeaders")?);
    let (id, scope) = credential.split_once('/').unwrap_or_default();
    if !keys.contains(&id) {
        return Err(refusal(403, "InvalidSecurity"));
    }
    let is_signed = |name: &str| names.split(';').any(|one| one == name);
    let must_be = |name: &str| name == "host" || name.starts_with("x-goog-");
    let mut own = request.headers.iter().map(|(name, _)| name.as_str());
    if !own
        .all(|name| !must_be(&name.to_ascii_lowercase()) || is_signed(&name.to_ascii_lowercase()))
    {
        return Err(refusal(403, "AccessDenied"));
    }
    let date = request.header("x-goog-date").unwrap_or_default();
    let time = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ");
    let time = time.map_err(|_| refusal(403, "AccessDenied"))?.and_utc();
    if (now - time).abs() > TimeDelta::minutes(15) {
        return Err(refusal(403, "RequestTimeTooSkewed"));
    }
    if scope != format!("{}/auto/storage/goog4_request", &date[..8])
        || field("Signature")? != signature(request, names, date, scope)
    {
        return Err(refusal(403, "SignatureDoesNotMatch"));
    }
    let hash = BASE64_STANDARD.encode(Md5::digest(&request.body));
    let sent = request.header("x-goog-hash");
    if sent.is_some_and(|sent| sent != format!("md5={hash}")) {
        return Err(refusal(400, "BadDigest"));
    }
    Ok(id.to_owned())
}

/// The signature that the request should have, by Google's description.
fn signature(request: &Request, names: &str, date: &str, scope: &str) -> String {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let payload = request.header("x-goog-content-sha256").unwrap_or_default();
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default()))
        .collect();
    let method = &request.method;
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}");
    let text = format!(
        "GOOG4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut key = format!("GOOG4{SECRET}").into_bytes();
    for part in scope.split('/').chain([text.as_str()]) {
        let by = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&by, part.as_bytes()).as_ref().to_vec();
    }
    hex(&key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
