//! Gives the files of a ZIP their names in a directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::directory_notes::DirectoryNotes;
use super::parcel::{Parcel, PublishStatus, Published};
use super::partition::Spill;
use super::unlisted::{NotedZip, UnlistedZips};
use crate::os::deferred_signals::DeferredSignals;
use crate::os::files;
use crate::os::unsynced;

/// The number of directories from a file's own directory up to the output directory, both included.
const LEVELS: usize = 4;

/// Gives all files their names, or none of them. Before the first file gets its name, adds the ZIP
/// of the files to the notes, if there are notes.
pub(super) fn publish(
    root: &Path,
    mut parcels: Vec<Parcel>,
    mut noted: Option<(&mut UnlistedZips<DirectoryNotes>, NotedZip)>,
    spill: &mut Spill,
    deferred: Option<&DeferredSignals>,
) -> anyhow::Result<Vec<Published>> {
    stage(root, &mut parcels, spill)?;
    let mut name_them = || {
        // The lock lets two runs that unpack the same ZIP name their files one after the other. If
        // the file system has no locks, it can happen that both runs name files at the same time,
        // but this is unlikely.
        let lock = File::open(root);
        let _ = lock.as_ref().map(File::lock);
        // All work that can fail because the disk is full is done before the first file gets its
        // name.
        stage(root, &mut parcels, spill)?;
        let mut named = NewNames {
            changed: create_directories(root, &parcels, spill)?,
            new: Vec::new(),
            present: PublishStatus::Written,
        };
        let is_missing = |parcel: &Parcel| present(root, parcel, spill).is_none();
        let missing = parcels.iter().filter(|parcel| is_missing(parcel)).count();
        if let Some((notes, zip)) = &mut noted {
            named.present = notes.begin(zip, missing, parcels.len())?;
        }
        let published = name_all(root, &mut parcels, spill, &mut named);
        if published.is_err() {
            let gone = named.new.iter().all(|path| unsynced::remove(path).is_ok());
            if let Some((notes, _)) = &mut noted
                && gone
                && missing > 0
            {
                notes.take_back();
            }
        }
        published
    };
    match deferred {
        Some(deferred) => deferred.hold(name_them),
        None => name_them(),
    }
}

/// The directories to sync and the files that have got their names so far.
struct NewNames {
    /// The directories to sync.
    changed: BTreeSet<PathBuf>,
    new: Vec<PathBuf>,
    /// The status of files that existed before.
    present: PublishStatus,
}

/// Creates the directories of the missing files. Returns all directories that must be synced.
fn create_directories(
    root: &Path,
    parcels: &[Parcel],
    spill: &Spill,
) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut changed = BTreeSet::new();
    for parcel in parcels
        .iter()
        .filter(|parcel| present(root, parcel, spill).is_none())
    {
        let directory = parcel.directory(root);
        let place = || format!("creating {}", directory.display());
        unsynced::create_directories(&directory).with_context(place)?;
        changed.extend(directory.ancestors().take(LEVELS).map(Path::to_owned));
    }
    Ok(changed)
}

fn name_all(
    root: &Path,
    parcels: &mut [Parcel],
    spill: &Spill,
    named: &mut NewNames,
) -> anyhow::Result<Vec<Published>> {
    let mut published = Vec::new();
    for parcel in parcels {
        let (path, status) = match (present(root, parcel, spill), &parcel.staged) {
            (None, Some(staged)) => {
                let [file, _] = parcel.files(spill.compresses());
                let path = root.join(file);
                unsynced::rename(staged, &path)
                    .with_context(|| format!("writing {}", path.display()))?;
                named.new.push(path.clone());
                (path, PublishStatus::Written)
            }
            (path, _) => {
                spill.remove(&parcel.partition);
                let path = path.with_context(|| {
                    let [file, _] = parcel.files(spill.compresses());
                    format!("{} vanished", root.join(file).display())
                })?;
                (path, named.present)
            }
        };
        published.push(parcel.line(path.to_string_lossy().into_owned(), status));
    }
    let changed: Vec<&Path> = named.changed.iter().map(PathBuf::as_path).collect();
    files::sync_each(&changed)?;
    Ok(published)
}

/// Completes the missing files in the staging directory, and syncs them.
fn stage(root: &Path, parcels: &mut [Parcel], spill: &mut Spill) -> anyhow::Result<()> {
    let mut staged = Vec::new();
    for parcel in parcels {
        if parcel.staged.is_none() && present(root, parcel, spill).is_none() {
            let path = spill.complete(&mut parcel.partition)?;
            staged.push(&**parcel.staged.insert(path));
        }
    }
    files::sync_each(&staged)
}

/// The path in the lake of the parcel's file, compressed or not; `None` if the lake does not have
/// it.
fn present(root: &Path, parcel: &Parcel, spill: &Spill) -> Option<PathBuf> {
    let files = parcel.files(spill.compresses()).map(|file| root.join(file));
    files.into_iter().find(|path| path.exists())
}
