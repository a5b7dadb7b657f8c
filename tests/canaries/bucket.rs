//! The programs that use a bucket: no message, report, state or ledger holds a secret of it,
//! even if the service repeats all that was sent.

use super::watch::Watch;
use super::{Kept, SECRETS, Text, files, leaks, none, said};
use crate::bucket::service::{Bucket, Fault, at_google};
use crate::harness::{Program, program, scratch};
use crate::site::Site;

const PLAN: &str = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-18T00:00:00Z","to":"2026-11-18T05:00:00Z"}"#;

/// Each with the request at which the service echoes.
const RUNS: [&str; 5] = [
    "vg-consecutive --state s3://bucket/vg -o out --report report",
    "dialpad-window --state s3://bucket/dp --state-out s3://bucket/dp.next --from -2d -o out --report report",
    "export-fetch --out-dir s3://bucket/zips --rate 100/1s --poll 1ms --report report",
    "export-plan coverage --ledger s3://bucket/zips/ledger.ndjson -o out",
    "unzip-jsonl s3://bucket/zips/x.zip -o out --report report",
];

fn kept(name: &str) -> Kept {
    match name {
        "out" => Kept::Persons,
        _ => Kept::Nothing,
    }
}

#[test]
fn of_a_bucket() {
    let (watch, mut found) = (Watch::start(), Vec::new());
    let names = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    assert!(
        names
            .iter()
            .all(|name| SECRETS.iter().any(|(known, _)| known == name))
    );
    let statuses = [400, 401, 403, 404, 409, 412, 500, 501];
    for (run, args) in RUNS.iter().enumerate() {
        for (round, status) in statuses.into_iter().chain([200]).enumerate() {
            let (site, bucket, dir) = (Site::new(), Bucket::start(), scratch());
            // The first request, and one in the middle of the run.
            let at = [1, 4, 7][(round + run) % 3];
            bucket.faults(move |number, _| {
                (status != 200 && number >= at).then_some(Fault::Echoed(status))
            });
            let mut words = args.split(' ');
            let ran = program(words.next().unwrap()).dir(dir.path());
            let ran: Program = ran.envs(site.env()).envs(bucket.env()).args(words);
            let format = ["text", "json"][round % 2];
            let hurry = ["--backoff", "1ms", "--tries", "2", "--read-timeout", "20s"];
            let hurry: &[&str] = if args.contains("coverage") {
                &[]
            } else {
                &hurry
            };
            let ran = ran.args(hurry).args(["-vv", "--log-format", format]);
            let ran = ran.stdin(format!("{PLAN}\n")).run();
            assert_ne!(ran.status(), 101, "{args}: {}", ran.stderr());
            let label = format!("{args}: {status} at {at}, status {}", ran.status());
            let mut texts = files(dir.path(), kept);
            texts.push(said(&ran));
            for key in bucket.keys() {
                let text = bucket.read(&key).unwrap();
                texts.push(Text {
                    name: key,
                    text,
                    kept: Kept::Nothing,
                });
            }
            // Anybody who has a signed address, or signed headers, can use it.
            for text in &texts {
                let mut signatures = text.text.split("Signature=").skip(1);
                let is_shown =
                    signatures.any(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
                assert!(!is_shown, "{label}: {}", text.text);
            }
            found.extend(leaks(&label, &texts, &[]));
        }
    }
    none(&found);
    watch.end();
}

#[test]
fn of_a_bucket_at_google() {
    at_google(of_a_bucket);
}
