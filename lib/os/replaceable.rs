//! Finds files that a rename cannot replace, before anything is written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error;
use crate::os::files::{directory_of, replaced};

/// Refuses a file that a rename cannot or should not replace, with status 2: a mount point, a file
/// that the system protects, and a file with several names (hard links), because only one of the
/// names would get the new content. Missing files and files that are not regular are allowed.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let Some(file) = replaced(path) else {
        return Ok(());
    };
    let obstacles = Obstacles::of(path, &file);
    let why = if obstacles.is_mount_point {
        "it is a mount point, which cannot be replaced: mount its directory instead".to_owned()
    } else if obstacles.is_protected {
        "it is append-only or immutable (lsattr)".to_owned()
    } else if file.nlink() > 1 {
        format!(
            "it has {} names (hard links), and only this one would change: use another file, or \
             remove the other names",
            file.nlink()
        )
    } else {
        return Ok(());
    };
    Err(error::usage(format!("{}: {why}", path.display())))
}

/// The properties that prevent even the owner from replacing a file.
#[derive(Default)]
struct Obstacles {
    is_mount_point: bool,
    is_protected: bool,
}

impl Obstacles {
    /// The obstacles that the kernel reports.
    #[cfg(target_os = "linux")]
    fn of(path: &Path, file: &fs::Metadata) -> Obstacles {
        use rustix::fs::{AtFlags, CWD, StatxAttributes as Attributes, StatxFlags, statx};
        let Ok(known) = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) else {
            return Obstacles::default();
        };
        let has = |attributes| known.stx_attributes.intersects(attributes);
        Obstacles {
            is_protected: has(Attributes::IMMUTABLE | Attributes::APPEND),
            // Before Linux 5.8, a mount point is recognised only by a device number that differs
            // from the number of its directory. On an overlay file system, a different number does
            // not prove a mount point.
            is_mount_point: match known.stx_attributes_mask.contains(Attributes::MOUNT_ROOT) {
                true => has(Attributes::MOUNT_ROOT),
                false => fs::metadata(directory_of(path))
                    .is_ok_and(|directory| directory.dev() != file.dev()),
            },
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_: &Path, _: &fs::Metadata) -> Obstacles {
        Obstacles::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::os::files::write_atomic;

    #[test]
    fn a_file_with_two_names_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        check(&path).unwrap();
        write_atomic(&path, b"").unwrap();
        check(&path).unwrap();
        fs::hard_link(&path, dir.path().join("y")).unwrap();
        let error = check(&path).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
    }
}
