//! What makes a walk over pages lose calls, each arranged so that a client that turns pages under a
//! fixed cursor does lose some.

use crate::sim::voicegain::{Change, IdForm, StopRule};
use crate::voicegain::site::{Site, by_id, ids};

/// Two runs, in pages of ten; everything that is finished in the end has come, once.
fn has_everything(site: &Site) -> Vec<String> {
    let mut lines = site.run(&["--per-page", "10"], 0).lines();
    lines.extend(site.run(&["--per-page", "10"], 0).lines());
    assert_eq!(by_id(lines.clone()), site.calls().truth());
    assert_eq!(site.sim.stats().panics, 0);
    lines
}

#[test]
fn every_call_comes_once_and_unaltered_in_the_order_of_ids() {
    for (form, per_page) in [
        (IdForm::Text, "10"),
        (IdForm::Number, "7"),
        (IdForm::Text, "1000"),
    ] {
        let site = Site::with(|config| config.id_form = form);
        let ran = site.run(&["--per-page", per_page], 0);
        assert_eq!(ran.lines(), site.calls().truth());
        assert_eq!(ran.stderr(), "");
        assert_eq!(site.run(&[], 0).stdout(), "");
        let report = site.report();
        assert_eq!(
            (report["calls"].as_u64(), report["ended"].as_str()),
            (Some(0), Some("caught-up"))
        );
    }
}

#[test]
fn h1_the_blocker_finishes_between_two_pages() {
    for stop in [StopRule::Query, StopRule::Page] {
        let site = Site::with(|config| config.stop = stop);
        let ids = site.calls().ids();
        site.change(Change::Phase(ids[14], "PROCESSING"));
        site.calls().at(3, Change::Phase(ids[14], "DONE"));
        assert_eq!(has_everything(&site).len(), 40);
    }
}

#[test]
fn h2_calls_are_deleted_between_two_pages() {
    let site = Site::new();
    let known = site.calls().ids();
    let truth = site.calls().truth();
    // Rows of pages that were read: with page numbers, four others would be skipped.
    for (request, index) in [(2, 0), (3, 1), (3, 15), (4, 29)] {
        site.calls().at(request, Change::Delete(known[index]));
    }
    assert_eq!(site.run(&["--per-page", "10"], 0).lines(), truth);
    assert_eq!(site.calls().ids().len(), 36);
}

#[test]
fn h3_the_stop_ends_each_page_for_itself() {
    let site = Site::with(|config| config.stop = StopRule::Page);
    let ids = site.calls().ids();
    site.change(Change::Phase(ids[4], "QUEUED"));
    site.change(Change::Phase(ids[25], "WAITING"));
    let first = site.run(&["--per-page", "10"], 0).lines();
    assert_eq!(
        first.len(),
        4,
        "nothing behind the call that is not finished"
    );
    site.change(Change::Phase(ids[4], "DONE"));
    site.change(Change::Phase(ids[25], "DONE"));
    let rest = site.run(&["--per-page", "10"], 0).lines();
    assert_eq!([first, rest].concat(), site.calls().truth());
}

#[test]
fn h4_a_rerun_sends_calls_back_to_an_unfinished_phase() {
    let site = Site::new();
    let ids = site.calls().ids();
    site.run(&["--per-page", "10"], 0);
    site.change(Change::Phase(ids[3], "RECOMPUTING"));
    site.change(Change::Add(5));
    let lines = site.run(&[], 0).lines();
    assert_eq!(
        lines.len(),
        5,
        "what lies behind is not held up by what was exported"
    );
}

#[test]
fn h5_stopped_blocks_or_does_not_as_the_service_has_it() {
    for blocks in [true, false] {
        let site = Site::with(|config| config.stopped_blocks = blocks);
        let ids = site.calls().ids();
        site.change(Change::Phase(ids[9], "STOPPED"));
        let count = site.run(&[], 0).lines().len();
        assert_eq!(count, if blocks { 9 } else { 40 });
        let ended = if blocks { "blocked" } else { "caught-up" };
        assert_eq!(site.report()["ended"], ended);
    }
}

#[test]
fn h6_a_stuck_call_is_named() {
    let site = Site::new();
    let ids = site.calls().ids();
    site.change(Change::Phase(ids[9], "FETCHING"));
    let ran = site.run(&["-v"], 0);
    let blocker = &site.report()["blocked_by"];
    assert_eq!(
        (blocker["call_id"].as_u64(), blocker["phase"].as_str()),
        (Some(ids[9]), Some("FETCHING"))
    );
    let words = format!(
        "vg-consecutive: blocked by call {} (FETCHING, began ",
        ids[9]
    );
    assert!(ran.stderr().contains(&words), "{}", ran.stderr());
}

#[test]
fn h7_what_is_filled_in_late_comes_with_refresh_days() {
    let site = Site::new();
    let ids = site.calls().ids();
    site.run(&["--refresh-days", "2"], 0);
    site.change(Change::Edit(ids[5]));
    assert_eq!(
        site.run(&[], 0).stdout(),
        "",
        "the cursor has no signal of it"
    );
    let lines = site.run(&["--refresh-days", "2"], 0).lines();
    assert_eq!(lines, [site.calls().truth()[5].clone()]);
}

#[test]
fn h8_a_call_that_comes_late_with_a_low_id_comes_with_refresh_days() {
    let site = Site::with(|config| config.calls = 10);
    site.run(&["--refresh-days", "2"], 0);
    site.change(Change::Add(10));
    let before = site.calls().ids();
    let gap = (before[10]..before[19])
        .find(|id| !before.contains(id))
        .unwrap();
    assert_eq!(site.run(&["--refresh-days", "2"], 0).lines().len(), 10);
    site.change(Change::Insert(gap));
    let lines = site.run(&["--refresh-days", "2"], 0).lines();
    assert_eq!(ids(&lines), [gap]);
    assert_eq!(site.run(&["--refresh-days", "2"], 0).stdout(), "");
}

#[test]
fn a_service_that_gives_less_than_asked_for_is_asked_again() {
    let site = Site::with(|config| config.max_per_page = 6);
    assert_eq!(has_everything(&site).len(), 40);
    let requests = site.sim.stats().requests["calls"];
    assert_eq!(
        requests,
        7 + 1 + 1 + 2,
        "pages, an empty one, why; and the second run"
    );
}

#[test]
fn every_request_of_the_walk_is_for_page_one_without_sorting() {
    let site = Site::new();
    site.run(&["--per-page", "10"], 0);
    let stats = site.sim.stats();
    let walk = stats
        .recent
        .iter()
        .filter(|seen| seen.target.contains("consecutive=true"));
    let walk: Vec<_> = walk.map(|seen| seen.target.as_str()).collect();
    assert_eq!(walk.len(), 5);
    assert!(
        walk.iter()
            .all(|target| target.contains("page=1&") && !target.contains("sort"))
    );
}
