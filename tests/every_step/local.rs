//! Programs that talk to nobody.

use std::fs;

use callpipe::os::digest;

use super::checks::{Check, each_once, ensure, named};
use super::scenario::{Run, Scenario};
use crate::site::{Site, config};
use crate::zips::{Member, zip};

const BAD: &str = "not a record";

fn record(kind: &str, hour: u64, number: usize) -> String {
    let time = 1_793_491_200_000 + hour * 3_600_000 + number as u64;
    format!("{{\"message_type\":\"{kind}\",\"time\":{time},\"n\":{number}, \"x\": 1.10}}")
}

pub fn truth() -> Vec<String> {
    let of_kind = |kind| (0..6).map(move |n| record(kind, n as u64 % 3, n));
    of_kind("dialog_end")
        .chain(of_kind("dialog_start"))
        .collect()
}

/// Two ZIPs with these records, a line that is none, and two recordings.
fn zips(run: &Run<'_>) {
    let text = |lines: &[String]| lines.join("\n") + "\n";
    let all = truth();
    let members = [
        Member::new("a.json", text(&all[..5])),
        Member::new("b.json", format!("{BAD}\n{}", text(&all[5..8]))),
        Member::new("one.wav", b"RIFF one"),
    ];
    let more = [
        Member::new("c.json", text(&all[8..])),
        Member::new("two.wav", b"RIFF two"),
    ];
    fs::write(run.site.path("a.zip"), zip(&members)).unwrap();
    fs::write(run.site.path("b.zip"), zip(&more)).unwrap();
}

/// Absent, or these lines.
pub fn absent_or(site: &Site, name: &str, truth: &[String]) -> Check {
    match site.path(name).exists() {
        false => Ok(()),
        true => is(site, name, truth),
    }
}

fn is(site: &Site, name: &str, truth: &[String]) -> Check {
    let text = fs::read_to_string(site.path(name)).map_err(|e| format!("{name}: {e}"))?;
    let expected: String = truth.iter().map(|line| format!("{line}\n")).collect();
    ensure(&format!("{name} is not whole"), text == expected)
}

/// What was found until the run failed, or nothing.
fn some_rejects(site: &Site) -> Check {
    match fs::read_to_string(site.path("rejects")) {
        Ok(text) if !text.is_empty() => rejects(site),
        _ => Ok(()),
    }
}

fn rejects(site: &Site) -> Check {
    let text = fs::read_to_string(site.path("rejects")).map_err(|e| format!("rejects: {e}"))?;
    let is_whole = text.lines().count() == 1 && text.ends_with('\n') && text.contains(BAD);
    ensure("rejects is not whole", is_whole)
}

pub fn filter() -> Scenario {
    let always = |site: &Site| {
        absent_or(site, "out.ndjson", &truth())?;
        some_rejects(site)
    };
    Scenario {
        name: "filter into files",
        program: "cdr-filter",
        config,
        prepare: |run: &Run<'_>| {
            let text = truth().join("\n") + "\n" + BAD + "\n";
            fs::write(run.site.path("in.ndjson"), text).unwrap();
        },
        script:
            "cdr-filter --max-bad 1 --rejects rejects --report report -o out.ndjson . in.ndjson"
                .to_owned(),
        always,
        done: |site| {
            is(site, "out.ndjson", &truth())?;
            rejects(site)
        },
    }
}

pub fn unzip() -> Scenario {
    let always = |site: &Site| {
        if site.path("out.ndjson").exists() {
            records_and_recordings(site)?;
        }
        recordings(site, false)?;
        some_rejects(site)
    };
    Scenario {
        name: "unzip into files",
        program: "unzip-jsonl",
        config,
        prepare: zips,
        script: "unzip-jsonl --max-bad 1 --rejects rejects --wav-dir wav -o out.ndjson a.zip b.zip"
            .to_owned(),
        always,
        done: |site| {
            records_and_recordings(site)?;
            recordings(site, true)?;
            rejects(site)
        },
    }
}

/// The records in their order, and a line for each recording.
fn records_and_recordings(site: &Site) -> Check {
    let lines = super::checks::lines(site, &["out.ndjson".to_owned()]);
    let is_recording = |line: &String| line.starts_with(r#"{"path":"wav/"#);
    let (wavs, records): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_recording);
    ensure(
        "out.ndjson is not whole",
        records == truth() && wavs.len() == 2,
    )
}

/// Each recording is whole or absent; or there, if all have to be.
fn recordings(site: &Site, are_due: bool) -> Check {
    for (name, text) in [("one.wav", "RIFF one"), ("two.wav", "RIFF two")] {
        let path = site.path("wav").join(name);
        if are_due || path.exists() {
            let bytes = fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
            ensure(&format!("{name} is not whole"), bytes == text.as_bytes())?;
        }
    }
    Ok(())
}

pub fn layout() -> Scenario {
    Scenario {
        name: "unzip into files by hour",
        program: "unzip-jsonl",
        config,
        prepare: zips,
        script: "unzip-jsonl --max-bad 1 --rejects rejects --layout duckdb --out-dir lake \
                 --schema-report schema -o list.ndjson a.zip b.zip"
            .to_owned(),
        always: |site| {
            for name in named(site, "lake", ".ndjson") {
                let text = site.read(&name);
                let hash = name.trim_end_matches(".ndjson").rsplit('-').next().unwrap();
                let is_whole = digest::sha256(text.as_bytes()).starts_with(hash);
                ensure(&format!("{name} is not whole"), is_whole)?;
            }
            Ok(())
        },
        done: |site| {
            let names = named(site, "lake", ".ndjson");
            each_once(super::checks::lines(site, &names), truth())?;
            let is_listed = |name: &String| site.read("list.ndjson").contains(name);
            ensure("the list lacks a file", names.iter().all(is_listed))
        },
    }
}
