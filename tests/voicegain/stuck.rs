//! Calls that do not finish: said, and gone past only when that is asked for.

use chrono::TimeDelta;

use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id, ids};

/// A site whose call number `index` is in `phase` and began `hours` ago.
fn stuck(index: usize, phase: &'static str, hours: i64) -> (Site, u64) {
    let mut site = Site::new();
    site.patience = "20s";
    let id = site.calls().ids()[index];
    site.change(Change::Phase(id, phase));
    site.calls().age(id, TimeDelta::hours(hours));
    (site, id)
}

#[test]
fn a_blocker_is_said_only_when_it_is_unusual() {
    let (site, id) = stuck(9, "PROCESSING", 0);
    assert_eq!(site.run(&[], 0).stderr(), "");
    assert_eq!(site.report()["ended"], "blocked");
    site.calls().age(id, TimeDelta::hours(50));
    let ran = site.run(&[], 0);
    let words = format!(
        "vg-consecutive: blocked by call {id} (PROCESSING, began 2d2h ago, blocking since 20"
    );
    assert!(ran.stderr().starts_with(&words), "{}", ran.stderr());
    assert_eq!(ran.stderr().lines().count(), 1);
    let blocker = &site.report()["blocked_by"];
    assert!(blocker["age_seconds"].as_u64() >= Some(50 * 3600));
    assert!(blocker["since"].is_string() && blocker["start"].is_string());
    let ran = site.run(&["-q"], 0);
    assert_eq!(ran.stderr(), "");
    site.change(Change::Phase(id, "DONE"));
    let ran = site.run(&["-v"], 0);
    assert_eq!(ran.lines().len(), 31);
    assert!(
        ran.stderr().contains("caught up with call "),
        "{}",
        ran.stderr()
    );
}

#[test]
fn since_when_is_kept_from_run_to_run() {
    let (site, _) = stuck(9, "PROCESSING", 1);
    site.run(&[], 0);
    let since = site.state()["blocked"]["since"].clone();
    site.run(&[], 0);
    std::thread::sleep(std::time::Duration::from_millis(20));
    site.run(&[], 0);
    assert_eq!(site.state()["blocked"]["since"], since);
    assert_eq!(site.report()["blocked_by"]["since"], since);
}

#[test]
fn stall_after_is_75_with_its_own_words_and_keeps_what_came() {
    let (site, id) = stuck(9, "RECOMPUTING", 7);
    let ran = site.run(&["--stall-after", "6h"], 75);
    assert_eq!(ran.lines().len(), 9);
    assert_eq!(site.cursor(), site.calls().ids()[8]);
    let words = format!("vg-consecutive: blocked by call {id} (RECOMPUTING, began 7h ago, ");
    assert!(ran.stderr().starts_with(&words), "{}", ran.stderr());
    assert!(ran.stderr().contains("no later call can be exported"));
    assert_eq!(site.report()["state"], "try-later");
    site.run(&["--stall-after", "8h"], 0);
}

#[test]
fn a_blocker_that_is_old_enough_is_gone_past_and_comes_when_it_is_finished() {
    for phase in [
        "PROCESSING",
        "RECOMPUTING",
        "STOPPED",
        "INPUT_READY",
        "SOMETHING_NEW",
    ] {
        let (site, id) = stuck(9, phase, 7);
        let skip = ["--skip-blocked-after", "6h"];
        let first = site.run(&skip, 0);
        assert_eq!(first.lines().len(), 39, "{phase}");
        let words = format!("skipping call {id} ({phase}, ");
        assert!(first.stderr().contains(&words), "{}", first.stderr());
        assert_eq!(site.state()["pending"][0]["call_id"], id);
        assert_eq!(site.report()["pending"][0]["call_id"], id);
        assert_eq!(site.run(&skip, 0).stdout(), "", "{phase}");
        site.change(Change::Phase(id, "DONE"));
        // Without the flag, too: the state has promised it.
        let late = site.run(&[], 0);
        assert_eq!(ids(&late.lines()), [id], "{phase}");
        assert_eq!(site.report()["late"], 1);
        assert_eq!(site.state()["pending"], serde_json::Value::Null);
        let all = [first.lines(), late.lines(), site.run(&skip, 0).lines()].concat();
        assert_eq!(by_id(all), site.calls().truth());
    }
}

#[test]
fn many_stuck_calls_cost_one_look() {
    let site = Site::with(|config| config.calls = 120);
    let known = site.calls().ids();
    for id in known.iter().skip(10).step_by(4).take(20) {
        site.change(Change::Phase(*id, "QUEUED"));
        site.calls().age(*id, TimeDelta::days(3));
    }
    let lines = site.run(&["--skip-blocked-after", "1d"], 0).lines();
    assert_eq!(lines.len(), 100);
    assert_eq!(lines, site.calls().truth());
    let stats = site.sim.stats();
    let looks = stats
        .recent
        .iter()
        .filter(|seen| seen.target.contains("sort_dir=desc"));
    assert!(looks.count() <= 6, "two scans of the newest calls");
    // A whole page of them finishes; the next run asks for each, and has them all.
    for id in known.iter().skip(10).step_by(4).take(20) {
        site.change(Change::Phase(*id, "DONE"));
    }
    let late = site.run(&[], 0).lines();
    assert_eq!(by_id([lines, late].concat()), site.calls().truth());
}

#[test]
fn a_young_blocker_is_waited_for_behind_an_old_one() {
    let (site, old) = stuck(9, "PROCESSING", 7);
    let young = site.calls().ids()[20];
    site.change(Change::Phase(young, "PROCESSING"));
    let lines = site.run(&["--skip-blocked-after", "6h"], 0).lines();
    assert_eq!(lines.len(), 19);
    assert_eq!(site.report()["blocked_by"]["call_id"], young);
    site.change(Change::Phase(old, "ERROR"));
    site.change(Change::Phase(young, "DONE"));
    let rest = site.run(&["--skip-blocked-after", "6h"], 0).lines();
    assert_eq!(by_id([lines, rest].concat()), site.calls().truth());
}

#[test]
fn one_that_was_deleted_is_not_waited_for_for_ever() {
    let (site, id) = stuck(9, "STOPPED", 7);
    site.run(&["--skip-blocked-after", "6h"], 0);
    site.change(Change::Delete(id));
    let ran = site.run(&[], 0);
    assert_eq!(ran.stdout(), "");
    assert!(
        ran.stderr().contains("does not exist any more"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.report()["gone"], 1);
    assert_eq!(site.run(&[], 0).stderr(), "");
}

#[test]
fn to_go_past_takes_a_state() {
    let (site, _) = stuck(9, "STOPPED", 7);
    let ran = site.export(&["--skip-blocked-after", "6h"]).run().ends(2);
    assert!(ran.stderr().contains("--state"), "{}", ran.stderr());
}

#[test]
fn the_reason_is_found_though_uploads_began_long_ago() {
    // The blocker is an upload: its call began months before those with lower ids.
    let (site, id) = stuck(30, "PROCESSING", 24 * 90);
    site.run(&[], 0);
    assert_eq!(site.report()["blocked_by"]["call_id"], id);
}

#[test]
fn a_blocker_that_finishes_while_it_is_looked_for_is_exported_in_the_same_run() {
    let (site, id) = stuck(9, "PROCESSING", 0);
    site.calls().at(3, Change::Phase(id, "DONE"));
    assert_eq!(site.run(&[], 0).lines(), site.calls().truth());
    assert_eq!(site.report()["ended"], "caught-up");
}

#[test]
fn where_the_service_sorts_otherwise_nothing_wrong_is_said() {
    let site = Site::with(|config| config.ignores_sort_dir = true);
    let id = site.calls().ids()[35];
    site.change(Change::Phase(id, "PROCESSING"));
    site.run(&[], 0);
    assert_eq!(
        site.report()["blocked_by"]["call_id"],
        id,
        "it reads them all"
    );
    site.change(Change::Phase(id, "DONE"));
    site.run(&[], 0);
    assert_eq!(site.report()["ended"], "caught-up");
}

#[test]
fn a_service_that_does_not_stop_is_stopped_for() {
    let site = Site::with(|config| config.ignores_consecutive = true);
    let known = site.calls().ids();
    site.change(Change::Phase(known[9], "PROCESSING"));
    assert_eq!(site.run(&[], 0).lines().len(), 9);
    assert_eq!(site.report()["blocked_by"]["call_id"], known[9]);
    site.change(Change::Phase(known[9], "DONE"));
    assert_eq!(site.run(&[], 0).lines().len(), 31);
}
