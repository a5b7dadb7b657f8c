//! `-o 'since-{state}.ndjson'`: a name that depends on the state that the run continues from.
//!
//! Only the program can know this state, because it has the lock or the lease when it reads the
//! state. If a script reads the state earlier, other runs can replace it before the program starts.
//! Then the file with the new records would get the name of an older file, and replace it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgMatches, Command};

use crate::bucket::address::BucketUrl;
use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::pending_object::PendingObject;
use crate::bucket::service::BucketService;
use crate::cli::config;
use crate::cli::named_files::NamedFiles;
use crate::error;
use crate::os::{files, unnamed};

/// The only placeholder in the name of an output. Any other text in braces stays as it is.
const PLACEHOLDER: &str = "{state}";

/// The file or object of `--output`, before the state is known.
#[derive(Debug)]
pub(super) struct UnnamedOutput {
    place: FileOrObject,
    /// For an object: the service of its bucket, and the directory for the data before the upload.
    service: Option<(BucketService, PathBuf)>,
    /// The files and objects of the other options, to compare with this output.
    others: NamedFiles,
}

/// An output whose name is known.
#[derive(Debug)]
pub(super) enum FilledOutput {
    File(PathBuf),
    Object(Box<PendingObject>),
}

impl UnnamedOutput {
    /// Whether the name has the placeholder.
    pub(super) fn is_meant(place: &FileOrObject) -> bool {
        match place {
            FileOrObject::File(path) => has_placeholder(path),
            FileOrObject::Object(url) => url.key().contains(PLACEHOLDER),
        }
    }

    /// Checks what can be checked without the state. `others` are the files and objects of the
    /// other options. Returns an error with status 2 if the run has no state, or if the placeholder
    /// is in the name of a directory.
    pub(super) fn new(
        place: &FileOrObject,
        (command, matches): (&Command, &ArgMatches),
        service: impl FnOnce() -> anyhow::Result<(BucketService, PathBuf)>,
        others: NamedFiles,
    ) -> anyhow::Result<UnnamedOutput> {
        require_state(command, matches).with_context(|| format!("--output {place}"))?;
        let service = match place {
            FileOrObject::File(path) if path.parent().is_some_and(has_placeholder) => {
                return Err(error::usage(format!(
                    "--output {place}: {PLACEHOLDER} is in the name of a directory: use it in the name of the file"
                )));
            }
            FileOrObject::File(_) => None,
            FileOrObject::Object(_) => Some(service()?),
        };
        Ok(UnnamedOutput {
            place: place.clone(),
            service,
            others,
        })
    }

    /// Creates a file without a name in the directory where the data will be written. Returns an
    /// error if no file can be created in this directory.
    pub(super) fn create(&self) -> anyhow::Result<File> {
        match (&self.place, &self.service) {
            (FileOrObject::File(path), _) => Ok(files::temp_beside(path)?.into_file()),
            (_, Some((_, directory))) => unnamed::create_in(directory)
                .with_context(|| format!("creating a file in {}", directory.display())),
            (FileOrObject::Object(url), None) => Err(anyhow::anyhow!("{url}: no service")),
        }
    }

    /// The name that was given, with the placeholder.
    pub(super) fn shown(&self) -> String {
        self.place.to_string()
    }

    /// Puts `state` in place of the placeholder. Returns the final name with the path of a file, or
    /// with an object and its present version. Returns an error with status 2 if another option
    /// names the same file or object.
    pub(super) fn fill(mut self, state: &str) -> anyhow::Result<(String, FilledOutput)> {
        let filled = match (&self.place, self.service) {
            (FileOrObject::File(path), _) => {
                let path = PathBuf::from(filled(path.as_os_str().as_bytes(), state));
                self.others.write("--output", [&path]);
                (path.display().to_string(), FilledOutput::File(path))
            }
            (FileOrObject::Object(url), Some((service, directory))) => {
                let name = url.to_string().replace(PLACEHOLDER, state);
                let url = BucketUrl::parse(&name)
                    .map_err(|e| error::usage(format!("--output {name}: {e}")))?;
                self.others.write_object("--output", name.clone());
                let pending = PendingObject::create(service, url, &directory)?;
                (name, FilledOutput::Object(Box::new(pending)))
            }
            (FileOrObject::Object(url), None) => anyhow::bail!("{url}: no service"),
        };
        self.others.refuse_shared()?;
        Ok(filled)
    }
}

/// Returns an error with status 2 if the called command does not read a state.
fn require_state(command: &Command, matches: &ArgMatches) -> anyhow::Result<()> {
    let levels: Vec<_> = config::levels(command, matches).collect();
    let names: Vec<&str> = levels.iter().map(|level| level.0.get_name()).collect();
    let (command, matches) = levels[levels.len() - 1];
    let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    let why = if !has("state") {
        format!("{} has none: use another name", names.join(" "))
    } else if !matches.contains_id("state") {
        "there is none: give --state, or use another name".to_owned()
    } else if has("dry_run") && matches.get_flag("dry_run") {
        "--dry-run reads none: use another name".to_owned()
    } else {
        return Ok(());
    };
    Err(error::usage(format!(
        "{PLACEHOLDER} is the state that the run continues from, and {why}"
    )))
}

fn has_placeholder(path: &Path) -> bool {
    let text = path.as_os_str().as_bytes();
    text.windows(PLACEHOLDER.len())
        .any(|part| part == PLACEHOLDER.as_bytes())
}

/// Replaces each placeholder in a path by `state`. The path need not be UTF-8.
fn filled(mut path: &[u8], state: &str) -> OsString {
    let mut filled = Vec::new();
    while let Some(&first) = path.first() {
        path = match path.strip_prefix(PLACEHOLDER.as_bytes()) {
            Some(rest) => {
                filled.extend(state.as_bytes());
                rest
            }
            None => {
                filled.push(first);
                &path[1..]
            }
        };
    }
    OsString::from_vec(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_placeholder_is_filled_in() {
        let name = |path: &[u8]| filled(path, "S").into_vec();
        assert_eq!(name(b"a/{state}-{state}.{x}"), b"a/S-S.{x}");
        assert_eq!(name(b"{ {stat} {state\xff}"), b"{ {stat} {state\xff}");
        assert_eq!(name(b"{{state}}\xff"), b"{S}\xff");
        let is_meant = |text: &str| {
            let place = FileOrObject::parse(text.into()).unwrap();
            UnnamedOutput::is_meant(&place)
        };
        for text in ["x-{state}", "{state}", "s3://b/{state}/x"] {
            assert!(is_meant(text), "{text}");
        }
        for text in ["x-{State}", "{}", "state", "{ state }", "s3://b/{run}/x"] {
            assert!(!is_meant(text), "{text}");
        }
    }
}
