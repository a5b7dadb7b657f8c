//! The output of lines, the messages and the report of a run, and its end.

use std::fs::{self, File};

use super::{THREADS, two_lines, unzip};
use crate::harness::{scratch, shell};
use crate::zips::{Member, zip};

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let dir = scratch();
    let text = "{\"a\":1}\n".repeat(1 << 20);
    fs::write(
        dir.path().join("x.zip"),
        zip(&[Member::new("m.json", text)]),
    )
    .unwrap();
    for threads in THREADS {
        let script = format!("unzip-jsonl {threads} --report r.json x.zip | head -1; cat r.json");
        let ran = shell(&script).dir(dir.path()).run();
        ran.check(0, "{\"a\":1}\n[..]the reader closed stdout[..]\n", "");
    }
}

#[test]
fn a_full_disk_is_local_io_whatever_else_is_wrong() {
    let dir = scratch();
    let bad = zip(&[Member::new("m.json", "{\"a\":1}\nbad\n")]);
    let full = "unzip-jsonl: stdout: No space left on device (os error 28)\n";
    let said = format!("unzip-jsonl: bad.zip:m.json:2: not a JSON object\n{full}");
    let files = [("x.zip", two_lines()), ("bad.zip", bad)];
    for (file, stderr) in [("x.zip", full), ("bad.zip", said.as_str())] {
        for threads in THREADS {
            let program = unzip(dir.path(), &files).variants([""; 0]);
            let ran = program.args([threads, file]).with(|command| {
                command.stdout(File::options().write(true).open("/dev/full").unwrap());
            });
            ran.check(74, "", stderr);
        }
    }
}

#[test]
fn output_is_complete_or_absent() {
    let dir = scratch();
    let bad = zip(&[Member::new("m.json", "{\"a\":1}\nbad\n")]);
    let files = [("x.zip", two_lines()), ("bad.zip", bad)];
    unzip(dir.path(), &files)
        .args(["-o", "out", "bad.zip", "none.zip"])
        .fails(
            74,
            "unzip-jsonl: bad.zip:m.json:2: not a JSON object\n\
         unzip-jsonl: none.zip: [..]\n\
         unzip-jsonl: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n\
         unzip-jsonl: 1 of 2 ZIPs could not be read\n",
        );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    unzip(dir.path(), &[])
        .args(["-o", "out", "x.zip"])
        .prints("");
    assert_eq!(
        fs::read_to_string(dir.path().join("out")).unwrap(),
        "{\"a\":1}\n{\"a\":2}\n"
    );
}

#[test]
fn the_report_counts() {
    let dir = scratch();
    let members = [
        Member::stored("d/", ""),
        Member::new("a.json", "{\"a\":1}\n\nbad\n"),
        Member::new("b.json", "{}"),
        Member::new("c.wav", "RIFF"),
        Member::new("d.csv", "x"),
    ];
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .args([
            "--report",
            "-",
            "-o",
            "out",
            "--max-bad",
            "2",
            "--member",
            "*.[jw]*",
        ])
        .args(["x.zip", "none.zip"])
        .run();
    assert_eq!(
        ran.stderr(),
        "unzip-jsonl: x.zip:a.json:3: not a JSON object\n\
         unzip-jsonl: none.zip: No such file or directory (os error 2)\n\
         unzip-jsonl: 1 recording skipped; --wav-dir DIR keeps them\n\
         unzip-jsonl: 1 of 2 ZIPs could not be read\n"
    );
    let report = &ran.ends(74).records()[0];
    for (name, value) in [
        ("zips", 2),
        ("unreadable", 1),
        ("members", 2),
        ("skipped", 1),
        ("recordings", 0),
        ("recordings_skipped", 1),
        ("lines", 2),
        ("bytes", 12),
        ("rejected", 1),
        ("status", 74),
    ] {
        assert_eq!(report[name], value, "{name}");
    }
}
