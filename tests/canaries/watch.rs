//! The arguments of all processes, looked at again and again while a test runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::SECRETS;

/// Looks until it is told to end.
pub struct Watch {
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<(u64, Vec<String>)>,
}

impl Watch {
    pub fn start() -> Watch {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let looking = thread::spawn(move || {
            let (mut looks, mut found) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                let (count, seen) = look();
                looks += count;
                found.extend(seen);
                thread::sleep(Duration::from_millis(3));
            }
            (looks, found)
        });
        Watch { is_over, looking }
    }

    /// Fails if an argument held a secret.
    #[track_caller]
    pub fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let (looks, found) = self.looking.join().unwrap();
        assert!(looks > 0, "no process was seen");
        assert_eq!(found, [""; 0], "secrets in arguments");
    }
}

/// How many processes of the suite there are, and the command lines with secrets.
fn look() -> (u64, Vec<String>) {
    let (mut count, mut found) = (0, Vec::new());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let program = line.split(' ').next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        if !["ocp-", "export-", "vg-", "dialpad-", "unzip-", "cdr-"]
            .iter()
            .any(|name| program.starts_with(name))
        {
            continue;
        }
        count += 1;
        if SECRETS.iter().any(|(_, secret)| line.contains(secret)) {
            found.push(line);
        }
    }
    (count, found)
}
