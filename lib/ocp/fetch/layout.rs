//! Where ZIPs lie: `DIR/<group>/<from>_<to>/<export_id>-p0001.zip`, with names
//! that are safe whatever a group or the service is called.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

use crate::digest;
use crate::ocp::ledger::{History, Record, State};
use crate::ocp::order::Order;
use crate::store;

/// The longest name that common file systems take is 255 bytes; this leaves
/// room for a suffix.
const LONGEST: usize = 200;

/// The directory of an order, below the directory of downloads.
pub(super) fn directory(order: &Order) -> String {
    format!(
        "{}/{}_{}",
        safe(&order.group),
        order.window.from().hour_name(),
        order.window.to().hour_name()
    )
}

/// The file of a page, below the directory of downloads.
pub(super) fn file(order: &Order, export_id: &str, page_number: u64) -> String {
    format!(
        "{}/{}-p{page_number:04}.zip",
        directory(order),
        safe(export_id)
    )
}

/// A name as one component of a path: letters, digits and `._-` stay, all other
/// bytes become `%XX`, so that two names never meet in one.
fn safe(name: &str) -> String {
    let mut safe = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if is_plain && !(at == 0 && matches!(byte, b'.' | b'-')) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    if safe.len() > LONGEST {
        safe.truncate(LONGEST - 17);
        safe.push('~');
        safe.push_str(&digest::sha256(name.as_bytes())[..16]);
    }
    safe
}

/// Clears away what earlier runs left: files that were never completed, and the
/// pages of exports that have a complete successor.
pub(super) fn tidy(out_dir: &Path, history: &History) -> anyhow::Result<()> {
    for (order, record) in history.records() {
        let directory = out_dir.join(directory(order));
        if !directory.is_dir() {
            continue;
        }
        store::remove_leftovers(&directory)
            .with_context(|| format!("tidying {}", directory.display()))?;
        if matches!(&record.state, State::Named(export) if export.fetched) {
            remove_ended(out_dir, order, record)?;
        }
    }
    Ok(())
}

/// Removes the pages of an order's ended exports. Only when a successor is
/// complete: until then they are all that there is of the data.
pub(super) fn remove_ended(out_dir: &Path, order: &Order, record: &Record) -> anyhow::Result<()> {
    if record.ended.is_empty() {
        return Ok(());
    }
    let directory = out_dir.join(directory(order));
    let place = || format!("tidying {}", directory.display());
    let prefixes: Vec<String> = record
        .ended
        .iter()
        .map(|id| format!("{}-p", safe(id)))
        .collect();
    for entry in fs::read_dir(&directory).with_context(place)? {
        let entry = entry.with_context(place)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".zip") && prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable_and_inside() {
        assert_eq!(safe("acme-prod"), "acme-prod");
        assert_eq!(safe(".."), "%2E.");
        assert_eq!(safe("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(safe("a b/ü"), "a%20b%2F%C3%BC");
        assert_eq!(safe(&"x".repeat(300)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn two_names_never_meet(a in ".{1,80}", b in ".{1,80}") {
            for name in [&a, &b] {
                let safe = safe(name);
                prop_assert!(!safe.contains(['/', '\0']) && safe != "." && safe != "..");
                prop_assert!(safe.len() <= LONGEST);
            }
            prop_assert_eq!(a == b, safe(&a) == safe(&b));
        }
    }
}
