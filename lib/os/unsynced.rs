//! Creates, renames and removes files without a sync. A caller that makes many such changes syncs
//! them all at the end, with [`sync_each`](super::files::sync_each).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
pub(crate) use tempfile::NamedTempFile;

use crate::os::files;

/// Opens a file for appending; creates it if it does not exist.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(files::new_mode())
        .open(path)
}

/// Creates a file for appending; `None` if the file already exists.
pub(crate) fn create_new(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create_new(true);
    match options.mode(files::new_mode()).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(e) => Err(e),
    }
}

/// Creates a directory and its missing parents; an existing directory is not an error.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Renames a file. Replaces a file that already has the new name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Renames a file if no file has the new name; otherwise returns false.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(true),
        Err(Errno::EXIST) => return Ok(false),
        // This file system does not support the flag NOREPLACE.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        Err(e) => return Err(e.into()),
    }
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Syncs a temporary file and renames it to `path`. If a file with this name already exists,
/// returns the temporary file.
pub(crate) fn name_new(temp: NamedTempFile, path: &Path) -> io::Result<Option<NamedTempFile>> {
    temp.as_file().sync_all()?;
    match temp.persist_noclobber(path) {
        Ok(_) => Ok(None),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(e.file)),
        Err(e) => Err(e.error),
    }
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_new_name_is_given_only_where_no_file_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let text = |name: &str| fs::read_to_string(at(name)).unwrap();
        for name in ["a", "b"] {
            append(&at(name))
                .unwrap()
                .write_all(name.as_bytes())
                .unwrap();
        }
        append(&at("b")).unwrap().write_all(b"2").unwrap();
        assert!(!rename_new(&at("a"), &at("b")).unwrap());
        assert_eq!((text("a"), text("b")), ("a".to_owned(), "b2".to_owned()));
        assert!(rename_new(&at("a"), &at("c")).unwrap());
        assert!(!at("a").exists() && text("c") == "a");
        let none = rename_new(&at("a"), &at("d")).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
        rename(&at("c"), &at("b")).unwrap();
        assert!(!at("c").exists() && text("b") == "a");
        remove(&at("b")).unwrap();
        assert!(!at("b").exists() && remove(&at("b")).is_err());
    }

    #[test]
    fn a_temporary_file_is_named_or_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        create_directories(&dir.path().join("a/b")).unwrap();
        let temp = || files::temp_beside(&path).unwrap();
        assert!(name_new(temp(), &path).unwrap().is_none());
        assert!(path.exists());
        let back = name_new(temp(), &path).unwrap();
        assert!(back.is_some_and(|temp| temp.path().exists()));
        let none = name_new(temp(), &dir.path().join("none/x")).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
