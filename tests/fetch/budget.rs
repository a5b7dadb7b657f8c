//! Runs with ledgers, groups and directories of their own share one rate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::harness::{Program, program, scratch};
use crate::sim::Config;
use crate::site::{NOW, Site, config};

const PER: Duration = Duration::from_secs(1);

/// Whose ZIPs the vendor counts: the account's, or each group's.
fn site(zips_of_all_groups: bool) -> Site {
    Site::with(Config {
        zips_of_all_groups,
        ..config()
    })
}

/// `export-fetch` for some hours of one group, with a ledger of its own.
fn run(site: &Site, group: &str, hour: usize, pages: usize) -> Program {
    let at = |hour: usize| format!("2026-11-10T{hour:02}:00:00Z");
    let plan = program("export-plan")
        .args(["windows", "--group", group, "--type", "dialog_end"])
        .args(["--now", NOW, "--from", &at(hour), "--to", &at(hour + pages)])
        .run()
        .ends(0)
        .stdout();
    program("export-fetch")
        .dir(site.dir.path())
        .envs(site.env())
        .env("XDG_CACHE_HOME", site.path("cache"))
        .args(["--out-dir", &format!("cdrs-{group}-{hour}")])
        .args(["--page-size", "1", "--rate", "5/1s", "--poll", "10ms"])
        .stdin(plan)
}

/// The one file that the runs draw from.
fn budget_file(site: &Site) -> PathBuf {
    let mut files = budget_files(site);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn budget_files(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.path("cache/callpipe")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_budget = |path: &PathBuf| path.to_str().unwrap().contains("/rate-");
    paths.filter(is_budget).collect()
}

/// Waits for a run and expects it to have downloaded `pages` pages.
#[track_caller]
fn ended(child: Child, pages: usize) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, pages, "{stderr}");
    assert!(!stderr.contains("429"), "{stderr}");
}

#[test]
fn ten_runs_of_two_groups_are_never_refused_and_end_near_the_bound() {
    let site = site(true);
    let programs: Vec<Program> = (0..10)
        .map(|number| run(&site, ["acme", "acme-qa"][number % 2], number, 3))
        .collect();
    let begun = Instant::now();
    let children: Vec<Child> = programs.into_iter().map(Program::spawn).collect();
    children.into_iter().for_each(|child| ended(child, 3));
    let took = begun.elapsed();
    let stats = site.sim.stats();
    assert_eq!(stats.rate_violations, 0);
    assert_eq!(stats.downloads.len(), 10);
    assert_eq!(stats.logins, 1, "they share the token, too");
    // 30 pages at 5 a second, of which the first 5 are free.
    assert!(took >= 5 * PER, "{took:?}");
    assert!(took < 10 * PER, "{took:?}");
    let mode = fs::metadata(budget_file(&site))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn each_group_may_have_a_rate_of_its_own() {
    let site = site(false);
    let groups = ["acme", "acme-qa"];
    let programs: Vec<Program> = (0..4)
        .map(|number| run(&site, groups[number % 2], number, 5).args(["--rate-scope", "group"]))
        .collect();
    let children: Vec<Child> = programs.into_iter().map(Program::spawn).collect();
    children.into_iter().for_each(|child| ended(child, 5));
    assert_eq!(site.sim.stats().rate_violations, 0);
    assert_eq!(budget_files(&site).len(), 2);
}

#[test]
fn without_a_common_budget_the_service_has_to_refuse() {
    for (scope, home) in [("none", true), ("origin", false)] {
        let site = site(true);
        for number in 0..2 {
            let mut run = run(&site, "acme", number * 6, 5).args(["--rate-scope", scope]);
            if !home {
                run = run.env("XDG_CACHE_HOME", "");
            }
            run.args(["--backoff", "10ms"]).run().ends(0);
        }
        assert!(site.sim.stats().rate_violations > 0, "{scope} {home}");
    }
}

#[test]
fn a_run_that_is_killed_blocks_nobody_and_what_it_asked_for_counts() {
    let site = site(true);
    let mut first = run(&site, "acme", 0, 8).spawn();
    // It waits for a turn when five are through.
    while site.downloads().len() < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let begun = Instant::now();
    run(&site, "acme-qa", 10, 5).run().ends(0);
    assert!(begun.elapsed() < 9 * PER, "{:?}", begun.elapsed());
    assert_eq!(site.sim.stats().rate_violations, 0);
}

#[test]
fn a_half_written_budget_costs_one_period() {
    let site = site(true);
    run(&site, "acme", 0, 1).run().ends(0);
    let path = budget_file(&site);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    let begun = Instant::now();
    let ran = run(&site, "acme", 2, 1).run().ends(0);
    let expected = format!(
        "export-fetch: {}: the file is damaged, as after a crash: assuming that all of --rate is \
         used\n",
        path.display()
    );
    assert_eq!(ran.stderr(), expected);
    assert!(begun.elapsed() >= PER);
    run(&site, "acme", 4, 1).run().check(0, "[..]\n", "");
}

#[test]
fn a_place_where_no_budget_can_lie_is_said_and_does_no_harm() {
    let site = site(true);
    let home = scratch();
    fs::write(home.path().join("callpipe"), "").unwrap();
    let ran = run(&site, "acme", 0, 1)
        .env("XDG_CACHE_HOME", home.path())
        .arg("--no-cache")
        .run()
        .ends(0);
    let stderr = ran.stderr();
    assert!(
        stderr.ends_with("--rate does not count the requests of other processes\n"),
        "{stderr}"
    );
}
