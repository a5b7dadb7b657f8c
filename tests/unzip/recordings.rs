//! Members that are recordings.

use std::fs;

use super::unzip;
use crate::harness::scratch;
use crate::zips::{Member, zip};

#[test]
fn recordings_become_files_and_a_line_each() {
    let dir = scratch();
    let name = "acme-prod~1f~1763012220333~a.1763.b.wav";
    let members = [
        Member::new(&format!("exports/_/date=2025-11-13-05/{name}"), "RIFF one"),
        Member::new(&format!("../../{name}"), "RIFF two"),
        Member::new("/etc/X.WAV", ""),
        Member::new("a.json", "{}"),
    ];
    let files = [("x.zip", zip(&members))];
    let run = || {
        let ran = unzip(dir.path(), &files)
            .args(["--wav-dir", "w/av", "x.zip"])
            .run()
            .ends(0);
        assert_eq!(ran.stderr(), "");
        ran.stdout()
    };
    let first = run();
    let lines: Vec<_> = first.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            "{{\"path\":\"w/av/{name}\",\"bytes\":8,\
             \"sha256\":\"92afe841073926b01e0fe1b1aa0decb811059321b79da633a8b9f27832d321f6\",\
             \"group\":\"acme-prod\",\"account\":\"1f\",\"timestamp\":\"1763012220333\",\
             \"dialog_id\":\"a.1763.b\",\"source\":\"x.zip\",\
             \"member\":\"exports/_/date=2025-11-13-05/{name}\"}}"
        )
    );
    assert!(lines[2].starts_with("{\"path\":\"w/av/X.WAV\",\"bytes\":0,"));
    assert!(lines[2].contains("\"group\":null,"));
    assert_eq!(lines[3], "{}");
    for (line, bytes) in lines.iter().zip(["RIFF one", "RIFF two", ""]) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = dir.path().join(record["path"].as_str().unwrap());
        assert_eq!(fs::read_to_string(path).unwrap(), bytes);
    }
    assert_eq!(run(), first);
    assert_eq!(fs::read_dir(dir.path().join("w/av")).unwrap().count(), 3);
}

#[test]
fn a_damaged_recording_leaves_no_file() {
    let dir = scratch();
    let members = [Member::new("x.wav", "RIFF").crc(1), Member::new("a", "{}")];
    unzip(dir.path(), &[("x.zip", zip(&members))])
        .args(["--wav-dir=.", "--max-bad=1", "x.zip"])
        .run()
        .check(
            0,
            "{}\n",
            "unzip-jsonl: x.zip:x.wav: its checksum is [..], the directory says 00000001\n",
        );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
