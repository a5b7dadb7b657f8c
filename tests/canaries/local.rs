//! The programs that talk to nobody: persons are in their records, and nowhere else.

use std::fs;

use super::watch::Watch;
use super::{Kept, files, leaks, none, said};
use crate::harness::{program, scratch};
use crate::zips::{Member, zip};

const GOOD: &str = r#"{"message_type":"dialog_end","id":"1","time":1793491200000,"agent":"Pat Doe","origin_uri":"+12125550199"}"#;

/// Lines that are no records, each in its own way.
const BAD: [&str; 6] = [
    "Pat Doe +12125550199",
    r#"{"message_type":"dialog_end","agent":"Pat Doe"#,
    r#"{"message_type":"dialog_end","time":"Pat Doe","id":{"x":["+12125550199"]}}"#,
    r#"["Pat Doe","+12125550199"]"#,
    r#"{"Pat Doe":}"#,
    r#"{"a":"Pat Doe \ud800"} trailing +12125550199"#,
];

fn kept(name: &str) -> Kept {
    match name {
        _ if ["out", "rejects", "lake/"]
            .iter()
            .any(|at| name.starts_with(at)) =>
        {
            Kept::Persons
        }
        _ if name.starts_with("in.") => Kept::Anything,
        _ => Kept::Nothing,
    }
}

#[test]
fn of_programs_that_read_records() {
    let (watch, mut found) = (Watch::start(), Vec::new());
    let text = format!("{GOOD}\n{}\n{GOOD}\n", BAD.join("\n"));
    let members = [
        Member::new("a.json", text.clone()),
        Member::new("b.json", format!("{GOOD}\n")),
    ];
    for args in [
        "cdr-filter .agent in.ndjson -o out --rejects rejects --max-bad 99",
        "cdr-filter .agent==7 in.ndjson -o out --max-bad 2",
        "cdr-filter .id.x[0]? in.ndjson -o out --rejects rejects",
        "cdr-filter --from 2026-11-01 --unwrap messages in.ndjson -o out --max-bad 99",
        "unzip-jsonl in.zip -o out --rejects rejects --max-bad 99",
        "unzip-jsonl in.zip -o out --max-bad 0 --with-source",
        "unzip-jsonl in.zip -o out --layout duckdb --out-dir lake --schema-report schema --max-bad 99",
        "export-plan pages --page-size 10 -o out",
        "export-plan windows --have in.ndjson --group acme --type dialog_end --from -2d -o out",
        "export-plan check --ledger in.ndjson -o out",
        "ocp-metrics plot in.ndjson",
    ] {
        for format in ["text", "json"] {
            let dir = scratch();
            fs::write(dir.path().join("in.ndjson"), &text).unwrap();
            fs::write(dir.path().join("in.zip"), zip(&members)).unwrap();
            let mut words = args.split(' ');
            let ran = program(words.next().unwrap())
                .dir(dir.path())
                .args(words)
                .args(["-vv", "--log-format", format, "--report", "report"])
                .stdin(&text)
                .run();
            assert_ne!(ran.status(), 101, "{args}: {}", ran.stderr());
            let mut texts = files(dir.path(), kept);
            texts.push(said(&ran));
            found.extend(leaks(
                &format!("{args}, status {}", ran.status()),
                &texts,
                &[],
            ));
        }
    }
    none(&found);
    watch.end();
}
