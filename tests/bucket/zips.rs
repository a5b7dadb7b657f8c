//! ZIPs in a bucket, read by `unzip-jsonl` as if they were on the disk.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bucket::service::{Bucket, Fault, SECRET};
use crate::harness::{Program, Ran, memory, program};
use crate::site::Site;
use crate::zips::{Member, zip};

/// Two ZIPs on the disk and in a bucket, and the lines that name them there.
fn site() -> (Site, Bucket, Vec<Value>) {
    let (site, bucket) = (Site::new(), Bucket::start());
    let plan = site.plan("2026-11-10T00:00:00Z", "2026-11-14T00:00:00Z", &[]);
    let lines = site.fetch(&plan).run().ends(0).records();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let path = line["path"].as_str().unwrap();
        bucket.write_bytes(path, fs::read(site.path(path)).unwrap());
    }
    (site, bucket, lines)
}

fn address(line: &Value) -> String {
    format!("s3://bucket/{}", line["path"].as_str().unwrap())
}

fn unzip(site: &Site, bucket: &Bucket) -> Program {
    program("unzip-jsonl")
        .dir(site.dir.path())
        .envs(bucket.env())
        .args(["--backoff", "10ms", "--read-timeout", "20s"])
}

fn local(site: &Site, lines: &[Value]) -> String {
    let paths = lines.iter().map(|line| line["path"].as_str().unwrap());
    let ran = program("unzip-jsonl").dir(site.dir.path()).args(paths);
    ran.run().ends(0).stdout()
}

#[test]
fn arguments_and_lines_name_them() {
    let (site, bucket, lines) = site();
    let truth = local(&site, &lines);
    assert!(!truth.is_empty());
    let named = |args: &[&str]| {
        let zips = lines.iter().map(address);
        unzip(&site, &bucket)
            .args(zips)
            .args(args)
            .run()
            .ends(0)
            .stdout()
    };
    assert_eq!(named(&[]), truth);
    assert_eq!(named(&["--threads", "3"]), truth);
    let text: String = lines
        .iter()
        .map(|line| {
            let mut line = line.clone();
            line["path"] = address(&line).into();
            format!("{line}\n")
        })
        .collect();
    let ran = unzip(&site, &bucket).stdin(&text).run().ends(0);
    assert_eq!(ran.stdout(), truth);
    let wrapped = unzip(&site, &bucket).stdin(&text).arg("--with-source");
    let wrapped = wrapped.run().ends(0).records();
    assert_eq!(wrapped[0]["source"], address(&lines[0]).as_str());
    assert_eq!(wrapped.last().unwrap()["export"]["group"], "acme");
    // One here, one there.
    let mixed = unzip(&site, &bucket)
        .arg(lines[0]["path"].as_str().unwrap())
        .arg(address(&lines[1]));
    assert_eq!(mixed.run().ends(0).stdout(), truth);
}

#[test]
fn whatever_fails_on_the_way_every_line_comes_once() {
    let (site, bucket, lines) = site();
    let truth = local(&site, &lines);
    for fault in [
        Fault::Refused(500, "InternalError"),
        Fault::Refused(503, "SlowDown"),
        Fault::Cut,
        Fault::Lost,
    ] {
        for at in 1..=2 {
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let zips = lines.iter().map(address);
            let ran = unzip(&site, &bucket).args(zips).run().ends(0);
            assert_eq!(ran.stdout(), truth, "{fault:?} {at}");
        }
    }
}

#[test]
fn a_body_that_is_cut_off_is_read_again() {
    let (site, bucket, lines) = site();
    bucket.faults(|number, _| (number == 1).then_some(Fault::HalfABody));
    let ran = unzip(&site, &bucket).arg(address(&lines[0])).run().ends(0);
    assert_eq!(ran.stdout(), local(&site, &lines[..1]));
    assert_eq!(bucket.requests().len(), 2);
}

#[test]
fn one_that_cannot_be_read_is_said() {
    let (site, bucket, lines) = site();
    let first = local(&site, &lines[..1]);
    let run = |second: &str, args: &[&str]| -> Ran {
        let run = unzip(&site, &bucket).arg(address(&lines[0]));
        run.arg(second).args(args).run()
    };
    // As one that is missing on the disk: the others are read.
    let absent = program("unzip-jsonl").arg("absent").run().status();
    let missing = run("s3://bucket/absent.zip", &[]);
    assert_eq!(missing.status(), absent);
    assert_eq!(missing.stdout(), first);
    let said = missing.stderr();
    assert!(
        said.contains("s3://bucket/absent.zip: no such object"),
        "{said}"
    );
    // A service that fails is no damage to the ZIP.
    bucket.faults(|number, _| (number > 1).then_some(Fault::Refused(503, "SlowDown")));
    let down = run(&address(&lines[1]), &["--tries", "2"]).ends(75);
    assert_eq!(down.stdout(), first);
    bucket.faults(|_, _| None);
    bucket.accept(&[]);
    let refused = run(&address(&lines[1]), &[]).ends(77);
    assert!(!refused.stderr().contains(SECRET), "{}", refused.stderr());
    let full = unzip(&site, &bucket).args(["--spool-dir", "absent"]);
    bucket.accept(&["AKTEST"]);
    bucket.ignore_ranges();
    let full = full.arg(address(&lines[0])).run().ends(74);
    assert!(
        full.stderr().contains("see --spool-dir"),
        "{}",
        full.stderr()
    );
    assert_eq!(
        fs::read_dir(site.dir.path()).unwrap().count(),
        1,
        "the ZIPs"
    );
}

/// The bytes that a reader asks for at once.
const BLOCK: usize = 2 << 20;

/// A ZIP of several blocks, with many members.
fn long() -> Vec<u8> {
    of_members(40)
}

/// A ZIP with so many members of 0.8 MiB.
fn of_members(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut dice = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let members: Vec<Member> = (0..count)
        .map(|_| {
            let line = |n: usize| {
                let noise: String = (0..60).map(|_| format!("{:016x}", dice())).collect();
                format!("{{\"n\":{n},\"noise\":\"{noise}\"}}\n")
            };
            Member::new("m.json", (0..1000).map(line).collect::<String>())
        })
        .collect();
    zip(&members)
}

/// A long ZIP as object and as file, the program for the object, and what it should print.
fn long_site() -> (Site, Bucket, Vec<u8>, String) {
    let (site, bucket, bytes) = (Site::new(), Bucket::start(), long());
    assert!(bytes.len() > 9 * BLOCK, "{}", bytes.len());
    fs::write(site.path("x.zip"), &bytes).unwrap();
    bucket.write_bytes("x.zip", bytes.clone());
    let truth = program("unzip-jsonl").arg(site.path("x.zip")).run().ends(0);
    (site, bucket, bytes, truth.stdout())
}

const LONG: &str = "s3://bucket/x.zip";

#[test]
pub fn a_long_one_is_read_in_parts_without_a_copy() {
    let (site, bucket, bytes, truth) = long_site();
    for threads in ["1", "3"] {
        let condition = bucket.read_condition();
        bucket.faults(move |_, request| {
            let is_first = request
                .header("range")
                .is_some_and(|one| one.starts_with("bytes=0-"));
            let is_bound = is_first || request.header(condition).is_some();
            (!is_bound).then_some(Fault::Refused(400, "NoCondition"))
        });
        let ran = unzip(&site, &bucket).args(["--spool-dir", "absent", "--threads", threads]);
        let mut child = ran.arg(LONG).spawn();
        // Whatever it does ahead of its reader, it does.
        let mut requests = 0;
        while requests < bucket.requests().len() {
            requests = bucket.requests().len();
            thread::sleep(Duration::from_millis(300));
        }
        let (seen, _) = memory::read(&mut child, truth.len());
        assert!(seen == truth.as_bytes());
        let blocks = bytes.len().div_ceil(BLOCK);
        let requests = bucket.requests().len();
        assert!(requests <= blocks + 1, "{requests} for {blocks}");
    }
    // Of one member no more than its part is read.
    bucket.faults(|_, _| None);
    let ran = unzip(&site, &bucket).args(["--member", "none", LONG]);
    assert_eq!(ran.run().ends(0).stdout(), "");
    assert!(bucket.requests().len() <= 2, "{:?}", bucket.requests());
}

#[test]
fn whatever_fails_in_a_part_every_line_comes_once() {
    let (site, bucket, _, truth) = long_site();
    for fault in [
        Fault::Refused(503, "SlowDown"),
        Fault::Cut,
        Fault::Lost,
        Fault::HalfABody,
    ] {
        for at in 1..=4 {
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let ran = unzip(&site, &bucket).arg(LONG).run().ends(0);
            assert!(ran.stdout() == truth, "{fault:?} {at}");
        }
    }
    bucket.faults(|number, _| (number > 2).then_some(Fault::Refused(403, "AccessDenied")));
    for threads in ["1", "3"] {
        let ran = unzip(&site, &bucket).args([LONG, "--threads", threads]);
        let ran = ran.run().ends(77);
        assert!(truth.starts_with(&ran.stdout()));
    }
}

#[test]
pub fn one_that_is_replaced_while_it_is_read_is_an_error() {
    let (site, bucket, bytes, truth) = long_site();
    let write = bucket.writer();
    bucket.faults(move |number, _| {
        if number == 3 {
            write("x.zip", bytes.clone());
        }
        None
    });
    let ran = unzip(&site, &bucket).arg(LONG).run().ends(75);
    assert!(truth.starts_with(&ran.stdout()));
    let said = ran.stderr();
    assert!(
        said.contains("s3://bucket/x.zip: the object was replaced"),
        "{said}"
    );
}

#[test]
fn one_whose_service_ignores_ranges_is_copied() {
    let (site, bucket, _, truth) = long_site();
    bucket.ignore_ranges();
    bucket.faults(|_, _| None);
    let ran = unzip(&site, &bucket).arg(LONG).run().ends(0);
    assert!(ran.stdout() == truth);
    assert_eq!(bucket.requests().len(), 1);
}

/// ZIPs with so many members each, in a bucket, and what the program should print.
fn several(counts: &[usize]) -> (Site, Bucket, Vec<String>, String) {
    let (site, bucket) = (Site::new(), Bucket::start());
    let mut local = program("unzip-jsonl").dir(site.dir.path());
    let mut urls = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        let (name, bytes) = (format!("{at}.zip"), of_members(*count));
        fs::write(site.path(&name), &bytes).unwrap();
        bucket.write_bytes(&name, bytes);
        urls.push(format!("s3://bucket/{name}"));
        local = local.arg(name);
    }
    let truth = local.run().ends(0).stdout();
    (site, bucket, urls, truth)
}

#[test]
fn those_that_follow_are_requested_ahead_and_come_in_their_order() {
    for is_stdin in [false, true] {
        let (site, bucket, urls, truth) = several(&[1; 9]);
        let lines: String = urls
            .iter()
            .map(|url| format!("{{\"path\":\"{url}\"}}\n"))
            .collect();
        bucket.faults(|number, _| (2..=4).contains(&number).then_some(Fault::Held));
        let ran = unzip(&site, &bucket);
        let child = match is_stdin {
            true => ran.stdin(&lines).spawn(),
            false => ran.args(&urls).spawn(),
        };
        for _ in 2..=4 {
            let told = bucket.kills.recv_timeout(Duration::from_secs(60));
            told.expect("three requests before the first of them has a reply");
        }
        bucket.release();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success() && ran.stdout == truth.as_bytes());
        assert_eq!(bucket.requests().len(), urls.len());
    }
    let (site, bucket, urls, truth) = several(&[1; 9]);
    // The last reply to arrive is of the ZIP whose turn is first.
    bucket.faults(|number, _| {
        let is_late = number > 1 && number % 3 == 2;
        is_late.then_some(Fault::Slow(Duration::from_millis(300)))
    });
    let ran = unzip(&site, &bucket).args(&urls).run().ends(0);
    assert!(ran.stdout() == truth);
}

#[test]
fn those_that_follow_take_little_memory() {
    // Of each kind: one request, two, and blocks; and a long one after small ones.
    for counts in [
        &[2; 9][..],
        &[4; 9],
        &[8; 6],
        &[14; 3],
        &[1, 1, 1, 1, 1, 40, 1],
    ] {
        let (site, bucket, urls, truth) = several(counts);
        for (threads, mib) in [("1", 40), ("2", 56)] {
            bucket.faults(|_, _| None);
            let ran = unzip(&site, &bucket)
                .args(["--threads", threads])
                .args(&urls);
            let (seen, peak) = memory::read(&mut ran.spawn(), truth.len());
            assert!(peak <= mib << 10, "{counts:?}, {threads}: {peak} KiB");
            assert!(seen == truth.as_bytes());
        }
    }
}

#[test]
fn an_empty_one_is_what_an_empty_file_is() {
    let (site, bucket) = (Site::new(), Bucket::start());
    fs::write(site.path("empty"), "").unwrap();
    bucket.write("empty", "");
    let local = program("unzip-jsonl").arg(site.path("empty")).run();
    let ran = unzip(&site, &bucket).arg("s3://bucket/empty").run();
    assert_eq!(ran.status(), local.status());
    assert!(
        ran.stderr().contains("empty, not a ZIP"),
        "{}",
        ran.stderr()
    );
}
