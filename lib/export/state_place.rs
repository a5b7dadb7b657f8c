//! The place of a state: a file on this machine, or an object in a bucket.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::bucket::address::BucketUrl;
use crate::os::local_path::explain_address;

/// A file or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// A file on this machine.
    File(PathBuf),
    /// An object in a bucket.
    Object(BucketUrl),
}

impl StatePlace {
    /// Parses a path or `s3://BUCKET/KEY` from a command line.
    pub fn parser() -> impl TypedValueParser<Value = StatePlace> {
        OsStringValueParser::new().try_map(StatePlace::parse)
    }

    fn parse(text: OsString) -> Result<StatePlace, String> {
        match text.to_str() {
            Some("") => Err("an empty name is no file".to_owned()),
            Some(text) if BucketUrl::is_meant(text) => {
                BucketUrl::parse(text).map(StatePlace::Object)
            }
            Some(text) => match explain_address(text) {
                Some(said) => Err(format!("{said}, or s3://BUCKET/KEY")),
                None => Ok(StatePlace::File(text.into())),
            },
            None => Ok(StatePlace::File(text.into())),
        }
    }

    /// The path, if it is a file.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            StatePlace::File(path) => Some(path),
            StatePlace::Object(_) => None,
        }
    }

    /// The address, if it is an object.
    pub fn object(&self) -> Option<&BucketUrl> {
        match self {
            StatePlace::File(_) => None,
            StatePlace::Object(url) => Some(url),
        }
    }
}

impl fmt::Display for StatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatePlace::File(path) => path.display().fmt(f),
            StatePlace::Object(url) => url.fmt(f),
        }
    }
}
