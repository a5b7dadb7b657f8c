//! The moment when the files of a ZIP get their names in a directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::parcel::{Parcel, PublishStatus, Published};
use super::partition::Spill;
use crate::os::deferred_signals::DeferredSignals;
use crate::os::files;
use crate::os::unsynced;

/// The directory of a file and its parents, up to the output directory.
const LEVELS: usize = 4;

/// Gives all of them their names, or none.
pub(super) fn publish(
    root: &Path,
    mut parcels: Vec<Parcel>,
    spill: &mut Spill,
    deferred: Option<&DeferredSignals>,
) -> anyhow::Result<Vec<Published>> {
    stage(root, &mut parcels, spill)?;
    let mut name_them = || {
        // Of two runs that unpack the same ZIP one is first. Where the file system
        // knows no locks they are merely unlikely to do it in the same moment.
        let lock = File::open(root);
        let _ = lock.as_ref().map(File::lock);
        let mut new = Vec::new();
        let named = name_all(root, &mut parcels, spill, &mut new);
        if named.is_err() {
            for path in new {
                let _ = unsynced::remove(&path);
            }
        }
        named
    };
    match deferred {
        Some(deferred) => deferred.hold(name_them),
        None => name_them(),
    }
}

fn name_all(
    root: &Path,
    parcels: &mut [Parcel],
    spill: &mut Spill,
    new: &mut Vec<PathBuf>,
) -> anyhow::Result<Vec<Published>> {
    // What may fail for want of room comes before any file has its name.
    stage(root, parcels, spill)?;
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
    let mut published = Vec::new();
    for parcel in parcels {
        let (path, status) = match (present(root, parcel, spill), &parcel.staged) {
            (None, Some(staged)) => {
                let [file, _] = parcel.files(spill.compresses());
                let path = root.join(file);
                unsynced::rename(staged, &path)
                    .with_context(|| format!("writing {}", path.display()))?;
                new.push(path.clone());
                (path, PublishStatus::Written)
            }
            (path, _) => {
                spill.remove(&parcel.partition);
                let path = path.with_context(|| {
                    let [file, _] = parcel.files(spill.compresses());
                    format!("{} vanished", root.join(file).display())
                })?;
                (path, PublishStatus::Kept)
            }
        };
        published.push(parcel.line(path.to_string_lossy().into_owned(), status));
    }
    let changed: Vec<&Path> = changed.iter().map(PathBuf::as_path).collect();
    files::sync_each(&changed)?;
    Ok(published)
}

/// Writes the missing files to the disk, without their names.
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

/// The same contents, as an earlier run left them, compressed or not.
fn present(root: &Path, parcel: &Parcel, spill: &Spill) -> Option<PathBuf> {
    let files = parcel.files(spill.compresses()).map(|file| root.join(file));
    files.into_iter().find(|path| path.exists())
}
