//! Files that survive a crash: each is complete or absent, and has the owner and the mode of the
//! file that it replaces.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, anyhow};
use rustix::fs::statvfs;
pub use tempfile::NamedTempFile;

use crate::os::locks::{self, LockOutcome};

/// The start and the end of the name of a temporary file, and the number of letters and digits
/// between them. A later run recognises the files of killed runs by such names.
const TEMP_PREFIX: &str = ".callpipe-";
const TEMP_SUFFIX: &str = ".tmp";
const TEMP_RANDOM: usize = 6;

/// The mode of new data files of this process, before the umask. Like the umask, it applies to
/// all threads.
static NEW_MODE: AtomicU32 = AtomicU32::new(PRIVATE);

/// The mode of a file that only its user can access.
pub(crate) const PRIVATE: u32 = 0o600;

/// Sets the mode of new data files, before the umask.
pub(crate) fn set_new_mode(mode: u32) {
    NEW_MODE.store(mode, Ordering::Relaxed);
}

/// The mode of a new data file, before the umask: `--mode`. By default, only its user can access
/// the file.
pub(crate) fn new_mode() -> u32 {
    NEW_MODE.load(Ordering::Relaxed)
}

/// Creates a temporary file in the directory of `path`, so that a rename can move it to `path`. The
/// temporary file has the mode of the file at `path`, or of a new data file if `path` does not
/// exist.
pub fn temp_beside(path: &Path) -> anyhow::Result<NamedTempFile> {
    let mode = replaced(path).map_or_else(new_mode, |old| old.mode() & 0o777);
    temp_in(directory_of(path), mode)
}

/// Creates a temporary file. It is locked while it is open, so that [`remove_leftovers`] recognises
/// files that no run is writing. On a file system without locks, no file counts as a leftover.
fn temp_in(directory: &Path, mode: u32) -> anyhow::Result<NamedTempFile> {
    let place = || format!("creating a file in {}", directory.display());
    loop {
        let temp = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .suffix(TEMP_SUFFIX)
            .rand_bytes(TEMP_RANDOM)
            // `create_new` opens the file, because an error of the library would name the temporary
            // file.
            .make_in(directory, |path| create_new(path, mode))
            .with_context(place)?;
        let lock = locks::try_lock(temp.as_file()).with_context(place)?;
        // Another run may have removed the file as a leftover before this run locked it.
        if lock != LockOutcome::Held && temp.path().exists() {
            return Ok(temp);
        }
    }
}

/// The metadata of the file that a rename to `path` would replace; `None` if there is no regular
/// file.
pub(super) fn replaced(path: &Path) -> Option<fs::Metadata> {
    fs::symlink_metadata(path)
        .ok()
        .filter(fs::Metadata::is_file)
}

fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    options.open(path)
}

/// Gives a complete temporary file its name: syncs the data, renames the file, syncs the directory.
/// The caller may report the file only after this function has returned, because only then the file
/// survives a crash. The new file gets the mode of the replaced file, and also its owner if that is
/// allowed.
pub fn commit(temp: NamedTempFile, path: &Path) -> anyhow::Result<()> {
    keep_owner_and_mode(temp.as_file(), path)
        .and_then(|()| rename(temp, path))
        .with_context(|| format!("writing {}", path.display()))
}

fn rename(temp: NamedTempFile, path: &Path) -> io::Result<()> {
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|e| e.error)?;
    sync_parent(path)
}

fn keep_owner_and_mode(file: &File, path: &Path) -> io::Result<()> {
    let Some(old) = replaced(path) else {
        return Ok(());
    };
    let new = file.metadata()?;
    let kept = match (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        true => Ok(()),
        false => fchown(file, Some(old.uid()), Some(old.gid()))
            .or_else(|_| fchown(file, None, Some(old.gid()))),
    };
    let mode = old.mode() & 0o777;
    let kept = kept.and(match file.metadata()?.mode() & 0o777 == mode {
        true => Ok(()),
        false => file.set_permissions(Permissions::from_mode(mode)),
    });
    if let Err(e) = kept {
        log::debug!("{}: cannot keep its owner or mode: {e}", path.display());
    }
    Ok(())
}

/// Renames a file whose data is synced, and syncs the directory. The file gets the mode of the
/// replaced file, and also its owner if that is allowed.
pub fn commit_path(from: &Path, to: &Path) -> anyhow::Result<()> {
    File::open(from)
        .and_then(|file| keep_owner_and_mode(&file, to))
        .and_then(|()| fs::rename(from, to))
        .and_then(|()| sync_parent(to))
        .with_context(|| format!("writing {}", to.display()))
}

/// Opens, for writing, an existing file that is not a regular file, for example `/dev/null` or a
/// FIFO.
pub(crate) fn open_special(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Cuts a file to `length` bytes.
pub(crate) fn cut(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}

/// Cuts the file at `path` to `length` bytes if it is longer. A shorter or missing file does not
/// change.
pub(crate) fn cut_back(path: &Path, length: u64) -> anyhow::Result<()> {
    let cut = || match path.metadata().is_ok_and(|file| file.len() > length) {
        true => cut(&OpenOptions::new().append(true).open(path)?, length),
        false => Ok(()),
    };
    cut().with_context(|| format!("writing {}", path.display()))
}

/// Syncs the bytes of a file.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// The number of bytes that this user can still write to the file system that contains `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let disk = statvfs(directory_of(path))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The size of the file system that contains `path`, in bytes.
pub(crate) fn disk_size(path: &Path) -> io::Result<u64> {
    let disk = statvfs(directory_of(path))?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}

/// Removes a file; a missing file is not an error.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a small file as a whole. Only its user can access a new file; a replaced file keeps its
/// mode.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temp = temp_in(directory_of(path), PRIVATE)?;
    commit(write_temp(temp, path, bytes)?, path)
}

/// Writes a small file as a whole. Only its user can read it, even if others could read the file
/// that it replaces.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temp = temp_in(directory_of(path), PRIVATE)?;
    rename(write_temp(temp, path, bytes)?, path)
        .with_context(|| format!("writing {}", path.display()))
}

fn write_temp(temp: NamedTempFile, path: &Path, bytes: &[u8]) -> anyhow::Result<NamedTempFile> {
    let mut file = temp.as_file();
    file.write_all(bytes)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(temp)
}

/// Removes from `directory` the incomplete files that killed runs of this user left. Files that
/// another run is writing are locked, so they stay. Returns the number of removed files.
pub fn remove_leftovers(directory: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_temp_name(&entry.file_name())
            // Another run can remove the file before its metadata is read.
            && entry.metadata().is_ok_and(|file| file.is_file() && is_own(&file))
            // Over NFS, a lock needs a file that is open for writing.
            && let Ok(file) = OpenOptions::new().write(true).open(entry.path())
            && locks::try_lock(&file).is_ok_and(|lock| lock == LockOutcome::Locked)
        {
            match fs::remove_file(entry.path()) {
                Ok(()) => removed += 1,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(removed)
}

/// Whether the name has the form of the names of temporary files.
pub(crate) fn is_temp_name(name: &OsStr) -> bool {
    let random = name
        .to_str()
        .and_then(|name| name.strip_prefix(TEMP_PREFIX)?.strip_suffix(TEMP_SUFFIX));
    random.is_some_and(|random| {
        random.len() == TEMP_RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether a file belongs to the user of this process.
pub(crate) fn is_own(file: &fs::Metadata) -> bool {
    file.uid() == rustix::process::geteuid().as_raw()
}

/// Like [`remove_leftovers`], but without an error: a file that cannot be removed stays.
pub fn tidy(directory: &Path) {
    if let Err(e) = remove_leftovers(directory) {
        let place = directory.display();
        log::debug!("{place}: cannot remove the files of killed runs: {e}");
    }
}

/// Like [`tidy`], for the directory of `path`.
pub fn tidy_beside(path: &Path) {
    tidy(directory_of(path));
}

/// Follows symbolic links from `path` and returns their target, even if the target does not exist
/// yet. A file that is renamed to this target replaces no link.
pub fn real(path: &Path) -> PathBuf {
    /// The largest number of links that Linux follows for one path.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if path.exists() {
            // An open file under /dev/fd may have no other path. Then this path is returned.
            return path.canonicalize().unwrap_or(path);
        }
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            Err(_) => break,
        }
    }
    match (directory_of(&path).canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

/// Creates `directory` and its missing parents, and syncs the parent of each new directory.
pub fn create_directory(directory: &Path) -> anyhow::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_directory(parent)?;
        match fs::create_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            other => other.with_context(|| format!("creating {}", directory.display()))?,
        }
        sync_parent(directory)?;
    }
    Ok(())
}

/// Creates the directory of `path` and its missing parents.
pub fn create_parent(path: &Path) -> anyhow::Result<()> {
    create_directory(directory_of(path))
}

pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The largest number of parallel syncs. A disk can combine several syncs.
const AT_ONCE: usize = 8;

/// Syncs many files and directories, several at a time.
pub fn sync_each(paths: &[&Path]) -> anyhow::Result<()> {
    let sync = |part: &[&Path]| {
        part.iter()
            .try_for_each(|path| sync(path).with_context(|| format!("writing {}", path.display())))
    };
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for part in paths.chunks(paths.len().div_ceil(AT_ONCE).max(1)) {
            match thread::Builder::new().spawn_scoped(scope, move || sync(part)) {
                Ok(thread) => threads.push(thread),
                // If the system allows no further thread, this thread syncs the files.
                Err(_) => sync(part)?,
            }
        }
        let mut synced = threads.into_iter().map(ScopedJoinHandle::join);
        synced.try_for_each(|one| one.unwrap_or_else(|_| Err(anyhow!("a thread died"))))
    })
}

/// Syncs the directory of `path`.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync(directory_of(path))
}

/// Syncs a file or a directory. It is no error if a network file system cannot sync directories.
fn sync(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match file.sync_all() {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) && file.metadata()?.is_dir() =>
        {
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_error_names_the_directory_and_no_temporary_file() {
        let error = temp_beside(Path::new("/none/x")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("creating a file in /none: "), "{text}");
        assert!(!text.contains("tmp"), "{text}");
        let cause = error.root_cause().downcast_ref().map(io::Error::kind);
        assert_eq!(cause, Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_file_is_complete_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut temp = temp_beside(&path).unwrap();
        temp.write_all(b"half").unwrap();
        assert!(!path.exists());
        assert_eq!(
            remove_leftovers(dir.path()).unwrap(),
            0,
            "it is being written"
        );
        drop(temp);
        // A file that a run leaves after kill -9.
        fs::File::create(dir.path().join(".callpipe-Ab1def.tmp")).unwrap();
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 1);
        write_atomic(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn only_what_could_be_ours_is_taken_for_a_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            ".callpipe-env",
            ".callpipe-abcdef",
            ".callpipe-abc.tmp",
            ".callpipe-abcdefg.tmp",
            ".callpipe-ab-def.tmp",
            ".callpipe-Ab1def.tmp",
        ];
        for name in all {
            fs::File::create(dir.path().join(name)).unwrap();
        }
        fs::create_dir(dir.path().join(".callpipe-abcdef.tmp")).unwrap();
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 1);
        assert!(!dir.path().join(".callpipe-Ab1def.tmp").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), all.len());
    }

    #[test]
    fn a_file_that_is_replaced_passes_on_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        write_atomic(&path, b"1").unwrap();
        assert_eq!(mode(), 0o600);
        for kept in [0o640, 0o604] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            write_atomic(&path, b"2").unwrap();
            assert_eq!(mode(), kept);
            let temp = temp_beside(&path).unwrap();
            let open = temp.as_file().metadata().unwrap().mode() & 0o777;
            assert_eq!(open & !kept, 0, "nobody else reads it meanwhile: {open:o}");
            commit(temp, &path).unwrap();
            assert_eq!(mode(), kept);
        }
        write_private(&path, b"3").unwrap();
        assert_eq!(mode(), 0o600);
        // A symbolic link has a mode, too, but the new file does not get it.
        fs::remove_file(&path).unwrap();
        symlink("none", &path).unwrap();
        commit(temp_beside(&path).unwrap(), &path).unwrap();
        assert_eq!(mode() & 0o111, 0);
    }

    #[test]
    fn a_link_leads_to_what_does_not_exist_yet() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        symlink("b", at("a")).unwrap();
        symlink("./c", at("b")).unwrap();
        assert_eq!(real(&at("a")), at("c"));
        write_atomic(&at("c"), b"").unwrap();
        assert_eq!(real(&at("a")), at("c"));
        symlink("loop", at("loop")).unwrap();
        assert_eq!(real(&at("loop")), at("loop"));
    }

    #[test]
    fn the_owner_of_a_file_that_is_replaced_stays_where_that_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, from) = (dir.path().join("x"), dir.path().join("from"));
        // Only the superuser may change the owner of a file.
        for write in [&|| write_atomic(&path, b"2") as anyhow::Result<()>, &|| {
            write_private(&from, b"2")?;
            commit_path(&from, &path)
        }] as [&dyn Fn() -> anyhow::Result<()>; 2]
        {
            write_private(&path, b"1").unwrap();
            let is_given = std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).is_ok();
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            write().unwrap();
            let now = fs::metadata(&path).unwrap();
            assert_eq!(
                (fs::read(&path).unwrap(), now.mode() & 0o777),
                (b"2".to_vec(), 0o640)
            );
            assert_eq!(now.uid() == 65_534 && now.gid() == 65_534, is_given);
            assert!(!from.exists());
            remove(&path).unwrap();
        }
        let none = commit_path(&from, &path).unwrap_err();
        assert!(none.to_string().ends_with("/x"), "{none}");
    }

    #[test]
    fn a_new_file_is_for_its_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let temp = temp_beside(&dir.path().join("x")).unwrap();
        assert_eq!(temp.as_file().metadata().unwrap().mode() & 0o777, PRIVATE);
    }

    #[test]
    fn only_what_is_too_long_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        cut_back(&path, 3).unwrap();
        assert!(!path.exists());
        write_atomic(&path, b"12345").unwrap();
        for (length, left) in [(9, "12345"), (3, "123"), (3, "123")] {
            cut_back(&path, length).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), left);
        }
    }

    #[test]
    fn what_is_not_there_is_removed_and_what_cannot_be_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        remove(&dir.path().join("none")).unwrap();
        let error = remove(dir.path()).unwrap_err();
        assert!(error.to_string().starts_with("removing "), "{error}");
        assert!(dir.path().exists());
    }

    #[test]
    fn a_disk_has_a_size_and_at_most_so_much_space() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("x");
        let (free, all) = (free_space(&here).unwrap(), disk_size(&here).unwrap());
        assert!(1 < free && free <= all, "{free} of {all}");
    }

    #[test]
    fn a_directory_is_made_with_its_parents_and_a_name_without_one_is_here() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        create_parent(&path).unwrap();
        create_parent(&path).unwrap();
        assert!(dir.path().join("a/b").is_dir() && !path.exists());
        assert_eq!(directory_of(Path::new("x")), Path::new("."));
        assert_eq!(directory_of(Path::new("/x")), Path::new("/"));
        write_atomic(&path, b"").unwrap();
        assert!(create_directory(&path).is_err());
        sync_each(&[&path, dir.path()]).unwrap();
        let none = dir.path().join("none");
        for count in [1, 30] {
            let error = sync_each(&vec![none.as_path(); count]).unwrap_err();
            assert!(error.to_string().ends_with("/none"), "{error}");
        }
        sync_each(&[]).unwrap();
    }

    #[test]
    fn leftovers_beside_a_file_are_removed_and_files_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join(".callpipe-Ab1def.tmp");
        for tidy in [&|| tidy(dir.path()), &|| tidy_beside(&dir.path().join("x"))] as [&dyn Fn(); 2]
        {
            fs::File::create(&leftover).unwrap();
            tidy();
            assert!(!leftover.exists());
        }
        fs::File::create(&leftover).unwrap();
        // Only the superuser may change the owner of a file.
        if std::os::unix::fs::chown(&leftover, Some(65_534), None).is_ok() {
            tidy(dir.path());
            assert!(leftover.exists());
        }
    }

    #[test]
    fn a_file_in_a_linked_directory_is_beside_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        assert_eq!(real(&at("link/none")), at("real/none"));
        create_directory(Path::new("")).unwrap();
    }
}
