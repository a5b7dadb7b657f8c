//! The files that a command line names. No option may overwrite the file of another option.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::bucket::file_or_object::FileOrObject;
use crate::cli::args::Common;
use crate::error;
use crate::os::files;

/// The files of one call, each with the option that names it.
#[derive(Debug, Default)]
pub struct NamedFiles {
    files: Vec<NamedFile>,
}

#[derive(Debug)]
struct NamedFile {
    option: &'static str,
    shown: String,
    identity: Option<Identity>,
    is_written: bool,
}

/// The identity of a file, equal for two names of the same file.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// Device and inode of a file that exists.
    Inode(u64, u64),
    /// The path of a file that does not exist yet.
    Path(PathBuf),
    /// The address of an object in a bucket.
    Object(String),
}

impl NamedFiles {
    /// Adds files that are only read; `-` is stdin.
    pub fn read<'p>(&mut self, option: &'static str, paths: impl IntoIterator<Item = &'p PathBuf>) {
        for path in paths {
            let identity = match path == Path::new("-") {
                true => of_descriptor(rustix::stdio::stdin()),
                false => of_path(path),
            };
            self.add(option, path, identity, false);
        }
    }

    /// Adds files that are written.
    pub fn write<'p>(
        &mut self,
        option: &'static str,
        paths: impl IntoIterator<Item = &'p PathBuf>,
    ) {
        for path in paths {
            self.add(option, path, of_path(path), true);
        }
    }

    /// Adds an object that is written to a bucket.
    pub fn write_object(&mut self, option: &'static str, address: String) {
        self.files.push(NamedFile {
            option,
            shown: address.clone(),
            identity: Some(Identity::Object(address)),
            is_written: true,
        });
    }

    /// Adds stdout, and the files of the flags that every program has.
    pub(super) fn write_common(&mut self, flags: &Common) {
        let stdout = Path::new("-");
        match &flags.output {
            Some(FileOrObject::File(path)) => self.write("--output", [path]),
            Some(FileOrObject::Object(url)) => self.write_object("--output", url.to_string()),
            None => {}
        }
        let report = flags.report.as_ref();
        self.write("--report", report.filter(|path| *path != stdout));
        if flags.output.is_none() {
            let identity = of_descriptor(rustix::stdio::stdout());
            self.add("stdout", stdout, identity, true);
        }
    }

    fn add(
        &mut self,
        option: &'static str,
        path: &Path,
        identity: Option<Identity>,
        is_written: bool,
    ) {
        self.files.push(NamedFile {
            option,
            shown: path.display().to_string(),
            identity,
            is_written,
        });
    }

    /// Returns an error with status 2 if two options name the same file, unless both options only
    /// read this file. Two options may name the same character device (such as `/dev/null`), FIFO
    /// or socket.
    pub(crate) fn refuse_shared(&self) -> anyhow::Result<()> {
        for (at, second) in self.files.iter().enumerate() {
            let same = self.files[..at].iter().find(|first| {
                (first.is_written || second.is_written)
                    && first.identity.is_some()
                    && first.identity == second.identity
            });
            if let Some(first) = same {
                return Err(error::usage(format!(
                    "{}: {} and {} name the same file: use two files",
                    first.shown, first.option, second.option
                )));
            }
        }
        Ok(())
    }
}

/// The identity of the file at `path`; `None` for a character device, FIFO or socket, which several
/// options may name.
fn of_path(path: &Path) -> Option<Identity> {
    match fs::metadata(path) {
        Ok(there) => of_file(&there),
        Err(_) => Some(Identity::Path(files::real(path))),
    }
}

fn of_descriptor(descriptor: impl AsFd) -> Option<Identity> {
    let file = fs::File::from(descriptor.as_fd().try_clone_to_owned().ok()?);
    of_file(&file.metadata().ok()?)
}

fn of_file(file: &fs::Metadata) -> Option<Identity> {
    let kind = file.file_type();
    let may_be_shared = kind.is_char_device() || kind.is_fifo() || kind.is_socket();
    (!may_be_shared).then(|| Identity::Inode(file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn two_names_of_one_file_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::File::create(at("x")).unwrap();
        fs::hard_link(at("x"), at("hard")).unwrap();
        for (link, target) in [("soft", "x"), ("dangling", "new")] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        let same = [
            ("x", "x"),
            ("x", "./x"),
            ("x", "soft"),
            ("soft", "hard"),
            ("new", "new"),
            ("new", "dangling"),
        ];
        for (first, second) in same {
            for is_read in [true, false] {
                let mut files = NamedFiles::default();
                match is_read {
                    true => files.read("FILE", [&at(first)]),
                    false => files.write("--state", [&at(first)]),
                }
                files.write("--output", [&at(second)]);
                let error = files.refuse_shared().unwrap_err();
                assert_eq!(Status::of(&error), Status::Usage, "{first} {second}");
            }
        }
        let mut files = NamedFiles::default();
        files.read("FILE", &[at("x"), at("x"), "/dev/null".into()]);
        files.write("--output", &["/dev/null".into(), at("new")]);
        files.write("--report", &["/dev/null".into(), at("other")]);
        files.refuse_shared().unwrap();
    }
}
