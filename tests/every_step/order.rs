//! The order of a commit, read from the system calls of a run: data to the disk,
//! the name, the directory to the disk, and only then a note that counts on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::strace::Call;

/// How temporary files begin.
const TEMP: &str = ".callpipe-";

/// Names of states: what is renamed to one of them is a note.
pub const STATES: [&str; 3] = ["vg.state", "vg.next", "dialpad.state"];

/// Events in a ledger that say that something is on the disk.
const EVENTS: [&str; 2] = ["page", "fetched"];

/// The files that are not yet on the disk.
#[derive(Default)]
struct Pending {
    /// Files that the program opened by their names and wrote to, and where in the trace.
    data: BTreeMap<PathBuf, usize>,
    /// Names that their directories have not brought to the disk.
    names: BTreeMap<PathBuf, usize>,
    /// The same of files and directories that were made, which only a note counts on.
    made: BTreeMap<PathBuf, usize>,
    opened: BTreeSet<PathBuf>,
}

/// What is out of order in a run that came to its end and found `there` when it
/// began, by the paths from `site`.
pub fn violations(calls: &[Call], site: &Path, there: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = Pending::default();
    for (call, is_end) in in_time(calls) {
        // A write counts from its beginning, a sync and a name from its end.
        let counts_at_end = ["fsync", "fdatasync", "rename", "open"];
        let counts_at_end = counts_at_end.iter().any(|name| call.name.starts_with(name));
        if is_end != counts_at_end || !call.succeeded || !is_ours(call, site) {
            continue;
        }
        let label = call.label(site);
        match (call.name.as_str(), call.paths.as_slice()) {
            ("open" | "openat", [path]) => {
                let is_there = there.iter().any(|name| site.join(name) == *path);
                let is_known = is_there || !pending.opened.insert(path.clone());
                if call.text.contains("O_CREAT") && !is_known && !is_lock(path) {
                    pending.made(path, call);
                }
            }
            ("fsync" | "fdatasync", [path]) => pending.synced(path, call),
            ("write" | "pwrite64" | "writev" | "copy_file_range", [path, ..]) => {
                if is_ledger(path) {
                    if notes(call) {
                        found.extend(pending.unsafe_for(&label, site));
                    }
                } else {
                    pending.data.insert(path.clone(), call.began);
                }
            }
            ("rename" | "renameat" | "renameat2", [from, to]) => {
                if pending.data.remove(from).is_some() && !is_temp(to) {
                    found.push(format!("{label} comes before its data are on the disk"));
                }
                if STATES.iter().any(|state| to.ends_with(state)) {
                    found.extend(pending.unsafe_for(&label, site));
                }
                if !is_temp(to) {
                    pending.names.insert(to.clone(), call.ended);
                }
            }
            ("mkdir" | "mkdirat" | "link" | "linkat", [.., path]) => pending.made(path, call),
            _ => {}
        }
    }
    found.extend(unsynced("the end", "the name", pending.names.keys(), site));
    found
}

/// Beginnings and ends of calls in the order of the trace.
fn in_time(calls: &[Call]) -> impl Iterator<Item = (&Call, bool)> {
    let moments = |call: &Call| [(call.began, false), (call.ended, true)];
    let mut all: Vec<_> = calls
        .iter()
        .enumerate()
        .flat_map(|(index, call)| moments(call).map(|(at, is_end)| (at, is_end, index)))
        .collect();
    all.sort_unstable();
    all.into_iter()
        .map(|(_, is_end, index)| (&calls[index], is_end))
}

impl Pending {
    fn made(&mut self, path: &Path, call: &Call) {
        if !is_temp(path) {
            self.made.insert(path.to_owned(), call.ended);
        }
    }

    fn synced(&mut self, path: &Path, call: &Call) {
        let is_open = |at: &usize| *at >= call.began;
        self.data.retain(|known, at| known != path || is_open(at));
        for names in [&mut self.names, &mut self.made] {
            names.retain(|name, at| name.parent() != Some(path) || is_open(at));
        }
    }

    /// What a note must not count on.
    fn unsafe_for(&self, note: &str, site: &Path) -> Vec<String> {
        // A temporary file has no name to count on; nobody counts on what the
        // program did not open by its name, or on an older generation.
        let data = self.data.keys().filter(|path| !is_temp(path));
        let data = data.filter(|path| self.opened.contains(*path) && !self.is_replaced(path));
        let mut found = unsynced(note, "the data of", data, site);
        let names = self.names.keys().chain(self.made.keys());
        found.extend(unsynced(note, "the name", names, site));
        found
    }

    /// Whether it is a numbered file, and one with a higher number was opened, too.
    fn is_replaced(&self, path: &Path) -> bool {
        let number = |path: &Path| path.extension()?.to_str()?.parse::<u64>().ok();
        let is_newer = |other: &&PathBuf| {
            other.with_extension("") == path.with_extension("") && number(other) > number(path)
        };
        number(path).is_some() && self.opened.iter().any(|other| is_newer(&other))
    }
}

fn unsynced<'a>(
    note: &str,
    what: &str,
    paths: impl Iterator<Item = &'a PathBuf>,
    site: &Path,
) -> Vec<String> {
    let short = |path: &'a PathBuf| path.strip_prefix(site).unwrap_or(path);
    paths
        .map(|path| {
            format!(
                "{note} comes before {what} {} is on the disk",
                short(path).display()
            )
        })
        .collect()
}

fn is_lock(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "lock")
}

fn is_ours(call: &Call, site: &Path) -> bool {
    call.paths.iter().all(|path| path.starts_with(site))
}

fn is_temp(path: &Path) -> bool {
    let mut names = path.iter().map(|name| name.to_string_lossy());
    names.any(|name| name.starts_with(TEMP))
}

fn is_ledger(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "ledger.ndjson")
}

fn notes(call: &Call) -> bool {
    let said = |event: &str| call.text.contains(&format!(r#"\"event\":\"{event}\""#));
    EVENTS.iter().any(|event| said(event))
}

#[cfg(test)]
mod tests {
    use super::super::strace::parse;
    use super::*;

    const GOOD: &str = r#"
7 write(3</s/.callpipe-a.tmp>, "records", 7) = 7
7 fsync(3</s/.callpipe-a.tmp>) = 0
7 renameat(AT_FDCWD</s>, "/s/.callpipe-a.tmp", AT_FDCWD</s>, "d/list") = 0
7 fsync(3</s/d> <unfinished ...>
8 write(5</s/zips/ledger.ndjson>, "{\"event\":\"creating\"}\n", 21) = 21
7 <... fsync resumed>) = 0
7 write(4</s/zips/ledger.ndjson>, "{\"event\":\"fetched\"}\n", 20) = 20
7 fdatasync(4</s/zips/ledger.ndjson>) = 0
7 openat(AT_FDCWD</s>, "x/vg.state.seen.1", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 3</s/x/vg.state.seen.1>
7 write(3</s/x/vg.state.seen.1>, "x", 1) = 1
7 fdatasync(3</s/x/vg.state.seen.1>) = 0
7 fsync(3</s/x>) = 0
7 write(3</s/.callpipe-b.tmp>, "{}", 2) = 2
7 fsync(3</s/.callpipe-b.tmp>) = 0
7 renameat(AT_FDCWD</s>, "/s/.callpipe-b.tmp", AT_FDCWD</s>, "vg.state") = 0
7 fsync(3</s>) = 0
7 write(1<pipe:[77]>, "x", 1) = 1
"#;

    fn found(trace: &str) -> Vec<String> {
        let site = Path::new("/s");
        violations(&parse(trace.trim_start(), site), site, &[])
    }

    #[test]
    fn a_commit_in_order_has_no_fault() {
        assert_eq!(found(GOOD), [""; 0]);
    }

    #[test]
    fn each_sync_that_is_left_out_is_a_fault() {
        let lines: Vec<&str> = GOOD.trim().lines().collect();
        let is_sync = |line: &&&str| line.contains("sync(") && !line.contains("ledger");
        let left_out: Vec<_> = lines.iter().filter(is_sync).collect();
        assert_eq!(left_out.len(), 6);
        for left_out in left_out {
            let others = lines.iter().filter(|line| *line != left_out);
            let others: Vec<&str> = others.copied().collect();
            assert!(!found(&others.join("\n")).is_empty(), "{left_out}");
        }
    }

    #[test]
    fn a_sync_that_began_before_the_write_does_not_count() {
        let late = GOOD.replacen("records", "re", 1).replacen(
            "7 renameat",
            "7 write(3</s/.callpipe-a.tmp>, \"cords\", 5) = 5\n7 renameat",
            1,
        );
        assert_eq!(
            found(&late),
            ["renameat 1 [.callpipe-a.tmp -> d/list] comes before its data are on the disk"]
        );
    }

    #[test]
    fn a_note_before_the_sync_has_ended_is_a_fault() {
        let early = GOOD.replace("creating", "fetched");
        assert_eq!(
            found(&early),
            ["write 1 [zips/ledger.ndjson] comes before the name d/list is on the disk"]
        );
    }
}
