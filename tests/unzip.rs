//! unzip-jsonl: what goes in, what comes out.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;

use crate::harness::{Program, bin_dir, program, scratch, shell};
use crate::zips::{Member, zip};

/// What the program does it does with any number of threads.
pub const THREADS: [&str; 3] = ["--threads=1", "--threads=2", "--threads=4"];

/// The program in a directory that holds these files.
pub fn unzip(dir: &Path, files: &[(&str, Vec<u8>)]) -> Program {
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    program("unzip-jsonl").dir(dir).variants(THREADS)
}

/// A pipeline with the program in a directory.
fn unzip_shell(dir: &Path, script: &str) -> Program {
    let function = "unzip-jsonl() { command unzip-jsonl \"$0\" \"$@\"; }";
    let script = format!("{function}\n{script}");
    shell(&script).dir(dir).variants(THREADS)
}

fn two_lines() -> Vec<u8> {
    zip(&[Member::new("a.json", "{\"a\":1}\n{\"a\":2}\n")])
}

#[test]
fn members_leave_in_order_and_only_a_missing_newline_is_added() {
    let dir = scratch();
    let members = [
        Member::stored("exports/_/", ""),
        Member::new("z/no-newline.json", "{\"a\":1}\n{\"a\":2}"),
        Member::new("crlf.json", "{\"a\":3}\r\n{\"a\":4}\r\n"),
        Member::new("bom.json", "\u{feff}{\"a\":5}\n"),
        Member::new("blank.json", "\n {\"a\":6} \n\n\n{\"a\":7}\n  "),
        Member::new("empty.json", ""),
        Member::new("no-directory/", "{\"d\":1}\n"),
        Member::stored("stored.json", "{\"a\":8}\n"),
        Member::new("descriptor.json", "{\"a\":9}\n").descriptor(),
        Member::new("../../ελ.json", "{\"a\":\"ελ\"}"),
    ];
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .arg("x.zip")
        .run()
        .ends(0);
    let expected = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\r\n{\"a\":4}\r\n{\"a\":5}\n\
        \n {\"a\":6} \n\n\n{\"a\":7}\n  \n{\"d\":1}\n{\"a\":8}\n{\"a\":9}\n{\"a\":\"ελ\"}\n";
    assert_eq!(ran.stdout(), expected);
    assert_eq!(ran.stderr(), "");
}

#[test]
fn a_byte_order_mark_does_not_leave_and_is_counted() {
    let dir = scratch();
    let members = [
        Member::new("a.json", "\u{feff}{\"a\":1}\n{\"a\":2}\n\u{feff}{\"a\":3}"),
        Member::new("b.json", "\u{feff}"),
        Member::new("c.json", "\u{feff}\n\u{feff}{\"a\":4}\nbad\n"),
    ];
    let files = [("x.zip", zip(&members))];
    let args = [
        "--report=report",
        "--rejects=bad",
        "--max-bad=1",
        "-q",
        "x.zip",
    ];
    unzip(dir.path(), &files)
        .args(args)
        .prints("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n\n{\"a\":4}\n");
    let report = fs::read_to_string(dir.path().join("report")).unwrap();
    assert!(report.contains("\"boms\":5,"), "{report}");
    let bad = fs::read_to_string(dir.path().join("bad")).unwrap();
    assert!(bad.contains("\"line\":3,\"offset\":15,"), "{bad}");
}

#[test]
fn with_too_many_bad_records_the_good_ones_are_all_in_the_output_file() {
    let dir = scratch();
    let bytes = "{\"a\":1}\nbad\n{\"a\":2}\n";
    let files = [("x.zip", zip(&[Member::new("m.json", bytes)]))];
    let args = ["-q", "--rejects=bad", "-o", "out", "x.zip"];
    unzip(dir.path(), &files).args(args).run().ends(65);
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("out"), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(read("bad").lines().count(), 1);
    // A ZIP that cannot be read may hold good ones.
    fs::remove_file(dir.path().join("out")).unwrap();
    unzip(dir.path(), &files)
        .args(args)
        .arg("none.zip")
        .run()
        .ends(74);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn stdin_that_is_named_is_a_zip_with_other_bytes_in_front_too() {
    let dir = scratch();
    let lines = "{\"a\":1}\n{\"a\":2}\n";
    let prefixed = [b"#!/bin/sh\n", &two_lines()[..]].concat();
    fs::write(dir.path().join("x.zip"), prefixed).unwrap();
    fs::write(dir.path().join("y.zip"), two_lines()).unwrap();
    for script in [
        "unzip-jsonl x.zip",
        "unzip-jsonl - < x.zip",
        "cat x.zip | unzip-jsonl -",
        "echo '{\"path\":\"y.zip\"}' | unzip-jsonl -",
        "(echo '{}'; cat y.zip) > z.zip; unzip-jsonl - < z.zip",
    ] {
        unzip_shell(dir.path(), script).prints(lines);
    }
}

#[test]
fn stdin_that_does_not_wait_is_waited_for() {
    let zipped = two_lines();
    let lines = b"{\"a\":1}\n{\"a\":2}\n".to_vec();
    for (name, args, input) in [
        ("unzip-jsonl", &[][..], zipped.clone()),
        ("unzip-jsonl", &["-"], zipped),
        ("cdr-filter", &["."], lines.clone()),
        ("cdr-filter", &["--threads=2", ".a > 0"], lines.clone()),
    ] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let mut child = Command::new(bin_dir().join(name));
        let child = child.args(args).stdin(reader).stdout(Stdio::piped());
        let child = child.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        writer.write_all(&input).unwrap();
        drop(writer);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout),
            (Some(0), lines.clone()),
            "{name}"
        );
    }
}

#[test]
fn members_of_one_name_are_all_printed() {
    let dir = scratch();
    let members = [1, 2].map(|n| Member::new("same.json", format!("{{\"n\":{n}}}\n")));
    unzip(dir.path(), &[("x.zip", zip(&members))])
        .arg("x.zip")
        .prints("{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn what_other_writers_make_is_read() {
    let script = "
import struct, sys, zipfile, zlib
unicode_path = struct.pack('<HHBI', 0x7075, 5 + 7, 1, zlib.crc32(b'd_.json')) + 'é.json'.encode()
with zipfile.ZipFile(sys.stdout.buffer, 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('a.json', b'{\"a\":1}\\n')
    for name in ['b.json', 'c.json']:
        with z.open(name, 'w', force_zip64=True) as f: f.write(b'{\"b\":1}')
    renamed = zipfile.ZipInfo('d_.json')
    renamed.extra = unicode_path
    z.writestr(renamed, b'{\"d\":1}\\n')
";
    let dir = scratch();
    fs::write(dir.path().join("make.py"), script).unwrap();
    shell("python3 make.py >x.zip").dir(dir.path()).prints("");
    unzip_shell(
        dir.path(),
        "unzip-jsonl <x.zip
         cat x.zip | unzip-jsonl --with-source --member 'é.json'",
    )
    .prints(
        "{\"a\":1}\n{\"b\":1}\n{\"b\":1}\n{\"d\":1}\n\
         {\"source\":\"stdin\",\"member\":\"é.json\",\"line\":1,\"record\":{\"d\":1}}\n",
    );
}

#[test]
fn member_takes_those_that_match_across_directories() {
    let dir = scratch();
    let members = ["x/dialog_end/1.json", "x/dialog_step/2.json", "audit.json"]
        .map(|name| Member::new(name, format!("{{\"m\":\"{name}\"}}")));
    let files = [("x.zip", zip(&members))];
    unzip(dir.path(), &files)
        .args([
            "--member",
            "*dialog_end*",
            "--member",
            "a?dit.json",
            "x.zip",
        ])
        .prints("{\"m\":\"x/dialog_end/1.json\"}\n{\"m\":\"audit.json\"}\n");
    unzip(dir.path(), &files)
        .args(["--member", "*.csv", "--skip-code", "99", "x.zip"])
        .fails(99, "unzip-jsonl: --member *.csv: no member matches\n");
    unzip(dir.path(), &files)
        .args(["--member", "[", "x.zip"])
        .fails(
            2,
            "unzip-jsonl: invalid value '[' for '--member <GLOB>': [..]\n\n\
         For more information, try '--help'.\n",
        );
}

#[test]
fn with_source_wraps_each_record_with_its_place() {
    let dir = scratch();
    let members = [Member::new(
        "d/\"q\".json",
        "\u{feff}{\"a\":1.10}\r\n\n {\"a\":2}",
    )];
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .args(["--with-source", "x.zip"])
        .run()
        .ends(0);
    let place = r#"{"source":"x.zip","member":"d/\"q\".json","line":"#;
    assert_eq!(
        ran.stdout(),
        format!("{place}1,\"record\":{{\"a\":1.10}}}}\n{place}3,\"record\":{{\"a\":2}}}}\n")
    );
    assert_eq!(ran.stderr(), "");
}

#[test]
fn with_source_says_where_a_zip_of_an_export_ends() {
    let dir = scratch();
    let record = [Member::new("a.json", "{\"a\":1}\n{\"a\":2}\n")];
    let recording = [Member::new("b.wav", "RIFF")];
    let mut damaged = zip(&record);
    let at = damaged
        .windows(6)
        .position(|name| name == b"a.json")
        .unwrap()
        + 8;
    damaged[at] ^= 0xff;
    let files = [
        ("1.zip", zip(&record)),
        ("2.zip", zip(&[])),
        ("3.zip", zip(&recording)),
        ("4.zip", damaged),
    ];
    const EXPORT: &str = r#""group":"g","types":["t"],"from":"2026-11-01T00:00:00Z","to":"2026-11-01T01:00:00Z","export_id":"e""#;
    let named = |n: u8| {
        format!("{{{EXPORT},\"page_number\":{n},\"pages\":4,\"path\":\"{n}.zip\",\"mine\":1}}\n")
    };
    let end = |n: u8, records: u8| {
        format!(
            "{{\"source\":\"{n}.zip\",\"records\":{records},\"export\":{{{EXPORT},\"page_number\":{n},\"pages\":4}}}}"
        )
    };
    let ends = |input: &str, more: &[&str]| -> Vec<String> {
        let ran = unzip(dir.path(), &files).args(more).stdin(input).run();
        let lines = ran.stdout();
        let lines = lines.lines().filter(|line| line.contains("\"export\":"));
        lines.map(str::to_owned).collect()
    };
    let all: String = (1..=4).map(named).collect();
    for threads in ["1", "3"] {
        let more = ["--with-source", "--threads", threads];
        // A recording that was skipped, and what is damaged, are not all of their ZIPs.
        assert_eq!(ends(&all, &more), [end(1, 2), end(2, 0)]);
        let more = [&more[..], &["--wav-dir", "w"]].concat();
        assert_eq!(ends(&all, &more), [end(1, 2), end(2, 0), end(3, 0)]);
    }
    // Nor are ZIPs of which --member chose a part. Files of a lake have lines of their own.
    for more in [
        &["--with-source", "--member", "*"][..],
        &["--with-source", "--layout", "duckdb", "--out-dir", "lake"],
        &[],
    ] {
        assert_eq!(ends(&named(1), more), [""; 0], "{more:?}");
    }
    let of_none = format!("{{{EXPORT},\"pages\":0}}");
    assert_eq!(
        ends(&of_none, &["--with-source"]),
        [format!(
            "{{\"source\":null,\"records\":0,\"export\":{of_none}}}"
        )]
    );
    unzip(dir.path(), &files).stdin(&of_none).prints("");
    // A ZIP of which only the path is known, and one without a line.
    unzip(dir.path(), &files)
        .args(["--with-source"])
        .stdin("{\"path\":\"2.zip\"}\n")
        .prints("");
    unzip(dir.path(), &files)
        .args(["--with-source", "2.zip"])
        .prints("");
}

#[test]
fn bad_lines_are_kept_apart_with_their_place() {
    let dir = scratch();
    let bytes = b"{\"a\":1}\nnot json\r\n{\"a\":2}\n{\"x\":\"\xff\"}\n[1]\n{\"a\":3}\n{\"a\":";
    let files = [("x.zip", zip(&[Member::new("m.json", bytes)]))];
    let good = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    let said = "unzip-jsonl: x.zip:m.json:2: not a JSON object\n\
        unzip-jsonl: x.zip:m.json:4: not UTF-8\n\
        unzip-jsonl: x.zip:m.json:5: not a JSON object\n\
        unzip-jsonl: x.zip:m.json:7: cut off: the JSON object has no end\n";
    let end = "unzip-jsonl: 4 bad records, 3 allowed (--max-bad)\n";
    unzip(dir.path(), &files)
        .args(["--rejects", "bad.ndjson", "--max-bad", "3", "x.zip"])
        .run()
        .check(65, good, &format!("{said}{end}"));
    let rejects = fs::read_to_string(dir.path().join("bad.ndjson")).unwrap();
    assert_eq!(
        rejects.lines().take(2).collect::<Vec<_>>(),
        [
            r#"{"source":"x.zip","member":"m.json","line":2,"offset":8,"error":"not a JSON object","raw":"not json"}"#,
            r#"{"source":"x.zip","member":"m.json","line":4,"offset":26,"error":"not UTF-8","raw_base64":"eyJ4Ijoi/yJ9"}"#,
        ]
    );
    unzip(dir.path(), &files)
        .args(["--max-bad", "4", "x.zip"])
        .run()
        .check(0, good, said);
}

#[test]
fn the_place_of_a_bad_line_counts_from_the_start_of_its_member() {
    let dir = scratch();
    let text = "{\"a\":1}\n".repeat(1 << 20) + "bad";
    unzip(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", text)]))],
    )
    .args(["--max-bad=1", "--rejects=bad.ndjson", "x.zip"])
    .run()
    .ends(0);
    assert_eq!(
        fs::read_to_string(dir.path().join("bad.ndjson")).unwrap(),
        "{\"source\":\"x.zip\",\"member\":\"m.json\",\"line\":1048577,\"offset\":8388608,\
         \"error\":\"not a JSON object\",\"raw\":\"bad\"}\n"
    );
}

#[test]
fn a_line_may_be_longer_than_any_buffer() {
    let dir = scratch();
    let long = format!("{{\"a\":\"{}\"}}", "é".repeat(10 << 20));
    let text = format!("{{\"first\":1}}\n{long}\n{{\"last\":1}}");
    let ran = unzip(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", &text)]))],
    )
    .arg("x.zip")
    .run()
    .ends(0);
    assert!(ran.stdout() == text + "\n");
}

#[test]
fn stdin_is_a_zip_or_lines_or_nothing() {
    let dir = scratch();
    let both = "{\"a\":1}\n{\"a\":2}\n";
    let files = [("x.zip", two_lines()), ("empty", Vec::new())];
    unzip(dir.path(), &files).stdin(two_lines()).prints(both);
    unzip(dir.path(), &[])
        .arg("-")
        .stdin(two_lines())
        .prints(both);
    unzip(dir.path(), &[]).stdin("").prints("");
    unzip(dir.path(), &[])
        .arg("--skip-code=99")
        .stdin("\n")
        .fails(99, "");
    for script in [
        "unzip-jsonl --spool-dir none <x.zip",
        "cat x.zip | unzip-jsonl --spool-dir .",
        "unzip-jsonl <(cat x.zip)",
        "printf '%s' '{\"path\":\"x.zip\",\"members\":1}' | unzip-jsonl",
        "unzip-jsonl <empty; unzip-jsonl x.zip",
    ] {
        unzip_shell(dir.path(), script).prints(both);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    unzip(dir.path(), &[])
        .arg("--spool-dir=none")
        .stdin(two_lines())
        .fails(
            74,
            "unzip-jsonl: copying a pipe to none (see --spool-dir): No such[..]\n",
        );
}

#[test]
fn a_line_without_a_path_is_refused_and_the_others_are_read() {
    let dir = scratch();
    let lines =
        "{\"path\":\"x.zip\"}\n\n{\"pth\":\"x.zip\"}\n{\"path\":1}\nx.zip\n{\"path\":\"x.zip\"}";
    unzip(dir.path(), &[("x.zip", two_lines())]).stdin(lines).run().check(
        65,
        "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n{\"a\":2}\n",
        "unzip-jsonl: stdin:3: neither a ZIP nor a JSON line with the path of one: it has no path[..]\n\
         unzip-jsonl: stdin:4: neither a ZIP nor a JSON line with the path of one: a number, not a string[..]\n\
         unzip-jsonl: stdin:5: neither a ZIP nor a JSON line with the path of one: expected value[..]\n\
         unzip-jsonl: 3 bad records, 0 allowed (--max-bad); --rejects FILE keeps them\n",
    );
}

#[test]
fn each_line_of_a_live_stream_is_served_at_once() {
    for threads in THREADS {
        live_stream(threads);
    }
}

fn live_stream(threads: &str) {
    let dir = scratch();
    fs::write(dir.path().join("x.zip"), two_lines()).unwrap();
    let mut child = Command::new(bin_dir().join("unzip-jsonl"))
        .arg(threads)
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || stdout.lines().try_for_each(|line| tx.send(line.unwrap())));
    for _ in 0..2 {
        stdin.write_all(b"{\"path\":\"x.zip\"}\n").unwrap();
        for line in ["{\"a\":1}", "{\"a\":2}"] {
            assert_eq!(rx.recv_timeout(Duration::from_secs(20)).unwrap(), line);
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

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

#[test]
fn a_person_at_a_terminal_is_told_what_to_give() {
    let script = "
import os, subprocess, sys
terminal = os.openpty()[1]
sys.exit(subprocess.run(['unzip-jsonl'], stdin=terminal).returncode)
";
    program("python3").args(["-c", script]).fails(
        2,
        "unzip-jsonl: nothing to read: stdin is a terminal; name ZIPs, or pipe one in \
         (--help shows examples)\n",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_record_comes_out_once(
        members in prop::collection::vec(("[a-z.~/]{1,12}", prop::collection::vec("\\{[a-z\u{e9}]{0,40}\\}", 0..6), any::<bool>()), 0..8),
    ) {
        let dir = scratch();
        let mut expected = String::new();
        let members: Vec<Member> = members
            .into_iter()
            .map(|(name, lines, ends)| {
                let mut text = lines.join("\n");
                expected += &text;
                if !text.is_empty() {
                    expected.push('\n');
                    text += if ends { "\n" } else { "" };
                }
                Member::new(&format!("{name}.json"), text)
            })
            .collect();
        let ran = unzip(dir.path(), &[("x.zip", zip(&members))]).arg("x.zip").run().ends(0);
        prop_assert_eq!(ran.stdout(), expected);
        prop_assert_eq!(ran.stderr(), "");
    }
}
