//! The first afternoon: a tenant that is spelled otherwise than the built-in profile, in
//! several ways at once, and a user who does what the messages say and nothing else.
//!
//! Where a message says a value, the user takes it. Where it only names lines, the user
//! looks the first wrong one of them up: in the vendor's reference, or by asking support.
//! Messages that name no wrong line, or that never end, fail.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::differential::dice::Dice;
use crate::harness::{Ran, program};
use crate::sim::Config;
use crate::sim::dialect::{Dialect, Place, Time, Types};
use crate::site::{Site, config, sorted};

/// `CALLPIPE_SEEDS=100..400` replays or adds some.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CALLPIPE_SEEDS") else {
        return 0..16;
    };
    let (from, to) = text.split_once("..").expect("CALLPIPE_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn messages_alone_lead_to_a_profile_that_works() {
    let workers = 4;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                for seed in seeds().filter(|seed| seed % workers == worker) {
                    first_afternoon(seed);
                }
            });
        }
    });
}

/// Lines of a profile, as messages name them.
type Lines = BTreeMap<String, Value>;

struct User {
    site: Site,
    dialect: Dialect,
    /// The spelling that the vendor's reference would have.
    truth: Lines,
    own: Lines,
    /// The messages and steps so far, for a test that fails.
    diary: String,
    looked_up: usize,
}

fn first_afternoon(seed: u64) {
    let mut dice = Dice::seeded(seed);
    let mut dialect = Dialect::default();
    let deviations = 1 + dice.below(7);
    for _ in 0..deviations {
        deviate(&mut dialect, &mut dice);
    }
    let site = Site::with(Config {
        dialect: Some(dialect.clone()),
        zip_limit: 1000,
        ..config()
    });
    let mut user = User {
        site,
        truth: truth(&dialect),
        dialect,
        own: Lines::new(),
        diary: format!("seed {seed}, {deviations} deviations\n"),
        looked_up: 0,
    };
    for round in 1..=40 {
        if user.afternoon(round) {
            return;
        }
    }
    panic!("no end:\n{}", user.diary);
}

impl User {
    /// One round: a probe, and the job when that is content. True when it is done.
    fn afternoon(&mut self, round: usize) -> bool {
        self.write_profile();
        let probe = self.probe();
        let advice = match probe.status() {
            0 => {
                let ran = self.job(round);
                if ran.status() == 0 {
                    self.check(&ran);
                    return true;
                }
                self.diary += &format!("job {}: {}", ran.status(), ran.stderr());
                said(&ran.stderr())
            }
            69 => {
                let steps = probe.records();
                let failed = steps.iter().filter(|step| step["ok"] == false);
                for step in failed.clone() {
                    self.diary += &format!("probe: {} {}\n", step["role"], step["found"]);
                }
                failed
                    .flat_map(|step| step["advice"].as_array().cloned().unwrap_or_default())
                    .map(|advice| {
                        let lines = advice["lines"].as_array().unwrap().iter();
                        let lines = lines.map(|line| line.as_str().unwrap().to_owned());
                        (lines.collect(), advice["value"].clone())
                    })
                    .collect()
            }
            other => panic!(
                "probe ended with {other}: {}\n{}",
                probe.stderr(),
                self.diary
            ),
        };
        assert!(!advice.is_empty(), "no advice:\n{}", self.diary);
        let followed: Vec<bool> = advice
            .iter()
            .map(|(lines, value)| self.follow(lines, value))
            .collect();
        assert!(
            followed.contains(&true),
            "nothing to follow in {advice:?}:\n{}\n{:#?}\n{}",
            self.diary,
            self.dialect,
            self.site.read("own.toml")
        );
        false
    }

    /// Does what a message says. True if that changed the profile.
    fn follow(&mut self, lines: &[String], value: &Value) -> bool {
        if let Some(line) = lines.first().filter(|_| !value.is_null())
            && self.own.get(line) != Some(value)
        {
            self.diary += &format!("  set {line} = {value}\n");
            self.own.insert(line.clone(), value.clone());
            return true;
        }
        let wrong = lines.iter().find(|line| {
            let truth = self.truth.get(*line);
            truth.is_some() && self.own.get(*line) != truth
        });
        let Some(line) = wrong else {
            return false;
        };
        self.diary += &format!("  looked up {line} = {}\n", self.truth[line]);
        self.own.insert(line.clone(), self.truth[line].clone());
        self.looked_up += 1;
        true
    }

    fn write_profile(&self) {
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        for (line, value) in &self.own {
            let (section, key) = line.split_once(' ').unwrap();
            *sections.entry(section).or_default() += &format!("{key} = {value}\n");
        }
        let text: String = sections
            .iter()
            .map(|(section, keys)| format!("{section}\n{keys}"))
            .collect();
        std::fs::write(self.site.path("own.toml"), text).unwrap();
    }

    fn probe(&self) -> Ran {
        self.site.sim.reset();
        program("export-fetch")
            .dir(self.site.dir.path())
            .envs(self.site.env())
            .args(["probe", "--group", "acme", "--create", "--format", "ndjson"])
            .args(["--from", "2026-11-10T05:00Z", "--poll", "20ms"])
            .args(["--max-wait", "400ms", "--rate", "100/1s"])
            .args(["--api-profile", "own.toml"])
            .run()
    }

    /// Two exports of some pages. The group is busy at first, and an export expires.
    fn job(&self, round: usize) -> Ran {
        self.site.sim.reset();
        self.site.sim.fault("create@1=busy");
        self.site.sim.fault("data@2=expire");
        let plan = self.site.plan(FROM, TO, &["--type", "dialog_start"]);
        program("export-fetch")
            .dir(self.site.dir.path())
            .envs(self.site.env())
            .args(["--out-dir", &format!("cdrs-{round}"), "--rate", "100/1s"])
            .args(["--poll", "10ms", "--backoff", "10ms", "--page-size", "20"])
            .args(["--max-wait", "1s", "--api-profile", "own.toml"])
            .stdin(plan)
            .run()
    }

    fn check(&self, ran: &Ran) {
        let types = ["dialog_start", "dialog_end"];
        let truth = sorted(self.site.sim.truth("acme", &types, FROM, TO));
        assert!(!truth.is_empty());
        assert_eq!(sorted(self.site.records(&ran.records())), truth);
        assert_eq!(self.site.sim.stats().panics, 0);
    }
}

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-11T00:00:00Z";

/// The advice in the errors of a run: `set [x] y = z in the API profile`, or `check [x] y, …`.
fn said(stderr: &str) -> Vec<(Vec<String>, Value)> {
    let mut advice = Vec::new();
    for line in stderr.lines() {
        if let Some((_, rest)) = line.split_once("set [")
            && let Some((name, rest)) = rest.split_once(" = ")
            && let Some((value, _)) = rest.split_once(" in the API profile")
        {
            let value = serde_json::from_str(value).unwrap();
            advice.push((vec![format!("[{name}")], value));
        } else if let Some((_, rest)) = line.split_once("check [")
            && let Some((names, _)) = rest.split_once(" in the API profile")
        {
            let names = names.split(", ").map(|name| match name.starts_with('[') {
                true => name.to_owned(),
                false => format!("[{name}"),
            });
            advice.push((names.collect(), Value::Null));
        }
    }
    advice
}

const SECTIONS: [&str; 5] = ["create", "list", "status", "metadata", "data"];

/// One more way to be spelled otherwise.
fn deviate(dialect: &mut Dialect, dice: &mut Dice) {
    let old = "/exports-api/v1/exports";
    match dice.below(26) {
        0 => {
            let base = dice.pick(&[
                "/exports-api/v2/exports",
                "/exports-api/exports",
                "/batch/v3/jobs",
            ]);
            for (_, path) in &mut dialect.endpoints {
                *path = path.replace(old, base);
            }
        }
        1 => dialect.endpoints[0].1 += "/create",
        2 => dialect.endpoints[1] = ("POST", format!("{old}/search")),
        3 => dialect.endpoints[1].1 = "/exports-api/v1/groups/exports".to_owned(),
        4 => dialect.endpoints[2].1 = format!("{old}/{{id}}/state"),
        5 => dialect.endpoints[3].1 = format!("{old}/{{id}}/info"),
        6 => dialect.endpoints[4].1 = "/exports-api/v1/downloads/{id}".to_string(),
        7 => dialect.endpoints[0].0 = "PUT",
        8 => dialect.endpoints[3 + dice.below(2)].0 = "POST",
        9 => dialect.group.0 = dice.pick(&["groupName", "group_id", "tenant"]).to_owned(),
        10 => dialect.group.1 = Place::Header,
        11 => {
            dialect.page_number = "pageNumber".to_owned();
            dialect.page_size = "pageSize".to_owned();
        }
        12 => dialect.page_place = Place::Header,
        13 => dialect.body[0] = dice.pick(&["groupName", "ocp_group"]).to_owned(),
        14 => {
            dialect.body[1] = dice
                .pick(&["messageTypes", "dataTypes", "types"])
                .to_owned();
        }
        15 => {
            let keys = dice.pick(&[
                ["fromDate", "toDate"],
                ["start_time", "end_time"],
                ["begin", "end"],
            ]);
            dialect.body[2..].clone_from_slice(&keys.map(str::to_owned));
        }
        16 => dialect.types = dice.pick(&[Types::Comma, Types::One]),
        17 | 18 => {
            dialect.time = dice.pick(&[
                Time::Rfc3339,
                Time::OffsetMs,
                Time::Offset,
                Time::NoZoneMs,
                Time::NoZone,
                Time::Space,
                Time::EpochMs,
                Time::EpochS,
            ]);
        }
        19 => dialect.wrapper = Some(dice.pick(&["result", "export", "payload"]).to_owned()),
        20 => {
            let keys = dice.pick(&[&["exports"][..], &["result", "rows"], &["page", "entries"]]);
            dialect.list = keys.iter().map(|key| (*key).to_owned()).collect();
        }
        21 => rename(
            dialect,
            dice,
            "export_id",
            &["exportUuid", "jobId", "uuid", "export-key"],
        ),
        22 => {
            rename(
                dialect,
                dice,
                "status",
                &["exportState", "phase", "progress"],
            );
            rename(
                dialect,
                dice,
                "num_of_files",
                &["fileCount", "totalFiles", "files"],
            );
        }
        23 => {
            rename(dialect, dice, "group", &["tenant", "owner"]);
            rename(dialect, dice, "message_types", &["kinds", "dataTypeList"]);
            rename(dialect, dice, "from", &["windowStart", "since"]);
            rename(dialect, dice, "to", &["windowEnd", "until"]);
        }
        24 => {
            let mut word = |state, words: &[&str]| {
                let word = words[dice.below(words.len())];
                dialect.words.insert(state, word.to_owned());
            };
            word("SUBMITTED", &["QUEUED", "NEW"]);
            word("PROCESSING", &["IN_PROGRESS", "WORKING"]);
            word("READY", &["COMPLETED", "GREEN", "Finished"]);
            word("EXPIRED", &["PURGED", "GREY"]);
        }
        _ => {
            dialect.busy = dice.pick(&[423, 422, 400]);
            dialect.not_ready = dice.pick(&[425, 422, 400]);
            dialect.expired = dice.pick(&[410, 400, 422]);
        }
    }
}

fn rename(dialect: &mut Dialect, dice: &mut Dice, key: &'static str, names: &[&str]) {
    let name = names[dice.below(names.len())];
    dialect.keys.insert(key, name.to_owned());
}

/// The lines in which a tenant differs from the built-in profile.
fn truth(dialect: &Dialect) -> Lines {
    let usual = Dialect::default();
    let mut lines = Lines::new();
    let mut set = |is_other: bool, line: String, value: Value| {
        if is_other {
            lines.insert(line, value);
        }
    };
    let endpoints = dialect.endpoints.iter().zip(&usual.endpoints);
    for ((ours, usual), section) in endpoints.zip(SECTIONS) {
        set(
            ours.0 != usual.0,
            format!("[{section}] method"),
            json!(ours.0),
        );
        let path = ours.1.replace("{id}", "{export_id}");
        set(ours.1 != usual.1, format!("[{section}] path"), json!(path));
    }
    let mut line = |is_other, line: &str, value| set(is_other, line.to_owned(), value);
    line(
        dialect.group.0 != "group",
        "[list] group",
        json!(dialect.group.0),
    );
    line(
        dialect.group.1 == Place::Header,
        "[list] params",
        json!("headers"),
    );
    let pages = [
        (
            "[data] page_number",
            &dialect.page_number,
            &usual.page_number,
        ),
        ("[data] page_size", &dialect.page_size, &usual.page_size),
    ];
    for (name, ours, usual) in pages {
        line(ours != usual, name, json!(ours));
    }
    let [group, types, from, to] = &dialect.body;
    let body = format!(
        "{{\"{group}\":{{group}},\"{types}\":{{types}},\"{from}\":{{from}},\"{to}\":{{to}}}}"
    );
    line(dialect.body != usual.body, "[create] body", json!(body));
    let types = match dialect.types {
        Types::Array => "array",
        Types::Comma => "comma",
        Types::One => "each",
    };
    line(
        dialect.types != Types::Array,
        "[create] types",
        json!(types),
    );
    let time = match dialect.time {
        Time::Rfc3339Ms => "rfc3339-ms",
        Time::Rfc3339 => "rfc3339",
        Time::OffsetMs => "offset-ms",
        Time::Offset => "offset",
        Time::NoZoneMs => "no-zone-ms",
        Time::NoZone => "no-zone",
        Time::Space => "space",
        Time::EpochMs => "epoch-ms",
        Time::EpochS => "epoch-s",
    };
    line(
        dialect.time != Time::Rfc3339Ms,
        "[create] time",
        json!(time),
    );
    let around = dialect
        .wrapper
        .as_ref()
        .map_or(String::new(), |key| format!("/{key}"));
    for (key, usual) in [
        ("export_id", "export_id"),
        ("status", "status"),
        ("group", "group"),
        ("types", "message_types"),
        ("from", "from"),
        ("to", "to"),
        ("num_of_files", "num_of_files"),
        ("size_of_export", "size_of_export"),
    ] {
        let name = dialect.keys.get(usual).map_or(usual, String::as_str);
        let is_other = name != usual || dialect.wrapper.is_some();
        line(
            is_other,
            &format!("[reply] {key}"),
            json!([format!("{around}/{name}")]),
        );
    }
    let list: String = dialect.list.iter().map(|key| format!("/{key}")).collect();
    line(!list.is_empty(), "[reply] list", json!([list]));
    for (key, states) in [
        ("pending", &["SUBMITTED", "PROCESSING"][..]),
        ("ready", &["READY"]),
        ("expired", &["EXPIRED"]),
    ] {
        let words: Vec<&String> = states.iter().filter_map(|s| dialect.words.get(s)).collect();
        line(!words.is_empty(), &format!("[states] {key}"), json!(words));
    }
    for (key, ours, usual) in [
        ("busy", dialect.busy, usual.busy),
        ("not_ready", dialect.not_ready, usual.not_ready),
        ("expired", dialect.expired, usual.expired),
    ] {
        line(ours != usual, &format!("[codes] {key}"), json!([ours]));
    }
    lines
}
