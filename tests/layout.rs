//! unzip-jsonl --layout: which record lies in which file.

mod listed;
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Program, Ran, program, scratch, shell};
use crate::unzip::unzip;
use crate::zips::{Member, zip};

/// 2026-11-01T00:00:00Z
const START: u64 = 1_793_491_200_000;
const HOUR: u64 = 3_600_000;
const UNKNOWN: &str = "__HIVE_DEFAULT_PARTITION__";

/// A record, `hour` hours after the start.
fn record(kind: &str, hour: u64, number: usize) -> String {
    let time = START + hour * HOUR + number as u64 % HOUR;
    format!("{{\"message_type\":\"{kind}\",\"time\":{time},\"n\":{number}, \"x\": 1.10}}\n")
}

/// The notes in a directory of ZIPs that no run has listed.
fn notes(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".unlisted")).collect()
}

/// The files below a directory that have a name, and the contents of each. Notes are no files.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
            if path.is_dir() {
                todo.push(path);
            } else if !notes(directory).iter().any(|note| note == name) {
                let bytes = fs::read(&path).unwrap();
                let text = match name.strip_suffix(".zst") {
                    None => bytes,
                    Some(_) => zstd::stream::decode_all(&bytes[..]).unwrap(),
                };
                files.insert(name.to_owned(), text);
            }
        }
    }
    files
}

/// The lines in each directory, those of a file in their order.
fn partitions(directory: &Path) -> BTreeMap<String, String> {
    let mut partitions: BTreeMap<String, String> = BTreeMap::new();
    for (name, bytes) in files(directory) {
        let (partition, _) = name.rsplit_once('/').unwrap();
        let lines = String::from_utf8(bytes).unwrap();
        *partitions.entry(partition.to_owned()).or_default() += &lines;
    }
    partitions
}

fn partition(kind: &str, date: &str, hour: &str) -> String {
    format!("message_type={kind}/date={date}/hour={hour}")
}

/// The program, told to write files to D.
fn filing(dir: &Path, zips: &[(&str, Vec<u8>)]) -> Program {
    unzip(dir, zips).args(["--layout", "duckdb", "--out-dir", "D"])
}

fn statuses(ran: &Ran) -> Vec<Value> {
    ran.records()
        .iter()
        .map(|line| line["status"].clone())
        .collect()
}

fn report(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("report")).unwrap()).unwrap()
}

/// Types and hours that alternate, over members of many sizes.
fn mixed() -> Vec<u8> {
    let kinds = ["dialog_start", "dialog_step", "dialog_end"];
    let pad = format!(", \"pad\": \"{}\"}}\n", "p".repeat(1000));
    let line = |n: usize| {
        let line = record(kinds[n % 3], (n / 7) as u64 % 20 * 2, n);
        if n.is_multiple_of(2) {
            line.replace("}\n", &pad)
        } else {
            line
        }
    };
    // The last but one is too large to be proven before it leaves.
    let sizes = [1, 10, 2000, 0, 3, 10_000, 200];
    let mut next = 0;
    let members = sizes.map(|size| {
        let numbers = next..next + size;
        next += size;
        Member::new("m.json", numbers.map(line).collect::<String>())
    });
    zip(&members)
}

#[test]
fn the_files_hold_what_stdout_would() {
    let dir = scratch();
    let plain = unzip(dir.path(), &[("x.zip", mixed())])
        .arg("x.zip")
        .run()
        .ends(0);
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for line in plain.stdout().split_inclusive('\n') {
        let record: Value = serde_json::from_str(line).unwrap();
        let hours = (record["time"].as_u64().unwrap() - START) / HOUR;
        let (date, hour) = (format!("2026-11-0{}", 1 + hours / 24), hours % 24);
        let kind = record["message_type"].as_str().unwrap();
        let partition = partition(kind, &date, &format!("{hour:02}"));
        *expected.entry(partition).or_default() += line;
    }
    assert_eq!(expected.len(), 60);
    for flags in [&[][..], &["--compress=zstd"]] {
        let ran = filing(dir.path(), &[])
            .args(flags)
            .arg("x.zip")
            .run()
            .ends(0);
        assert_eq!(ran.stderr(), "");
        assert!(partitions(&dir.path().join("D")) == expected, "{flags:?}");
        let total = |key: &str| -> u64 {
            let lines = ran.records();
            lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
        };
        assert_eq!(total("records"), plain.stdout().lines().count() as u64);
        assert_eq!(total("bytes"), plain.stdout().len() as u64);
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
}

#[test]
fn a_line_tells_of_each_file() {
    let dir = scratch();
    let lines = record("b", 25, 1) + &record("a", 7, 2) + &record("b", 25, 3) + "{\"n\":4}";
    let files = [("x y.zip", zip(&[Member::new("m.json", &lines)]))];
    let line = |path: &str, kind: Value, date: Value, hour: Value, records: u8, bytes: u64| {
        json!({"path": path, "message_type": kind, "date": date, "hour": hour, "records": records,
            "bytes": bytes, "status": "written", "source": "x y.zip"})
    };
    let long = record("a", 7, 2).len() as u64;
    let ran = filing(dir.path(), &files).arg("x y.zip").run().ends(0);
    let nowhere = partition(UNKNOWN, UNKNOWN, UNKNOWN);
    let a = "D/message_type=a/date=2026-11-01/hour=07/x%20y-779d8bc7c8c0f84b.ndjson";
    let b = "D/message_type=b/date=2026-11-02/hour=01/x%20y-cf5fc857d3a199e7.ndjson";
    let none = format!("D/{nowhere}/x%20y-adbd2d9224da7caf.ndjson");
    let expected = [
        line(&none, json!(null), json!(null), json!(null), 1, 8),
        line(a, json!("a"), json!("2026-11-01"), json!(7), 1, long),
        line(b, json!("b"), json!("2026-11-02"), json!(1), 2, 2 * long),
    ];
    assert_eq!(ran.records(), expected);
    // As export-fetch names ZIPs, and with the lines in a file.
    let again = filing(dir.path(), &[])
        .args(["-o", "list"])
        .stdin("{\"path\":\"x y.zip\",\"members\":1}\n");
    again.prints("");
    let list = fs::read_to_string(dir.path().join("list")).unwrap();
    assert_eq!(list.matches("\"kept\"").count(), 3);
}

#[test]
fn what_is_around_a_record_stays_but_for_what_duckdb_cannot_read() {
    let dir = scratch();
    let text = "\u{feff}{\"n\":1}\r\n\n  {\"n\":2} \n\r\n{\"n\":3}";
    let files = [("x.zip", zip(&[Member::new("m.json", text)]))];
    filing(dir.path(), &files).arg("x.zip").run().ends(0);
    let lines = partitions(&dir.path().join("D"));
    let expected = "{\"n\":1}\r\n  {\"n\":2} \n{\"n\":3}\n";
    assert_eq!(lines[&partition(UNKNOWN, UNKNOWN, UNKNOWN)], expected);
}

#[test]
fn the_record_tells_then_the_path_then_nobody() {
    let dir = scratch();
    let path = "exports/_/message_type=audit/date=2026-11-01-05/group=g/x.json";
    let timed = record("dialog_end", 5, 1);
    let enrolled = format!(
        "{{\"message_type\":\"vb_enrolment\",\"voiceprint\":{{\"creation_ts\":{START}}}}}\n"
    );
    let untold = "{\"message_type\":null,\"time\":\"undefined\"}\n".to_owned();
    let members = [
        Member::new(path, timed.clone() + &enrolled + &untold),
        Member::new("x.json", &untold),
        Member::new("date=2026-11-01/message_type=/x.json", "{}"),
    ];
    let ran = filing(dir.path(), &[("x.zip", zip(&members))])
        .args(["x.zip", "--report=report", "-v"])
        .run();
    ran.check(
        0,
        "...\n",
        &format!(
            "unzip-jsonl: for 2 records the path in the ZIP and the record differ \
             in the type; the value in the record is used. The first: x.zip:{path}:1: the path says audit, the record \
             dialog_end\n\
             unzip-jsonl: for 1 record the path in the ZIP and the record differ \
             in the hour; the value in the record is used. The first: x.zip:{path}:2: the path says 2026-11-01T05Z, the \
             record 2026-11-01T00Z\n\
             unzip-jsonl: status 0 after [..]\n"
        ),
    );
    assert_eq!(report(dir.path())["other_type_in_path"], 2);
    assert_eq!(report(dir.path())["other_hour_in_path"], 1);
    let day = "2026-11-01";
    let expected = [
        (
            partition(UNKNOWN, UNKNOWN, UNKNOWN),
            untold.clone() + "{}\n",
        ),
        (partition("audit", day, "05"), untold),
        (partition("dialog_end", day, "05"), timed),
        (partition("vb_enrolment", day, "00"), enrolled),
    ];
    assert!(partitions(&dir.path().join("D")).into_iter().eq(expected));
}

#[test]
fn no_type_leads_out_of_the_directory() {
    let dir = scratch();
    let long = "x".repeat(300);
    let kinds = [
        "../x",
        "/etc/x",
        "..",
        ".",
        "a/../../b",
        "a=b",
        "a%2Fb",
        "\\u0000",
        "a\\nb",
        "é",
        " ",
        &long,
        "-o",
        "~",
        "*",
        UNKNOWN,
    ];
    let lines = kinds.map(|kind| format!("{{\"message_type\":\"{kind}\",\"time\":{START}}}\n"));
    let members = [Member::new(
        "m.json",
        lines.concat() + "{\"message_type\":\"\"}",
    )];
    let zips = [("x.zip", zip(&members))];
    filing(dir.path(), &zips).arg("x.zip").run().ends(0);
    let mut there: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    there.sort();
    assert_eq!(there, ["D", "x.zip"]);
    let found = partitions(&dir.path().join("D"));
    assert_eq!(found.len(), kinds.len() + 1);
    for partition in found.keys() {
        let parts: Vec<_> = partition.split('/').collect();
        assert_eq!(parts.len(), 3, "{partition}");
        assert!(
            parts
                .iter()
                .all(|part| part.contains('=') && part.len() < 230)
        );
    }
    assert!(found.contains_key(&partition("%2E.%2Fx", "2026-11-01", "00")));
    let mut all: Vec<_> = found
        .values()
        .flat_map(|lines| lines.split_inclusive('\n'))
        .collect();
    all.retain(|line| !line.contains("\"\""));
    let mut expected = lines.to_vec();
    expected.sort();
    all.sort();
    assert_eq!(all, expected);
}

#[test]
fn refused_lines_do_not_keep_a_zip_from_its_files() {
    let dir = scratch();
    let text = format!(
        "{}no json\n{{\"a\":}}\r\n{}{{\"a\":tru}}",
        record("a", 0, 1),
        record("a", 0, 2)
    );
    let ran = filing(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", text)]))],
    )
    .args(["x.zip", "--rejects=bad", "--report=report"])
    .run();
    let ran = ran.check(
        65,
        "{\"path\":\"D/[..],\"records\":2,[..]\"status\":\"written\",\"source\":\"x.zip\"}\n",
        "unzip-jsonl: x.zip:m.json:2: not a JSON object\n\
         unzip-jsonl: x.zip:m.json:3: expected value at column 6\n\
         unzip-jsonl: x.zip:m.json:5: expected ident at column 9\n\
         unzip-jsonl: 3 bad records, 0 allowed (--max-bad)\n",
    );
    assert_eq!(ran.records().len(), 1);
    assert_eq!(report(dir.path())["lines"], 2);
    let length = record("a", 0, 1).len();
    let rejects = fs::read_to_string(dir.path().join("bad")).unwrap();
    let place = |line, offset| format!("\"line\":{line},\"offset\":{offset},");
    assert!(rejects.contains(&place(3, length + 8)), "{rejects}");
    assert!(rejects.contains(&place(5, 2 * length + 16)), "{rejects}");
}

#[test]
fn wrapped_records_lie_where_the_records_do() {
    let dir = scratch();
    let text = "\n{\"message_type\":\"a\",\"n\":1.10}\r\nbad\n{\"message_type\":\"b\"}";
    let zips = [("x.zip", zip(&[Member::new("m.json", text)]))];
    let flags = ["x.zip", "--with-source", "--max-bad=1", "-q"];
    filing(dir.path(), &zips).args(flags).run().ends(0);
    let found = partitions(&dir.path().join("D"));
    let place = r#"{"source":"x.zip","member":"m.json","line":"#;
    for (kind, record) in [
        ("a", r#"2,"record":{"message_type":"a","n":1.10}}"#),
        ("b", r#"4,"record":{"message_type":"b"}}"#),
    ] {
        assert_eq!(
            found[&partition(kind, UNKNOWN, UNKNOWN)],
            format!("{place}{record}\n")
        );
    }
}

#[test]
fn recordings_and_chosen_members_go_along() {
    let dir = scratch();
    let members = [
        Member::new("a.json", record("a", 0, 1)),
        Member::new("b.json", record("b", 0, 1)),
        Member::new("x.wav", "RIFF"),
    ];
    let ran = filing(dir.path(), &[("x.zip", zip(&members))])
        .args(["--wav-dir=wav", "--member=*.wav", "--member=b*", "x.zip"])
        .run()
        .ends(0);
    let paths: Vec<_> = ran
        .records()
        .iter()
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths[0], "wav/x.wav");
    assert!(paths[1].starts_with("D/message_type=b/"), "{paths:?}");
    assert_eq!(paths.len(), 2);
}

#[test]
fn there_can_be_more_files_than_may_be_open_or_fit_into_memory() {
    let dir = scratch();
    // Each hour comes back again and again, with 40 MB in all.
    let pad = "p".repeat(1500);
    let line = |n: u64| {
        let time = START + n % 300 * HOUR;
        format!("{{\"message_type\":\"a\",\"time\":{time},\"n\":{n},\"pad\":\"{pad}\"}}\n")
    };
    let lines = |from: u64| (from..from + 1000).map(line).collect::<String>();
    let members: Vec<_> = (0..27)
        .map(|n| Member::new("m.json", lines(n * 1000)))
        .collect();
    fs::write(dir.path().join("x.zip"), zip(&members)).unwrap();
    for flag in ["", "--compress=zstd"] {
        let script = format!(
            "ulimit -n 30
             unzip-jsonl x.zip --layout duckdb --out-dir D {flag} > list
             wc -l < list; grep -c '\"records\":90,' list"
        );
        shell(&script).dir(dir.path()).prints("300\n300\n");
        let found = partitions(&dir.path().join("D"));
        assert!(
            found
                .values()
                .flat_map(|lines| lines.split_inclusive('\n'))
                .count()
                == 27_000
        );
        assert!(
            found[&partition("a", "2026-11-01", "05")]
                == (0..90).map(|n| line(5 + n * 300)).collect::<String>()
        );
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
}

#[test]
fn a_line_may_be_longer_than_what_goes_out_at_once() {
    let dir = scratch();
    let long = format!(
        "{{\"message_type\":\"a\",\"pad\":\"{}\"}}\n",
        "é1".repeat(1 << 20)
    );
    let text = format!(
        "{{\"message_type\":\"a\"}}\n{long}{{\"message_type\":\"b\"}}\n{long}{{\"message_type\":\"a\"}}\n"
    );
    let zips = [("x.zip", zip(&[Member::new("m.json", text)]))];
    for flags in [&["x.zip"][..], &["x.zip", "--compress=zstd"]] {
        filing(dir.path(), &zips).args(flags).run().ends(0);
        let a = format!("{{\"message_type\":\"a\"}}\n{long}{long}{{\"message_type\":\"a\"}}\n");
        assert!(partitions(&dir.path().join("D"))[&partition("a", UNKNOWN, UNKNOWN)] == a);
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
}

#[test]
fn the_flags_belong_together() {
    for flags in [
        &["--layout=duckdb"][..],
        &["--out-dir=D"],
        &["--compress=zstd"],
        &["--out-dir=D", "--compress=zstd"],
        &["--layout=hive", "--out-dir=D"],
        &["--layout=duckdb", "--out-dir=D", "--compress=gzip"],
    ] {
        program("unzip-jsonl")
            .args(flags)
            .arg("x.zip")
            .run()
            .ends(2);
    }
}
