//! Refusals of the service, and the exit status of the program.

use crate::metrics::site::{Site, latest};

const DAY: &str = "batch dialogs --from 2026-11-04 --to 2026-11-05";

#[test]
fn statuses_of_the_service_become_exit_statuses() {
    for (fault, status, words) in [
        ("metrics=400", 69, "asked for dialogs, terminated"),
        ("metrics=401", 77, "OCP_PAT"),
        ("metrics=403", 77, "the account may not see group acme"),
        ("metrics=404", 69, "the analytics host"),
        ("metrics=503", 75, "HTTP 503, after 2 tries"),
        ("metrics=html", 75, "an HTML page"),
        ("metrics=garbage", 69, "not an array of series"),
        ("metrics=413", 75, "even for one bucket"),
        ("metrics=504", 75, "HTTP 504"),
        ("metrics=cut", 75, "was cut off"),
        ("metrics=429,retry-after=7200", 75, "longer than --patience"),
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        let ran = site.run(
            "batch dialogs --from 2026-11-04 --to 2026-11-04T02:00:00Z",
            status,
        );
        assert!(ran.stderr().contains(words), "{fault}: {}", ran.stderr());
        assert_eq!(ran.stdout(), "", "{fault}");
    }
}

#[test]
fn a_refusal_that_passes_is_waited_out() {
    let site = Site::new();
    site.sim.fault("metrics@1=429,retry-after=1");
    assert_eq!(site.run(DAY, 0).lines().len(), 5 * 24);
    // As a date, and too far away to be waited for.
    site.sim.fault("metrics=429,retry-after=date:7200");
    let ran = site.run(DAY, 75);
    assert!(
        ran.stderr().contains("longer than --patience"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_window_that_is_too_much_is_halved_until_it_is_not() {
    let site = Site::new();
    let whole = site.run(DAY, 0).records();
    site.metrics().set(|knobs| knobs.most_buckets = 5);
    let ran = site.run(DAY, 0);
    assert_eq!(latest(&ran.records()), latest(&whole));
    assert_eq!(ran.records().len(), whole.len());
    // 24, 12, 6 are too much; then a quarter of a day at a time is, too.
    assert_eq!(site.report()["halved"], 3);
    for fault in ["metrics@1=cut", "metrics@1=504", "metrics@1=stall,for=2s"] {
        let site = Site::new();
        site.sim.fault(fault);
        let ran = site.run(DAY, 0);
        assert_eq!(ran.records().len(), whole.len(), "{fault}");
        assert!(
            ran.stderr().contains("requesting half"),
            "{fault}: {}",
            ran.stderr()
        );
    }
}

#[test]
fn one_wrong_metric_does_not_cost_the_others() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.unknown = vec!["newone"]);
    let args = "batch dialogs --metric dialogs --metric newone --from 2026-11-03 --to 2026-11-05 --window 1d";
    let ran = site.run(args, 69);
    assert_eq!(ran.stdout(), "");
    assert!(ran.stderr().contains("--each-metric"), "{}", ran.stderr());
    let ran = site.run(&format!("{args} --each-metric"), 69);
    assert_eq!(ran.lines().len(), 48);
    assert!(
        ran.stderr().contains("asked for newone"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn other_groups_go_on_where_one_may_not_be_seen() {
    let site = Site::new();
    let ran = site.run(&format!("{DAY} --group hidden --group acme-qa"), 77);
    let rows = ran.records();
    assert_eq!(rows.len(), 2 * 5 * 24);
    assert!(rows.iter().any(|row| row["group"] == "acme-qa"));
    assert!(
        ran.stderr().contains("may not see group hidden"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn what_cannot_be_asked_is_a_usage_error_and_asks_nothing() {
    let site = Site::new();
    for (args, words) in [
        ("batch dialogs", "no start: give --from"),
        (
            "batch dialogs --from -1d --step five_min",
            "realtime has five_min and hour",
        ),
        (
            "realtime dialogs --step day",
            "realtime has five_min and hour",
        ),
        ("batch dialogs --from -1d --filter channel", "use K=V"),
        ("realtime dialogs --filter test_flag=maybe", "true or false"),
        (
            "batch dialogs --from -1d --step day --timezone Mars",
            "not a zone",
        ),
        ("realtime miniapps --api v2", "v2 has no realtime miniapps"),
        (
            "batch dialogs --from -1d --max-gap 1 --assume-zero",
            "cannot be used with",
        ),
    ] {
        let ran = site.program(args).run();
        assert_eq!(ran.status(), 2, "{args}: {}", ran.stderr());
        assert!(ran.stderr().contains(words), "{args}: {}", ran.stderr());
    }
    assert!(site.metrics().bodies().is_empty());
}

#[test]
fn a_token_that_dies_is_renewed_once() {
    let site = Site::new();
    site.sim.fault("metrics@2=forget-token");
    let ran = crate::harness::program("ocp-metrics")
        .dir(site.dir.path())
        .env("OCP_API_URL", site.sim.url())
        .env("OCP_IAM_URL", site.sim.url())
        .env("OCP_USERNAME", "demo")
        .env("OCP_PASSWORD", "demo-password")
        .args(DAY.split(' '))
        .args(["--group", "acme", "--no-cache", "--window", "12h"])
        .run()
        .ends(0);
    assert_eq!(ran.lines().len(), 5 * 24);
    let stats = site.sim.stats();
    assert_eq!((stats.unauthorised, stats.requests["metrics"]), (1, 3));
}

#[test]
fn nothing_to_do_has_a_status_of_its_own() {
    let site = Site::new();
    site.run("batch dialogs --from -1h --skip-code 99", 99);
    site.metrics().reply_with(200, "[]");
    site.run(&format!("{DAY} --skip-code 99"), 99);
}
