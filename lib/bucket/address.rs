//! The address of an object: `s3://bucket/key`.

use std::fmt;

const SCHEME: &str = "s3://";

/// The address of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketUrl {
    bucket: String,
    key: String,
}

impl BucketUrl {
    /// Whether a text starts like an address in a bucket, with `s3://` in any case.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.get(..SCHEME.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Parses `s3://bucket/key`. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<BucketUrl, String> {
        let wrong = |why: &str| Err(format!("{why}: give s3://BUCKET/KEY"));
        if !BucketUrl::is_meant(text) {
            return wrong("not an address in a bucket");
        }
        let (bucket, key) = text[SCHEME.len()..]
            .split_once('/')
            .unwrap_or_else(|| (&text[SCHEME.len()..], ""));
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if bucket.is_empty() || !bucket.chars().all(is_of_name) {
            return wrong(
                "the bucket name is missing or has characters other than letters, digits, '.', '-', '_'",
            );
        }
        // Clients and proxies interpret an empty segment, `.` and `..` of a path and do not send
        // them unchanged.
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return wrong("the key is missing, or a part of it is empty, '.' or '..'");
        }
        if key.len() > 900 || key.chars().any(char::is_control) {
            return wrong("the key is too long or has control characters");
        }
        Ok(BucketUrl {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The name of the object in its bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The address with `ending` appended to its key.
    #[must_use]
    pub fn with_ending(&self, ending: &str) -> BucketUrl {
        BucketUrl {
            bucket: self.bucket.clone(),
            key: format!("{}{ending}", self.key),
        }
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_and_a_key() {
        let url = BucketUrl::parse("S3://b-1.x/a/ü ?#.state").unwrap();
        assert_eq!((url.bucket(), url.key()), ("b-1.x", "a/ü ?#.state"));
        assert_eq!(
            url.with_ending(".lease").to_string(),
            "s3://b-1.x/a/ü ?#.state.lease"
        );
        for wrong in [
            "s3://",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3://b//k",
            "s3://b/a/../k",
            "s3://b/a/",
            "s3://b/./k",
            "s3://u@b/k",
            "s3://b/a\nb",
            "x",
            "gs://b/k",
        ] {
            assert!(BucketUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
