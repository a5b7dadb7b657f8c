//! Writes to the files of one directory that fail, once or for good: no acknowledged push is
//! lost, and no file with its final name is a part of one.
//!
//! strace fails calls by the names of files, and these have names of chance: a library that is
//! loaded into the receiver fails them by their directory. Needs a C compiler.
//! `CALLPIPE_CRASH=all` fails each write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::failures::check_files;
use super::served::Place;
use super::steps::{check, publish_rest, push_all, pushes, wait_until_published};
use crate::harness::scratch;

const ENOSPC: u32 = 28;
const EIO: u32 = 5;

/// The library; `None` where nothing compiles C.
fn library(directory: &Path) -> Option<PathBuf> {
    let library = directory.join("failing_write.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receive/failing_write.c");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .output();
    let is_compiled = match compiled {
        Err(_) => false,
        Ok(ran) if ran.status.success() => true,
        Ok(ran) => panic!("{}", String::from_utf8_lossy(&ran.stderr)),
    };
    let wanted = std::env::var("CALLPIPE_CRASH").unwrap_or_default();
    assert!(is_compiled || wanted != "all", "nothing compiles C here");
    is_compiled.then_some(library)
}

/// A write that fails.
#[derive(Clone, Copy, Debug)]
struct FailingWrite {
    /// In the directory of the receiver.
    directory: &'static str,
    nth: u64,
    error: u32,
    is_for_good: bool,
}

/// Whether this write was reached.
fn failed(library: &Path, write: FailingWrite) -> bool {
    let label = format!("{write:?}");
    let mut place = Place::new();
    let root = place.dir.path().canonicalize().unwrap();
    let log = root.join("failed");
    let mut words = vec![
        "env".to_owned(),
        format!("LD_PRELOAD={}", library.display()),
        format!("FAILING_DIRECTORY={}", root.join(write.directory).display()),
        format!("FAILING_FIRST={}", write.nth),
        format!("FAILING_ERRNO={}", write.error),
        format!("FAILING_LOG={}", log.display()),
    ];
    if write.is_for_good {
        words.push("FAILING_FOR_GOOD=1".to_owned());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut served = place.serve_under(&words).expect("it listens");
    let all = pushes();
    let statuses = push_all(served.port, &all);
    let known = [Some(200), Some(503)];
    assert!(
        statuses.iter().all(|status| known.contains(status)),
        "{label}: {statuses:?}"
    );
    // Recordings are written before the reply, all else after it.
    let is_refused = statuses.contains(&Some(503));
    assert!(
        !is_refused || write.directory == "ocp/recordings",
        "{label}: {statuses:?}"
    );
    match write.is_for_good {
        true => thread::sleep(Duration::from_millis(600)),
        false => wait_until_published(&mut served, &place, 8),
    }
    let failures = fs::read_to_string(&log).unwrap_or_default().lines().count();
    assert!(!served.has_ended(), "{label}: it goes on");
    served.terminate();
    let status = served.status();
    let is_left = write.is_for_good && failures > 0 && write.directory != "ocp/recordings";
    assert_eq!(status, Some(if is_left { 74 } else { 143 }), "{label}");
    for directory in ["ocp/lake", "ocp/recordings", "ocp/quarantine"] {
        check_files(&place.path(directory), &label);
    }
    let left: Vec<(&str, Vec<u8>)> = all
        .into_iter()
        .zip(statuses)
        .filter(|(_, status)| *status != Some(200))
        .map(|(push, _)| push)
        .collect();
    let served = place.serve();
    let again = push_all(served.port, &left);
    assert_eq!(again, vec![Some(200); left.len()], "{label}");
    served.stop();
    publish_rest(&mut place);
    check(&place, &label, 1);
    failures > 0
}

#[test]
fn r13_no_failed_write_to_a_file_on_its_way_loses_what_was_acknowledged() {
    let place = scratch();
    let Some(library) = library(place.path()) else {
        return;
    };
    let is_all = std::env::var("CALLPIPE_CRASH").is_ok_and(|wanted| wanted == "all");
    for directory in ["ocp/lake", "ocp/recordings", "ocp/quarantine"] {
        for (error, is_for_good) in [(ENOSPC, false), (EIO, true), (EIO, false), (ENOSPC, true)] {
            let write = |nth| FailingWrite {
                directory,
                nth,
                error,
                is_for_good,
            };
            let mut made = 0;
            while failed(&library, write(made + 1)) {
                made += 1;
                if !is_all {
                    break;
                }
            }
            assert!(made > 0, "{directory}: no write failed");
            if !is_all && is_for_good {
                break;
            }
        }
    }
}
