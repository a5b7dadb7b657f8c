//! A service that is spelled otherwise than the profile says: the run ends soon, with
//! 69, and names the line of the profile.

use crate::sim::Config;
use crate::site::{Site, config};

/// Many windows of a day.
fn plan(site: &Site) -> String {
    site.plan("2026-11-01", "2026-11-16", &["--window", "1d"])
}

#[test]
fn a_wrong_path_ends_the_run_and_not_one_line_after_the_other() {
    for (role, line) in [
        ("create", "[create] path"),
        ("metadata", "[metadata] path"),
        ("data", "[data] path"),
    ] {
        let site = Site::new();
        site.sim.fault(&format!("{role}=404"));
        let ran = site.fetch(&plan(&site)).run().ends(69);
        let said = ran.stderr();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&format!("check {line}")), "{said}");
        assert!(
            said.contains("/exports-api/v1/exports"),
            "which URL? {said}"
        );
        // While a page is asked for again, the next exports are made.
        assert!(role == "data" || site.sim.stats().creates_accepted <= 1);
    }
}

#[test]
fn a_group_that_may_not_be_exported_is_asked_for_once() {
    for role in ["create", "metadata", "data"] {
        let site = Site::new();
        site.sim.fault(&format!("{role}=403"));
        let ran = site.fetch(&plan(&site)).run().ends(77);
        let said = ran.stderr();
        // While a page is asked for, the next export is made.
        let refused = if role == "data" { 2 } else { 1 };
        assert!(said.lines().count() <= refused + 1, "{said}");
        assert!(said.contains("the role OWNER"), "{said}");
        assert!(said.contains("more of this group"), "{said}");
        assert!(site.sim.stats().creates_accepted <= 3, "{role}");
    }
}

#[test]
fn what_is_refused_twice_for_one_reason_is_not_asked_for_thirty_times() {
    let site = Site::new();
    site.sim.fault("create=400");
    let ran = site.fetch(&plan(&site)).run().ends(69);
    let said = ran.stderr();
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("check [create] body"), "{said}");
    assert_eq!(site.sim.stats().requests["create"], 2);
}

#[test]
fn windows_that_are_too_old_are_each_refused() {
    let site = Site::with(Config {
        history: std::time::Duration::from_secs(9 * 24 * 3600),
        ..config()
    });
    let ran = site.fetch(&plan(&site)).run().ends(69);
    let refused = ran.stderr().matches("further back").count();
    assert_eq!(refused + ran.records().len(), 15, "{}", ran.stderr());
    assert!(refused > 3 && ran.records().len() > 3, "{refused}");
}

#[test]
fn a_state_that_is_not_known_but_has_metadata_is_not_waited_for() {
    let site = Site::new();
    std::fs::write(site.path("own.toml"), "[states]\nready = [\"GREEN\"]\n").unwrap();
    let ran = site
        .fetch(&plan(&site))
        .args(["--api-profile", "own.toml"])
        .run()
        .ends(69);
    let expected = r#"READY, an unknown state, and has metadata, as READY exports have: set [states] ready = ["READY","GREEN"] in the API profile"#;
    assert!(ran.stderr().contains(expected), "{}", ran.stderr());
}

#[test]
fn a_state_that_is_never_known_is_a_matter_of_configuration_in_the_end() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_secs(60)],
        ..config()
    });
    site.sim.fault("status=state=DEFROSTING");
    let ran = site
        .fetch(&plan(&site))
        .args(["--max-wait", "2s"])
        .run()
        .ends(69);
    assert!(
        ran.stderr().contains("DEFROSTING, an unknown state, for ")
            && ran
                .stderr()
                .contains("check [states] ready, [states] pending"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_service_that_takes_one_type_at_a_time_gets_one() {
    let site = Site::new();
    std::fs::write(
        site.path("own.toml"),
        "[create]\ntypes = \"each\"\nbody = '{\"group\":{group},\"message_types\":[{types}],\"from\":{from},\"to\":{to}}'\n",
    )
    .unwrap();
    let plan = site.plan("2026-11-10", "2026-11-11", &["--type", "dialog_start"]);
    assert_eq!(plan.lines().count(), 1);
    let lines = site
        .fetch(&plan)
        .args(["--api-profile", "own.toml"])
        .run()
        .ends(0)
        .records();
    let types: Vec<String> = lines.iter().map(|line| line["types"].to_string()).collect();
    assert_eq!(types, [r#"["dialog_end"]"#, r#"["dialog_start"]"#]);
}
