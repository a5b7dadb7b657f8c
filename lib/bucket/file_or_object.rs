//! The place of data: a file or directory on this machine, or an object in a bucket.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::bucket::address::BucketUrl;
use crate::bucket::service::BucketService;
use crate::os::local_path::explain_address;

/// A file or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOrObject {
    /// A file or directory on this machine.
    File(PathBuf),
    /// An object in a bucket.
    Object(BucketUrl),
}

impl FileOrObject {
    /// Reads a path or `s3://BUCKET/KEY`, for a command line.
    pub fn parser() -> impl TypedValueParser<Value = FileOrObject> {
        OsStringValueParser::new().try_map(FileOrObject::parse)
    }

    /// Reads a path or `s3://BUCKET/KEY`. An error says what is supported.
    pub fn parse(text: OsString) -> Result<FileOrObject, String> {
        match text.to_str() {
            Some("") => Err("an empty name is not a file".to_owned()),
            Some(text) if BucketUrl::is_meant(text) => {
                BucketUrl::parse(text).map(FileOrObject::Object)
            }
            Some(text) => match explain_address(text) {
                Some(said) => Err(format!("{said}, or s3://BUCKET/KEY{}", service_of(text))),
                None => Ok(FileOrObject::File(text.into())),
            },
            None => Ok(FileOrObject::File(text.into())),
        }
    }

    /// Reads the complete file or object. `service` is called only for an object. If the file or
    /// object does not exist, the error is an I/O error.
    pub fn read(
        &self,
        service: impl FnOnce() -> anyhow::Result<BucketService>,
    ) -> anyhow::Result<Vec<u8>> {
        let text = match self {
            FileOrObject::File(path) => std::fs::read(path),
            FileOrObject::Object(url) => {
                let found = service()?.get(url)?.map(|found| found.bytes);
                let missing = || io::Error::new(io::ErrorKind::NotFound, "no such object");
                found.ok_or_else(missing)
            }
        };
        text.with_context(|| self.to_string())
    }

    /// Like [`FileOrObject::read`], but `None` if the file or object does not exist.
    pub fn read_if_there(
        &self,
        service: impl FnOnce() -> anyhow::Result<BucketService>,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        match self {
            FileOrObject::File(path) if path.exists() => self.read(service).map(Some),
            FileOrObject::File(_) => Ok(None),
            FileOrObject::Object(url) => Ok(service()?.get(url)?.map(|found| found.bytes)),
        }
    }

    /// The file or object `name` below this one, as in a directory.
    #[must_use]
    pub fn below(&self, name: &str) -> FileOrObject {
        match self {
            FileOrObject::File(path) => FileOrObject::File(path.join(name)),
            FileOrObject::Object(url) => FileOrObject::Object(url.with_ending(&format!("/{name}"))),
        }
    }

    /// The path of the file; `None` for an object.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            FileOrObject::File(path) => Some(path),
            FileOrObject::Object(_) => None,
        }
    }

    /// The address of the object; `None` for a file.
    pub fn object(&self) -> Option<&BucketUrl> {
        match self {
            FileOrObject::File(_) => None,
            FileOrObject::Object(url) => Some(url),
        }
    }
}

/// The end of the error message for an address that does not start with `s3://`. For `gs://`, it
/// says how to reach Google's buckets; otherwise it is empty.
fn service_of(address: &str) -> &'static str {
    let is_google = address
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("gs://"));
    match is_google {
        true => " with AWS_ENDPOINT_URL=https://storage.googleapis.com",
        false => "",
    }
}

impl fmt::Display for FileOrObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileOrObject::File(path) => path.display().fmt(f),
            FileOrObject::Object(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> anyhow::Result<BucketService> {
        Err(anyhow::anyhow!("no service is asked for a file"))
    }

    #[test]
    fn a_path_and_an_address_are_told_apart() {
        let file = FileOrObject::parse("a/b".into()).unwrap();
        assert_eq!(file.file(), Some(&PathBuf::from("a/b")));
        assert!(file.object().is_none() && file.to_string() == "a/b");
        let object = FileOrObject::parse("s3://bucket/key".into()).unwrap();
        assert!(object.file().is_none() && object.object().is_some());
        assert_eq!(object.to_string(), "s3://bucket/key");
        let other = FileOrObject::parse("https://example.com/x".into()).unwrap_err();
        assert!(other.ends_with(", or s3://BUCKET/KEY"), "{other}");
        let google = FileOrObject::parse("GS://bucket/key".into()).unwrap_err();
        let service = ", or s3://BUCKET/KEY with AWS_ENDPOINT_URL=https://storage.googleapis.com";
        assert!(google.ends_with(service), "{google}");
    }

    #[test]
    fn a_file_is_read_if_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = FileOrObject::File(dir.path().join("x"));
        assert_eq!(file.read_if_there(none).unwrap(), None);
        assert!(file.read(none).is_err());
        std::fs::create_dir(dir.path().join("x")).unwrap();
        assert!(file.read_if_there(none).is_err());
        let file = FileOrObject::File(dir.path().join("y"));
        crate::os::files::write_atomic(&dir.path().join("y"), b"text").unwrap();
        assert_eq!(file.read_if_there(none).unwrap().unwrap(), b"text");
    }
}
