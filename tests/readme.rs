//! The README and the pages on the pipeline, schedulers, Voicegain and Dialpad and the
//! first afternoon are true: their console blocks run, in order, in one directory, and their scripts run
//! unchanged.

use std::time::Duration;

use callpipe::bucket::file_or_object::FileOrObject;
use callpipe::ocp::ledger::History;

use crate::harness::{Program, Ran};
use crate::sim::Config;
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::voicegain::Change;
use crate::site::{Site, sorted};
use crate::zips::{Member, zip};

/// In the order of their blocks.
const PAGES: [&str; 6] = [
    include_str!("../README.md"),
    include_str!("../docs/pipeline.md"),
    include_str!("../docs/voicegain.md"),
    include_str!("../docs/dialpad.md"),
    include_str!("../docs/scheduling.md"),
    include_str!("../docs/first-afternoon.md"),
];

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGES
        .iter()
        .flat_map(|page| page.split(&fence).skip(1))
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// The vendor of `make demo`: the real time, and `files` files an hour.
fn site(files: u64) -> Site {
    site_with_rate(files, Config::default().zip_limit)
}

/// The same with another limit of ZIPs a minute.
fn site_with_rate(files: u64, zip_limit: usize) -> Site {
    Site::with(Config {
        zip_limit,
        processing: vec![Duration::from_millis(300)],
        truth: Truth {
            records: 20,
            files,
            recordings: 1,
            empty_hours: EmptyHours::None,
        },
        ..Config::default()
    })
}

fn run(site: &Site, script: &str) -> Program {
    site.shell(script).env("XDG_CACHE_HOME", site.path("cache"))
}

/// What differs from day to day and from run to run, made the same: names of
/// exports, and every number.
fn normalized(text: &str) -> String {
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let id = rest.len() - rest.trim_start_matches(is_id).len();
        if id >= 32 {
            out.push_str("<id>");
            rest = &rest[36.min(id)..];
        } else if c.is_ascii_digit() {
            out.push('#');
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[test]
fn its_console_blocks_print_what_they_say() {
    let site = site(2);
    let mut commands = 0;
    for block in blocks("console") {
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line
                .strip_prefix("$ ")
                .expect("a block begins with a command");
            let mut expected = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push_str(line);
                expected.push('\n');
            }
            let ran: Ran = run(&site, command).run().ends(0);
            assert_eq!(
                normalized(&ran.stdout()),
                normalized(&expected),
                "$ {command}"
            );
            if command.ends_with("| wc -l") || command.ends_with("| jq length") {
                assert_eq!(ran.stdout(), expected, "a count is exact: $ {command}");
            }
            assert_eq!(ran.stderr(), "", "$ {command}");
            commands += 1;
        }
    }
    assert!(commands >= 10, "{commands}");
    assert_eq!(site.sim.stats().creates_accepted, 2);
}

/// The script with these words in it.
pub fn script(first_words: &str) -> String {
    let found = blocks("sh")
        .into_iter()
        .find(|block| block.contains(first_words));
    found
        .unwrap_or_else(|| panic!("no script with {first_words}"))
        .to_owned()
}

#[test]
fn its_first_job_makes_a_table_of_the_long_calls() {
    let site = site(2);
    let demo = "export-plan windows --group acme --type dialog_end --from -2d --to -1d |
        export-fetch --out-dir demo/cdrs > /dev/null";
    run(&site, demo).prints("");
    let job = script("-o demo/long-calls.csv");
    let job = job.lines().filter(|line| !line.starts_with("PATH="));
    run(&site, &job.collect::<Vec<_>>().join("\n")).prints("");
    let table = site.read("demo/long-calls.csv");
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("id,time,duration,end_type,time_iso"));
    let mut count = 0;
    for row in rows {
        let duration: f64 = row.split(',').nth(2).unwrap().parse().unwrap();
        assert!(duration > 60000.0, "{row}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn its_pipeline_runs_as_it_stands() {
    let site = site(2);
    let pipeline = script("> long-calls.ndjson")
        .replace("--from -60d", "--from -3d")
        .replace("--region us1", "");
    run(&site, &pipeline).prints("");
    assert!(site.read("long-calls.ndjson").lines().count() > 10);
}

#[test]
fn its_cron_job_neither_loses_nor_doubles_a_record() {
    let site = site(1);
    let job = script("# 17 * * * *").replace("--from -60d", "--from -4d");
    run(&site, &job).prints("");
    // One window that is refused holds back none of the others.
    let ahead = job
        .replace("--have", "--group nobody --have")
        .replace("-4d", "-6d --to -5d");
    run(&site, &ahead).run().ends(77);
    assert_eq!(std::fs::read_dir(site.path("lists")).unwrap().count(), 0);
    // Killed after the ZIPs came and before the list was read.
    let killed = job.replace("for list in", "kill -9 $$; for list in");
    run(&site, &killed.replace("-4d", "-5d")).run().ends(137);
    assert_eq!(std::fs::read_dir(site.path("lists")).unwrap().count(), 1);
    run(&site, &job).prints("");
    assert_eq!(std::fs::read_dir(site.path("lists")).unwrap().count(), 0);
    let mut records = Vec::new();
    for entry in std::fs::read_dir(site.path("records")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        records.extend(text.lines().map(str::to_owned));
    }
    // What was asked for has no gap, whatever hour it is by now; and the records
    // are those of just that.
    let ledger = site.path("zips/ledger.ndjson");
    let text = std::fs::read(&ledger).unwrap();
    let had = History::read(&text, &FileOrObject::File(ledger)).unwrap();
    let windows: Vec<_> = had.known().map(|(order, _)| order.window).collect();
    for pair in windows.windows(2) {
        assert_eq!(pair[0].to(), pair[1].from());
    }
    assert!(windows.len() >= 4);
    let (from, to) = (windows[0].from(), windows[windows.len() - 1].to());
    let truth = site
        .sim
        .truth("acme", &["dialog_end"], &from.rfc3339(), &to.rfc3339());
    assert_eq!(sorted(records), sorted(truth));
}

#[test]
fn its_cron_job_sets_a_bad_record_aside_and_goes_on() {
    let site = site(1);
    let job = script("# 17 * * * *").replace("--from -60d", "--from -3d");
    let bad = zip(&[Member::new("m.json", "{\"a\":1}\nbad\n{\"a\":2}\n")]);
    std::fs::write(site.path("bad.zip"), bad).unwrap();
    std::fs::create_dir(site.path("lists")).unwrap();
    std::fs::write(site.path("lists/0.ndjson"), "{\"path\":\"bad.zip\"}\n").unwrap();
    run(&site, &job).run().ends(65);
    assert_eq!(std::fs::read_dir(site.path("lists")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(site.path("records")).unwrap().count(), 2);
    assert_eq!(site.read("records/0.ndjson"), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(site.read("bad/0.ndjson").lines().count(), 1);
    run(&site, &job).prints("");
}

#[test]
fn its_loop_retries_what_time_mends_and_nothing_else() {
    let site = site(1);
    let job = script("until plan |")
        .replace("--from -60d", "--from -3d")
        .replace("sleep 300", "echo again")
        .replace("--deadline 1h", "--tries 1");
    site.sim.fault("status@1-2=503");
    run(&site, &format!("set +e\n{job}"))
        .run()
        .check(0, "again\nagain\n", "[..]\n[..]\n");
    site.sim.fault("create=403");
    let later = job.replace("--from -3d", "--from -5d");
    run(&site, &format!("set +e\n{later}")).run().ends(77);
}

#[test]
fn its_hourly_calls_are_there_once_whatever_was_killed() {
    let site = site(1);
    let job = script("# 7 * * * *");
    let hour = || run(&site, &job).prints("");
    hour();
    site.sim.voicegain().change(Change::Add(7));
    // Killed after the file had its name and before the state said so.
    let state = site.read("vg.state");
    hour();
    std::fs::write(site.path("vg.state"), state).unwrap();
    site.sim.voicegain().change(Change::Add(5));
    hour();
    hour();
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(site.path("calls")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(sorted(lines), sorted(site.sim.voicegain().truth()));
}

#[test]
fn its_state_waits_for_a_program_that_fails() {
    let site = site(1);
    let job = script("load new.ndjson && mv");
    let fails = format!("load() {{ false; }}\n{job}");
    run(&site, &fails).run().ends(1);
    assert!(!site.path("vg.state").exists());
    let loads = format!("load() {{ cat \"$1\" >> loaded; }}\n{job}");
    run(&site, &loads).prints("");
    run(&site, &loads).prints("");
    let lines: Vec<String> = site.read("loaded").lines().map(str::to_owned).collect();
    assert_eq!(lines, site.sim.voicegain().truth());
}

#[test]
fn its_first_afternoon_ends_with_a_day_of_records() {
    let site = site_with_rate(2, 1000);
    let probe = |words| {
        let quick = "--create --poll 20ms --rate 1000/1s";
        run(&site, &script(words).replace("--create", quick))
    };
    let ran = probe("--create --write-profile").run().ends(0);
    assert!(ran.stdout().ends_with("this account works\n"));
    assert!(site.read("acme.toml").starts_with("# The differences"));
    // The second one finds the export of the first.
    probe("--create --api-profile").run().ends(0);
    assert_eq!(site.sim.stats().creates_accepted, 1);
    let quick = |words| script(words).replace("--out-dir", "--rate 1000/1s --out-dir");
    run(&site, &quick("> first-day.ndjson")).prints("");
    assert!(site.read("first-day.ndjson").lines().count() > 10);
    let rest = quick("--order expiring-first").replace("--from -60d", "--from -3d");
    run(&site, &rest).prints("");
    assert!(!site.read("zips.ndjson").is_empty());
}

#[test]
fn what_support_is_sent_has_the_request_and_no_secret() {
    let site = site(1);
    site.sim.fault("list=404");
    let ran = run(&site, &script("|| cat probe.txt")).run();
    assert_eq!(ran.status(), 0);
    let sent = ran.stdout();
    assert!(
        sent.contains("/exports-api/v1/exports?group=acme: HTTP 404"),
        "{sent}"
    );
    assert!(sent.contains("[list] path"), "{sent}");
    assert!(
        !sent.contains("demo-password") && !sent.contains("eyJ"),
        "{sent}"
    );
}
