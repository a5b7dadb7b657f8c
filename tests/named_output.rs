//! `-o 'since-{state}.ndjson'`: each run writes a file of its own, which is named by the state that
//! it continues from.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{Program, program, scratch};
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id};
use crate::{dialpad, metrics};

const NAMED: [&str; 4] = ["--state", "S", "-o", "since-{state}.ndjson"];

/// The name that belongs to the content of a state.
pub fn name_of(state: &[u8]) -> String {
    let text: Value = serde_json::from_slice(state).unwrap();
    let saved_at = text["saved_at"].as_str().unwrap();
    let time: String = saved_at[..19]
        .chars()
        .filter(|c| !"-:".contains(*c))
        .collect();
    let sum: String = Sha256::digest(state)[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{time}Z-{sum}")
}

fn state_name(site: &Site) -> String {
    name_of(&fs::read(site.path("S")).unwrap())
}

/// The files of records, in the order of their names.
fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().into_owned()
    });
    let mut names: Vec<String> = names.filter(|name| name.starts_with("since-")).collect();
    names.sort();
    names
}

fn lines(dir: &Path) -> Vec<String> {
    let text = files(dir)
        .into_iter()
        .map(|name| fs::read_to_string(dir.join(name)).unwrap());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_run_has_a_file_that_is_named_by_the_state_before_it() {
    let site = Site::new();
    site.run(&NAMED[2..], 0);
    assert_eq!(site.report()["output"], "since-start.ndjson");
    let mut expected = vec!["since-start.ndjson".to_owned()];
    for count in [3, 2, 0] {
        site.change(Change::Add(count));
        let name = format!("since-{}.ndjson", state_name(&site));
        site.run(&NAMED[2..], 0);
        assert_eq!(site.report()["output"], name.as_str());
        assert_eq!(site.read(&name).lines().count() as u64, count);
        expected.push(name);
    }
    expected.sort();
    assert_eq!(files(site.dir.path()), expected);
    assert_eq!(lines(site.dir.path()).len(), 45);
    assert_eq!(by_id(lines(site.dir.path())), site.calls().truth());
}

/// As after a kill between the name of the file and the state, with more calls since then.
#[test]
fn a_run_from_the_same_state_replaces_the_file_of_the_first() {
    let site = Site::new();
    site.run(&NAMED[2..], 0);
    for format in ["ndjson", "csv"] {
        let before = fs::read(site.path("S")).unwrap();
        site.change(Change::Add(3));
        let args = ["-o", "since-{state}.x", "--format", format];
        site.run(&args, 0);
        let name = format!("since-{}.x", name_of(&before));
        let first = site.read(&name);
        fs::write(site.path("S"), &before).unwrap();
        site.change(Change::Add(2));
        site.run(&args, 0);
        let second = site.read(&name);
        assert!(second.starts_with(&first), "{first}\n{second}");
        assert!(second.len() > first.len(), "{format}");
    }
    let names = files(site.dir.path());
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn with_a_state_out_the_name_is_that_of_the_state() {
    let site = Site::new();
    let args = [&NAMED[2..], &["--state-out", "next"]].concat();
    for _ in 0..2 {
        site.run(&args, 0);
        assert_eq!(files(site.dir.path()), ["since-start.ndjson"]);
    }
    fs::rename(site.path("next"), site.path("S")).unwrap();
    new_calls_come_into_one_more_file(&site, &args, 2);
}

#[test]
fn recordings_that_are_fetched_after_the_calls_change_the_next_name_only() {
    let site = Site::new();
    let args = [&NAMED[2..], &["--audio-dir", "audio"]].concat();
    site.run(&args, 0);
    new_calls_come_into_one_more_file(&site, &args, 1);
}

/// Runs the command `runs` times, each time with new calls. The state that `args` read stays the
/// same, so every run writes the same file.
fn new_calls_come_into_one_more_file(site: &Site, args: &[&str], runs: usize) {
    let name = format!("since-{}.ndjson", state_name(site));
    for _ in 0..runs {
        site.change(Change::Add(2));
        site.run(args, 0);
    }
    let start = "since-start.ndjson".to_owned();
    assert_eq!(files(site.dir.path()), [name, start]);
    assert_eq!(by_id(lines(site.dir.path())), site.calls().truth());
}

#[test]
fn messages_their_plan_and_counts_have_such_names_too() {
    let site = dialpad::site::Site::new();
    let args = [&NAMED[..], &["--from", "-12d", "--window", "2d"]].concat();
    site.export(&args).run().ends(0);
    let name = name_of(&fs::read(site.path("S")).unwrap());
    let plan = [&args[..], &["--plan", "-o", "plan-{state}"]].concat();
    let plan: Vec<&str> = plan.into_iter().filter(|arg| *arg != NAMED[3]).collect();
    let doubled = plan.iter().position(|arg| *arg == "-o").unwrap();
    let plan = [&plan[..doubled], &plan[doubled + 1..]].concat();
    site.export(&plan).run().ends(0);
    assert!(site.path(&format!("plan-{name}")).exists());
    site.export(&args).run().ends(0);
    let names = [
        format!("since-{name}.ndjson"),
        "since-start.ndjson".to_owned(),
    ];
    assert_eq!(files(site.dir.path()), names);
    let found = dialpad::site::sorted(lines(site.dir.path()));
    assert_eq!(found, dialpad::site::sorted(site.messages().truth()));

    let site = metrics::site::Site::new();
    for command in [
        "batch all --from 2026-11-03 --to 2026-11-04",
        "realtime dialogs",
    ] {
        let state = command.split_once(' ').unwrap().0;
        let run = format!("{command} --state {state} -o {state}-{{state}}");
        site.program(&run).run().ends(0);
        let name = name_of(&fs::read(site.path(state)).unwrap());
        site.program(&run).run().ends(0);
        for name in ["start", &name] {
            assert!(
                site.path(&format!("{state}-{name}")).exists(),
                "{state} {name}"
            );
        }
    }
}

fn refused(program: Program, said: &str) {
    let ran = program.stdin("").run().ends(2);
    assert!(ran.stderr().contains(said), "{}", ran.stderr());
}

#[test]
fn without_a_state_it_is_refused_before_anything_is_asked() {
    let site = Site::new();
    let output = ["-o", "x-{state}"];
    refused(
        site.export(&output),
        "--output x-{state}: {state} is the state that the run continues from, and there is none: give --state",
    );
    refused(
        program("vg-consecutive").arg("probe").args(output),
        "vg-consecutive probe has none: use another name",
    );
    for (name, args) in [
        ("cdr-filter", &["."][..]),
        ("unzip-jsonl", &[]),
        ("ocp-metrics", &["catalogue"]),
        (
            "export-plan",
            &["windows", "--group=g", "--type=t", "--from=-2d"],
        ),
    ] {
        let run = || program(name).dir(site.dir.path()).args(args);
        refused(run().args(output), " has none: use another name");
        refused(
            run().args(["-o", "s3://bucket/x-{state}"]),
            " has none: use another name",
        );
    }
    let metrics = metrics::site::Site::new();
    let dry = "batch all --from 2026-11-03 --state S --dry-run -o x-{state}";
    refused(metrics.program(dry), "--dry-run reads none");
    let args = ["--state", "S", "-o", "{state}/x"];
    refused(site.export(&args), "{state} is in the name of a directory");
    // A name that the first run would have is that of another option.
    let args = ["--state", "start", "-o", "{state}"];
    refused(
        site.export(&args),
        "--state and --output name the same file",
    );
    // Of a bucket nobody said where it is.
    let args = ["--state", "S", "-o", "s3://bucket/x-{state}"];
    refused(site.export(&args), "AWS_");
    site.export(&["--state", "S", "-o", "none/x-{state}"])
        .run()
        .ends(74);
    assert_eq!(site.calls().requests(), 0);
    let names: Vec<_> = fs::read_dir(site.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["start.lock"]);
}

#[test]
fn any_other_text_in_braces_stays_and_an_unreadable_state_names_nothing() {
    let site = Site::new();
    site.run(&["-o", "x-{run}-{State}"], 0);
    assert!(site.path("x-{run}-{State}").exists());
    let state = site.read("S");
    let (before, rest) = state.split_once("\"saved_at\":").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    let rest = rest.split_once(",\"crc\"").unwrap().0;
    fs::write(site.path("S"), format!("{before}{rest}}}\n")).unwrap();
    let ran = site.run(&NAMED[2..], 65);
    assert!(ran.stderr().contains("saved_at"), "{}", ran.stderr());
    assert!(files(site.dir.path()).is_empty());
}

/// A link stays a link, and its target is written.
#[test]
fn a_name_may_be_a_link_and_a_path_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let (site, other) = (Site::new(), scratch());
    symlink(other.path().join("calls"), site.path("since-start.ndjson")).unwrap();
    site.run(&NAMED[2..], 0);
    let link = fs::symlink_metadata(site.path("since-start.ndjson")).unwrap();
    assert!(link.is_symlink());
    let written = fs::read_to_string(other.path().join("calls")).unwrap();
    assert_eq!(written.lines().count(), 40);
    let name = std::ffi::OsStr::from_bytes(b"\xff-{state}");
    let run = site.export(&["--state", "T", "-o"]).args([name]);
    run.run().ends(0);
    let name = std::ffi::OsStr::from_bytes(b"\xff-start");
    assert!(site.dir.path().join(name).exists());
}
