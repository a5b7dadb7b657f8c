//! The memory of a program that runs, held to the bounds of docs/speed.md. They are bounds of a
//! release build with the pages of its file. A build for tests has more of these pages, so a test
//! takes the most memory besides them, and adds what `scripts/bench unzip` allows a release build.

use std::fs;
use std::io::Read;
use std::process::Child;

/// The pages of the file of a release build and of the libraries of the system that are in memory,
/// in KiB.
const PAGES: u64 = 8 << 10;

/// The most memory that a process had so far as a release build, in KiB.
pub fn peak(child: &Child) -> u64 {
    peak_in(&fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap())
}

/// The same, from the text of `/proc/PID/status`.
pub fn peak_in(status: &str) -> u64 {
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse::<u64>().unwrap()
    };
    kib("VmHWM:") - kib("RssFile:") + PAGES
}

/// Reads `size` bytes, which is all that a program prints. Returns them, and the most memory of
/// the program until only 2 MiB were left, of which a pipe holds one.
pub fn read(child: &mut Child, size: usize) -> (Vec<u8>, u64) {
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = vec![0; size - (2 << 20)];
    stdout.read_exact(&mut seen).unwrap();
    let peak = peak(child);
    stdout.read_to_end(&mut seen).unwrap();
    assert_eq!(seen.len(), size);
    assert!(child.wait().unwrap().success());
    (seen, peak)
}
