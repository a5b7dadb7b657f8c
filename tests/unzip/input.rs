//! ZIPs as arguments, as lines and as stdin.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::{THREADS, two_lines, unzip, unzip_shell};
use crate::harness::{bin_dir, program, scratch};

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
        "unzip-jsonl: stdin:3: neither a ZIP nor a JSON line with the path of a ZIP: it has no path[..]\n\
         unzip-jsonl: stdin:4: neither a ZIP nor a JSON line with the path of a ZIP: a number, not a string[..]\n\
         unzip-jsonl: stdin:5: neither a ZIP nor a JSON line with the path of a ZIP: expected value[..]\n\
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
