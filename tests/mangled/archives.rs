//! Mangled ZIPs, read by us, by Python and by libarchive: who accepts one reads the same.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::mangled;
use crate::harness::{program, scratch};
use crate::zips::{Member, zip};

const SEEDS: u64 = 150;

/// A line for each archive: its lines, or null if Python refuses it or a name is another one.
const PYTHON: &str = "
import json, sys, zipfile
names = ['a.json', 'b.json', 'c.json']
for number in range(int(sys.argv[1])):
    lines = None
    try:
        with zipfile.ZipFile(f'{number}.zip') as z:
            if z.namelist() == names:
                lines = [line for name in names for line in z.read(name).decode().splitlines()]
    except Exception:
        pass
    print(json.dumps(lines))
";

/// The lines that libarchive reads; `None` if it refuses the archive.
fn by_libarchive(directory: &std::path::Path, name: &str) -> Option<Vec<String>> {
    let bsdtar = |flags: &str| {
        let mut command = Command::new("bsdtar");
        command.args([flags, name]).current_dir(directory);
        command.output().ok().filter(|ran| ran.status.success())
    };
    let names = bsdtar("-tf")?.stdout;
    let ran = bsdtar("-xOf").filter(|_| names == b"a.json\nb.json\nc.json\n")?;
    let text = String::from_utf8(ran.stdout).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn three_readers_read_the_same() {
    let record = |n| format!("{{\"message_type\":\"a\",\"n\":{n}}}\n");
    let members = [
        Member::new("a.json", record(1).repeat(20)),
        Member::stored("b.json", record(2) + &record(3)),
        Member::new("c.json", record(4)).descriptor(),
    ];
    let whole = zip(&members);
    let dir = scratch();
    for seed in 0..SEEDS {
        let bytes = if seed == 0 {
            whole.clone()
        } else {
            mangled(&whole, seed)
        };
        fs::write(dir.path().join(format!("{seed}.zip")), bytes).unwrap();
    }
    let python = program("python3").args(["-I", "-S", "-c", PYTHON, &SEEDS.to_string()]);
    let theirs = python.dir(dir.path()).run().ends(0).lines();
    let mut counts = [0; 2];
    for (seed, python) in (0..SEEDS).zip(&theirs) {
        let name = format!("{seed}.zip");
        let ran = program("unzip-jsonl").arg(&name).dir(dir.path()).run();
        if ran.status() != 0 {
            continue;
        }
        let ours = ran.lines();
        if let Ok(Value::Array(lines)) = serde_json::from_str(python) {
            assert_eq!(ours, lines, "{name} by Python");
            counts[0] += 1;
        }
        if let Some(lines) = by_libarchive(dir.path(), &name) {
            assert_eq!(ours, lines, "{name} by libarchive");
            counts[1] += 1;
        }
    }
    assert!(counts[0] > 1, "{counts:?}");
}
