//! unzip-jsonl with several threads: the order, the memory, and how it ends.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{memory, program, scratch, shell};
use crate::unzip::unzip;
use crate::zips::{Member, zip};

const SEVERAL: [&str; 2] = ["--threads=2", "--threads=4"];

/// As many lines as fit into `size` bytes, but one at least.
fn lines(member: usize, size: usize) -> String {
    let pad = "0".repeat(980);
    let line = |n| format!("{{\"member\":{member},\"line\":{n},\"pad\":\"{pad}\"}}\n");
    (0..(size / 1024).max(1)).map(line).collect()
}

/// Members of such sizes, and their lines.
fn members(sizes: &[usize]) -> (Vec<Member>, String) {
    let texts = sizes.iter().enumerate().map(|(n, size)| lines(n, *size));
    let texts: Vec<_> = texts.collect();
    let members = texts.iter().map(|text| Member::new("m.json", text));
    (members.collect(), texts.concat())
}

#[test]
fn many_tiny_members_of_several_zips_stay_in_order() {
    let dir = scratch();
    let line = |n: &usize| format!("{{\"n\":{n}}}\n");
    let numbers: Vec<usize> = (0..200_000).collect();
    let names = ["a.zip", "b.zip", "c.zip", "d.zip"];
    let tiny = |n: &usize| Member::stored(&n.to_string(), line(n));
    let zips = numbers
        .chunks(50_000)
        .map(|part| zip(&part.iter().map(tiny).collect::<Vec<_>>()));
    let files: Vec<_> = names.into_iter().zip(zips).collect();
    let program = unzip(dir.path(), &files).variants(SEVERAL);
    let ran = program.args(names).run().ends(0);
    assert!(ran.stdout() == numbers.iter().map(line).collect::<String>());
}

/// Tiny members, which are unpacked together; larger ones, which are proven before
/// they leave; and such as leave in pieces; of each some that are damaged.
#[test]
fn members_of_all_sizes_stay_in_order_whatever_is_wrong_with_some() {
    let dir = scratch();
    let (mut members, mut good) = (Vec::new(), String::new());
    for n in 0..200 {
        let kind = n % 100;
        let text = lines(
            n,
            match kind {
                10 | 30 => 2 << 20,
                20 | 40 => 5 << 20,
                _ => 1,
            },
        );
        let member = Member::new("m.json", &text);
        members.push(match kind {
            30 | 31 | 40 => member.crc(1),
            50 => member.encrypted(),
            60 => Member::new("m.json", format!("{text}no record {n}\n")),
            70 => Member::new("m.json", text.trim_end()),
            _ => member,
        });
        if ![30, 31, 40, 50].contains(&kind) {
            good += &text;
        }
    }
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .args(["x.zip", "--rejects=bad.ndjson", "--report=report.json"])
        .run()
        .ends(65);
    assert!(ran.stderr().contains("10 bad records"), "{}", ran.stderr());
    // Of a member that leaves in pieces some leave before the damage is seen.
    let damaged = ["{\"member\":40,", "{\"member\":140,"];
    let is_good = |line: &&str| !damaged.iter().any(|start| line.starts_with(start));
    let stdout = ran.stdout();
    assert!(stdout.lines().filter(is_good).eq(good.lines()));
    assert!(stdout.lines().count() > good.lines().count() + 2);
}

#[test]
fn a_refused_line_is_kept_whole_however_long_it_is() {
    let dir = scratch();
    let long = "no-record-".repeat(100_000);
    let text = format!("{{}}\n{long}\n{{}}\nshort\n{{}}\n");
    unzip(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", text)]))],
    )
    .args(["x.zip", "--rejects=bad.ndjson", "--max-bad=2", "-q"])
    .prints("{}\n{}\n{}\n");
    let rejects = fs::read_to_string(dir.path().join("bad.ndjson")).unwrap();
    let raw = rejects.lines().map(|line| {
        let reject: serde_json::Value = serde_json::from_str(line).unwrap();
        reject["raw"].as_str().unwrap().to_owned()
    });
    assert!(raw.eq([long.as_str(), "short"]));
}

/// The reader makes the second input only when it has the first one's output.
#[test]
fn what_is_read_leaves_before_a_slow_input_is_waited_for() {
    let dir = scratch();
    let (members, expected) = members(&[100 << 10; 10]);
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    shell("mkfifo p").dir(dir.path()).prints("");
    for threads in ["--threads=1", "--threads=2"] {
        for unzip in ["unzip-jsonl x.zip p", "cat p | unzip-jsonl x.zip -"] {
            // The rest fits into a pipe.
            let first = expected.len() - 10_000;
            let script = format!(
                "unzip-jsonl() {{ timeout 30 unzip-jsonl {threads} \"$@\"; }}
                 {unzip} | {{ head -c {first}; timeout 30 sh -c 'cat x.zip >p'; cat; }} | wc -c"
            );
            let twice = 2 * expected.len();
            shell(&script).dir(dir.path()).prints(&format!("{twice}\n"));
        }
    }
}

#[test]
fn a_reader_that_leaves_in_the_middle_ends_it_quietly() {
    let dir = scratch();
    let (members, _) = members(&[100 << 10; 100]);
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    for threads in SEVERAL {
        let script = format!(
            "timeout 30 unzip-jsonl {threads} --report r.json x.zip x.zip |
                 {{ head -c 300000 >/dev/null; }}
             cat r.json"
        );
        let ran = shell(&script).dir(dir.path()).run();
        ran.check(0, "[..]the reader closed stdout[..]\n", "");
    }
}

/// It waits for its reader to read; what it could do until then is done.
fn stalled(dir: &Path, threads: &str) -> Child {
    let child = program("unzip-jsonl")
        .dir(dir)
        .args([threads, "x.zip"])
        .spawn();
    let is_asleep = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        tasks.flatten().all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('S'))
        })
    };
    let began = Instant::now();
    let mut asleep = 0;
    while asleep < 20 {
        assert!(began.elapsed() < Duration::from_secs(60), "it never waits");
        thread::sleep(Duration::from_millis(5));
        asleep = if is_asleep() { asleep + 1 } else { 0 };
    }
    child
}

#[test]
fn a_slow_reader_finds_all_of_it_and_no_more_in_memory() {
    let dir = scratch();
    let mut sizes = vec![4 << 20; 8];
    sizes.push(16 << 20);
    let (members, expected) = members(&sizes);
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    for (threads, mib) in [("--threads=1", 16), ("--threads=2", 24)] {
        let mut child = stalled(dir.path(), threads);
        let (seen, peak) = memory::read(&mut child, expected.len());
        assert!(peak <= mib << 10, "{threads}: {peak} KiB");
        assert!(seen == expected.as_bytes());
    }
}

#[test]
fn a_signal_ends_it_however_much_is_on_its_way() {
    let dir = scratch();
    let (members, _) = members(&[1 << 20; 16]);
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let mut child = stalled(dir.path(), "--threads=2");
        shell(&format!("kill -{name} {}", child.id())).prints("");
        assert_eq!(child.wait().unwrap().signal(), Some(number));
    }
}

#[test]
fn a_full_disk_leaves_no_half_recordings() {
    let dir = scratch();
    let mut members = vec![Member::new("m.json", lines(1, 1 << 20))];
    members.extend((0..20).map(|n| Member::new(&format!("{n}.wav"), vec![n; 1 << 20])));
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    for threads in SEVERAL {
        let program = program("unzip-jsonl").dir(dir.path());
        let program = program.args([threads, "--wav-dir=wav", "x.zip"]);
        let ran = program.with(|command| {
            command.stdout(File::options().write(true).open("/dev/full").unwrap());
        });
        let full = "unzip-jsonl: stdout: No space left on device (os error 28)\n";
        ran.check(74, "", full);
        assert_eq!(fs::read_dir(dir.path().join("wav")).unwrap().count(), 0);
    }
}

#[test]
fn there_is_at_least_one_thread() {
    for threads in ["0", "65", "x", "-1"] {
        program("unzip-jsonl")
            .arg(format!("--threads={threads}"))
            .fails(
                2,
                &format!(
                    "unzip-jsonl: invalid value '{threads}' for '--threads <N>': [..]\n\n[..]\n"
                ),
            );
    }
}
