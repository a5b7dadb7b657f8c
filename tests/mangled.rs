//! What comes from outside, cut, flipped and longer than it was: never a panic or a run
//! without an end, always a status of the table. The same seeds mangle the same way.

mod archives;
mod proxy;
mod pushes;
mod remembered;
mod replies;

use std::fs;

use callpipe::net::retry::Jitter;

use crate::harness::{Ran, program, scratch};
use crate::zips::{Member, zip};

/// The rounds of each kind.
const ROUNDS: u64 = 30;

const STATUSES: [i32; 8] = [0, 1, 2, 65, 69, 74, 75, 77];

/// Cut somewhere, a few bits flipped, or a piece of it again at its end.
fn mangled(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut die = Jitter::seeded(seed);
    let mut bytes = bytes.to_vec();
    let mut at = |length: usize| (die.draw() * length as f64) as usize;
    match seed % 3 {
        0 => bytes.truncate(at(bytes.len())),
        1 => {
            for _ in 0..=at(4) {
                let place = at(bytes.len());
                bytes[place] ^= 1 << at(8);
            }
        }
        _ => {
            let piece = bytes[at(bytes.len())..].to_vec();
            bytes.extend(piece);
        }
    }
    bytes
}

/// Runs the command line with each mangled form of the input, as the file `in`.
fn survives(input: &[u8], args: &str) {
    for seed in 0..ROUNDS {
        let dir = scratch();
        let bytes = mangled(input, seed);
        fs::write(dir.path().join("in"), &bytes).unwrap();
        let ran = program("timeout")
            .arg("20")
            .args(args.split(' '))
            .args(["--report", "report"])
            .dir(dir.path())
            .env("OCP_API_URL", "http://127.0.0.1:9")
            .env("OCP_PAT", "x")
            .stdin(&bytes)
            .run();
        is_sound(&format!("{args}, seed {seed}"), &ran);
    }
}

fn is_sound(label: &str, ran: &Ran) {
    let (status, said) = (ran.status(), ran.stderr());
    let is_sound = STATUSES.contains(&status) && !said.contains("panicked");
    assert!(is_sound, "{label}, status {status}: {said}");
}

const RECORDS: &str = r#"{"message_type":"dialog_end","id":"1","time":1793491200000,"duration":1.10,"kvps":[{"key":"a","value":"\u00e9"}]}
{"message_type":"dialog_start","id":"2","time":1793491200001,"note":"\ud83d\udc4d","deep":[[[{"a":null}]]]}
"#;

const PLAN: &str = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-10T00:00:00Z","to":"2026-11-12T00:00:00Z","not_before":"2026-11-12T02:00:00Z","expires_at":"2027-01-09T00:00:00Z"}
"#;

#[test]
fn zips_and_their_members() {
    let members = [
        Member::new("a.json", RECORDS),
        Member::stored("b.json", RECORDS),
        Member::new("c.wav", b"RIFF"),
    ];
    survives(
        &zip(&members),
        "unzip-jsonl in --wav-dir wav --rejects rejects -o out",
    );
}

#[test]
fn records() {
    for args in [
        "cdr-filter .duration>1 in --rejects rejects -o out",
        "cdr-filter --type dialog_end --kvp a=b in --unwrap messages -o out",
        "cdr-filter --from 2026-11-01 in --select id,kvps --format csv -o out",
    ] {
        survives(RECORDS.as_bytes(), args);
    }
}

#[test]
fn plan_lines() {
    survives(PLAN.as_bytes(), "export-plan pages --page-size 10 -o out");
    survives(
        PLAN.as_bytes(),
        "export-fetch --out-dir zips --dry-run -o out",
    );
}

#[test]
fn api_profiles() {
    let profile = include_bytes!("../lib/ocp/exports-api.toml");
    survives(
        profile,
        "export-fetch --out-dir zips --api-profile in --dry-run -o out",
    );
}

#[test]
fn rows_of_metrics() {
    let row = r#"{"source":"batch","category":"dialogs","metric":"dialogs","group":"acme","tags":{"channel":"chat"},"series":"ab","step":"hour","from":"2026-11-04T00:00:00Z","to":"2026-11-04T01:00:00Z","value":3,"as_of":"2026-11-05T00:00:00Z"}
"#;
    survives(row.repeat(3).as_bytes(), "ocp-metrics plot in");
}
