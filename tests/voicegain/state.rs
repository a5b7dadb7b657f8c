//! When the cursor moves, and when it does not.

use std::time::Duration;

use crate::harness::shell;
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id, id_of};

#[test]
fn a_reader_that_left_moves_nothing() {
    let site = Site::new();
    for reader in ["true", "head -c 1 > /dev/null"] {
        let script = format!("vg-consecutive --state S --per-page 10 | {reader}");
        let ran = site.shell(&script).run().ends(1);
        assert!(
            ran.stderr().contains("the reader closed stdout"),
            "{}",
            ran.stderr()
        );
    }
    // A reader that read a page and left has that page, and the state says just that.
    let mut seen: Vec<String> = Vec::new();
    let ran = site
        .shell("vg-consecutive --state S --per-page 10 | head -n 10")
        .run();
    seen.extend(ran.lines());
    seen.extend(site.run(&[], 0).lines());
    seen.sort();
    seen.dedup();
    assert_eq!(by_id(seen), site.calls().truth());
}

#[test]
fn killed_between_a_page_and_the_state_the_page_comes_again() {
    let site = Site::new();
    // Nobody reads: the page is in the pipe, and the state must not say that it was read.
    let mut child = site.export(&["--state", "S", "--per-page", "10"]).spawn();
    while site.calls().requests() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(150));
    assert!(!site.path("S").exists());
    assert_eq!(site.calls().requests(), 1, "it waits for its reader");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(site.run(&[], 0).lines(), site.calls().truth());
}

#[test]
fn killed_at_any_moment_the_next_run_goes_on() {
    let mut moment = 0.0_f64;
    let site = Site::with(|config| config.calls = 200);
    let mut lines = Vec::new();
    for _ in 0..12 {
        moment = (moment + 0.618_034).fract();
        let script = "exec vg-consecutive --state S --per-page 5 --rate 1000/1s >> out.ndjson";
        let mut child = site.shell(script).spawn();
        std::thread::sleep(Duration::from_secs_f64(0.01 + moment * 0.2));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = site.read("out.ndjson");
        let complete = text.rfind('\n').map_or("", |at| &text[..at]);
        lines = complete.lines().map(str::to_owned).collect();
        if site.path("S").exists() {
            let known: Vec<u64> = lines.iter().map(|line| id_of(line)).collect();
            assert!(
                known.contains(&site.cursor()),
                "the state is never ahead of the data"
            );
        }
    }
    // What was cut off in mid-line comes again as a whole.
    let whole: Vec<String> = lines
        .into_iter()
        .filter(|line| site.calls().truth().contains(line))
        .collect();
    let mut all = [whole, site.run(&[], 0).lines()].concat();
    all.sort();
    all.dedup();
    assert_eq!(by_id(all), site.calls().truth());
    assert_eq!(site.run(&[], 0).stdout(), "", "the state is at the end");
}

#[test]
fn two_runs_at_once_are_one_too_many() {
    let site = Site::new();
    site.sim.fault("calls@2=slow-headers,for=20s");
    let mut first = site
        .export(&["--state", "S", "--read-timeout", "30s"])
        .spawn();
    while site.calls().requests() < 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = site.run(&[], 75);
    assert!(
        second.stderr().ends_with("/S: another run holds it\n"),
        "{}",
        second.stderr()
    );
    first.kill().unwrap();
    first.wait().unwrap();
    site.sim.reset();
    site.run(&[], 0);
}

#[test]
fn a_broken_state_is_an_error_and_nothing_is_asked() {
    let site = Site::new();
    site.run(&[], 0);
    let good = site.read("S");
    let requests = site.calls().requests();
    for bad in [
        "",
        "0",
        "{}",
        &good[..40],
        &good.replace("\"cursor\":", "\"cursor\":-"),
    ] {
        std::fs::write(site.path("S"), bad).unwrap();
        let ran = site.run(&[], 65);
        assert_eq!(ran.stdout(), "");
        assert_eq!(site.read("S"), *bad, "it is left as it is");
    }
    assert_eq!(site.calls().requests(), requests);
}

#[test]
fn a_state_of_other_settings_is_refused() {
    let site = Site::new();
    site.run(&["--agent", "a1", "--agent", "a2"], 0);
    site.run(&["--agent", "a2", "--agent", "a1"], 0);
    let ran = site.run(&["--agent", "a1"], 2);
    assert!(
        ran.stderr()
            .contains(r#"this state was made with agent = ["a1","a2"], not ["a1"]"#),
        "{}",
        ran.stderr()
    );
    site.run(&["--agent", "a1", "--agent", "a2", "--from-time", "-7d"], 2);
    let edge = format!("{}/ascalon-web-api", site.sim.url());
    let ran = site.run(&["--agent", "a1", "--agent", "a2", "--base-url", &edge], 2);
    assert!(ran.stderr().contains("base_url"), "{}", ran.stderr());
}

#[test]
fn a_token_of_another_project_does_not_go_on_with_this_cursor() {
    let site = Site::new();
    site.run(&[], 0);
    let mut state: serde_json::Value = serde_json::from_str(&site.read("S")).unwrap();
    state.as_object_mut().unwrap().remove("crc");
    let other = state.to_string().replace("17396f85-", "17396f86-");
    std::fs::write(site.path("S"), other).unwrap();
    site.run(&[], 0);
    site.change(Change::Add(1));
    let ran = site.run(&[], 2);
    assert!(
        ran.stderr().contains("is the token for another project?"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.stdout(), "");
}

#[test]
fn an_empty_run_keeps_the_cursor() {
    let site = Site::new();
    site.run(&[], 0);
    let cursor = site.cursor();
    site.export(&["--state", "S", "--skip-code", "99"])
        .fails(99, "");
    assert_eq!(site.cursor(), cursor);
    for id in site.calls().ids() {
        site.change(Change::Delete(id));
    }
    site.run(&[], 0);
    assert_eq!(site.cursor(), cursor);
}

#[test]
fn in_two_phases_mv_is_the_commit() {
    let site = Site::new();
    let run = "vg-consecutive --state S --state-out S.next --per-page 10";
    for _ in 0..2 {
        // The reader of the records fails, so that nothing was exported.
        let script = format!("{run} | (cat > lost; false) && mv S.next S");
        let ran = site.shell(&script).run();
        assert_eq!(ran.status(), 1);
        assert!(!site.path("S").exists());
    }
    let script = format!("{run} > calls && mv S.next S");
    site.shell(&script).prints("");
    assert_eq!(
        site.read("calls").lines().collect::<Vec<_>>(),
        site.calls().truth()
    );
    assert_eq!(Some(site.cursor()), site.calls().ids().last().copied());
    // An empty run leaves a successor, too.
    let before = site.state();
    site.shell(&script).prints("");
    assert_eq!(site.read("calls"), "");
    assert_eq!(site.state(), before);
    // The leftovers of a failed run are never committed.
    site.change(Change::Add(3));
    std::fs::write(site.path("S.next"), "stale").unwrap();
    site.sim.fault("calls=401");
    site.shell(run).run().ends(77);
    assert!(!site.path("S.next").exists());
}

#[test]
fn with_output_the_state_hears_of_it_when_the_file_has_its_name() {
    let site = Site::new();
    site.sim.fault("calls@3=401");
    let args = ["--per-page", "10", "-o", "calls.ndjson"];
    site.run(&args, 77);
    assert!(!site.path("calls.ndjson").exists() && !site.path("S").exists());
    site.sim.reset();
    assert_eq!(site.run(&args, 0).stdout(), "");
    let lines: Vec<String> = site
        .read("calls.ndjson")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines, site.calls().truth());
    assert_eq!(Some(site.cursor()), site.calls().ids().last().copied());
}

#[test]
fn a_full_disk_is_74_and_moves_nothing() {
    let site = Site::new();
    for script in [
        "vg-consecutive --state S > /dev/full",
        "vg-consecutive --state S -o /dev/full",
        "vg-consecutive --state /proc/S",
    ] {
        site.shell(script).run().ends(74);
        assert!(!site.path("S").exists(), "{script}");
    }
    // A limit on the size of files fails the write of the state as a full disk does.
    site.shell("trap '' XFSZ; ulimit -f 0; vg-consecutive --state S")
        .run()
        .ends(74);
    assert!(!site.path("S").exists());
}

#[test]
fn terminated_or_interrupted_the_state_is_where_its_pages_are() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let site = Site::new();
        site.sim.fault("calls@3=stall,for=60s");
        let script = format!(
            "vg-consecutive --state S --per-page 10 > out & sleep 0.6; kill -{signal} $!; wait $!"
        );
        // A shell in the background ignores SIGINT for its children; env resets that.
        let script = script.replace("vg-consecutive", "env --default-signal=INT vg-consecutive");
        let ran = site.shell(&script).run();
        assert_eq!(ran.status(), code, "{}", ran.stderr());
        let first: Vec<String> = site.read("out").lines().map(str::to_owned).collect();
        site.sim.reset();
        let rest = site.run(&[], 0).lines();
        assert!(first.len() > 20, "a part of the third page has left");
        // Nothing comes again, not even from the middle of a page.
        assert_eq!([first, rest].concat(), site.calls().truth());
    }
}

#[test]
fn terminated_in_the_middle_of_a_page_it_waits_for_its_reader() {
    let site = Site::new();
    site.sim.fault("calls@1=stall,for=60s");
    // A reader that begins to read when the program has been told to end.
    let script = "{ vg-consecutive --state S --per-page 40 & echo $! >&2; wait $!; } \
         | { while [ ! -s pid ]; do sleep 0.01; done; sleep 0.5; kill -TERM $(cat pid); sleep 0.5; cat; } 2>&1";
    let ran = site
        .shell(&format!("set +o pipefail; exec 2> pid; {script}"))
        .run();
    let first = ran.lines();
    site.sim.reset();
    let rest = site.run(&[], 0).lines();
    assert!(!first.is_empty() && !rest.is_empty());
    assert_eq!([first, rest].concat(), site.calls().truth());
}

#[test]
fn a_deadline_ends_with_75_and_the_next_run_goes_on() {
    let site = Site::new();
    site.sim.fault("calls@3=slow-headers,for=60s");
    let first = site.run(
        &[
            "--per-page",
            "10",
            "--deadline",
            "400ms",
            "--read-timeout",
            "30s",
        ],
        75,
    );
    assert_eq!(first.lines().len(), 20);
    let rest = site.run(&[], 0);
    assert_eq!([first.lines(), rest.lines()].concat(), site.calls().truth());
}

#[test]
fn after_begins_where_no_state_has() {
    let site = Site::new();
    let ids = site.calls().ids();
    let after = ids[29].to_string();
    let lines = site.export(&["--after", &after]).run().ends(0).lines();
    assert_eq!(lines, site.calls().truth()[30..]);
    assert_eq!(
        site.run(&["--after", &after], 0).lines(),
        site.calls().truth()[30..]
    );
    site.change(Change::Add(2));
    assert_eq!(site.run(&["--after", &after], 0).lines().len(), 2);
}

#[test]
fn a_state_that_is_a_link_stays_one() {
    let site = Site::new();
    shell("mkdir real; ln -s real/S S")
        .dir(site.dir.path())
        .prints("");
    std::fs::write(site.path("real/S"), "").unwrap();
    site.run(&[], 65);
    std::fs::remove_file(site.path("real/S")).unwrap();
    site.run(&[], 0);
    site.run(&[], 0);
}

#[test]
fn without_a_state_a_reader_may_leave() {
    let site = Site::new();
    let script = "vg-consecutive --per-page 10 | head -n 1; exit ${PIPESTATUS[0]}";
    let ran = site.shell(script).run().ends(0);
    assert_eq!((ran.lines().len(), ran.stderr()), (1, String::new()));
}
