//! Messages of customer sessions.

use crate::dialpad::site::{Site, sorted};
use crate::sim::dialpad::{IdForm, Offset, Order, Unit, Zero};

#[test]
fn a_session_comes_whole_also_if_its_id_begins_with_a_minus() {
    let site = Site::new();
    let sessions = site.messages().sessions();
    assert!(sessions.iter().any(|id| id.starts_with('-')));
    for id in &sessions[..6] {
        let ran = site.run(&["--customer-session", id], 0);
        assert_eq!(
            sorted(ran.lines()),
            sorted(site.messages().truth_of(id)),
            "{id}"
        );
        assert_eq!(ran.stderr(), "");
    }
    let report = site.report();
    assert_eq!(
        (&report["sessions"], &report["sessions_found"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn many_come_from_stdin_as_lines_or_as_objects() {
    for form in [IdForm::Text, IdForm::Number] {
        let site = Site::with(|config| config.id_form = form);
        let ids = site.messages().sessions();
        let lines = ids.join("\r\n");
        let objects: Vec<String> = ids
            .iter()
            .map(|id| format!("{{\"x\":1,\"customersessionid\":\"{id}\"}}"))
            .collect();
        let numbers: Vec<String> = ids
            .iter()
            .map(|id| format!("{{\"customersessionid\":{id}}}"))
            .collect();
        for stdin in [
            lines,
            objects.join("\n"),
            numbers.join("\n\n"),
            site.messages().truth().join("\n"),
        ] {
            let ran = site
                .export(&["--customer-session", "-"])
                .stdin(&stdin)
                .run()
                .ends(0);
            // The last names each session as often as it has messages.
            assert_eq!(sorted(ran.lines()), sorted(site.messages().truth()));
        }
    }
    let site = Site::new();
    let ran = site
        .export(&["--customer-session", "-"])
        .stdin("1.2\n{\"id\":1}\n")
        .run()
        .ends(65);
    assert!(
        ran.stderr().contains("stdin:2: no customersessionid"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn one_that_is_unknown_is_named_with_a_hint() {
    let site = Site::new();
    let known = &site.messages().sessions()[0];
    let ids = format!("{known}\n999.1\n1834\n");
    let ran = site
        .export(&["--customer-session", "-", "--report", "report"])
        .stdin(&ids)
        .run()
        .ends(0);
    assert_eq!(ran.lines().len(), site.messages().truth_of(known).len());
    let said = ran.stderr();
    assert!(said.contains("session 999.1: no message: no session has this id, or the service needs --from and --to"), "{said}");
    assert!(
        said.contains("session 1834: no message: an id looks like -1834.2291"),
        "{said}"
    );
    let unknown = &site.report()["sessions_unknown"];
    assert_eq!(
        unknown[0],
        serde_json::json!({"customersessionid": "999.1", "status": "unknown"})
    );
    assert_eq!(unknown[1]["customersessionid"], "1834");
    site.run(&["--customer-session", "999.1", "--skip-code", "99"], 99);
}

#[test]
fn within_times_they_are_cut_into_windows() {
    for (unit, flag) in [(Unit::Ms, "ms"), (Unit::S, "s")] {
        let site = Site::with(|config| {
            config.needs_times = true;
            config.unit = unit;
        });
        let id = &site.messages().sessions()[3];
        let args = [
            "--customer-session",
            id,
            "--from",
            "-15d",
            "--window",
            "7d",
            "--epoch-unit",
        ];
        let ran = site.run(&[&args[..], &[flag]].concat(), 0);
        assert_eq!(sorted(ran.lines()), sorted(site.messages().truth_of(id)));
        let ran = site.run(&["--customer-session", id], 69);
        assert!(
            ran.stderr().contains("start and end are missing"),
            "{}",
            ran.stderr()
        );
        let other = if flag == "s" { "ms" } else { "s" };
        let ran = site.run(&[&args[..], &[other]].concat(), 2);
        assert!(
            ran.stderr().contains(&format!("use --epoch-unit {flag}")),
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn pages_are_turned_or_the_setting_is_named() {
    let mut truths = 0;
    for zero in [Zero::All, Zero::Cap(3), Zero::None] {
        for offset in [Offset::Rows, Offset::Pages, Offset::RowsOfLimit] {
            for order in [Order::NewestFirst, Order::Mixed, Order::Shuffled] {
                for (mode, limit) in [
                    ("rows", "0"),
                    ("pages", "0"),
                    ("rows", "4"),
                    ("pages", "4"),
                    ("pages", "100"),
                ] {
                    let site = Site::with(|config| {
                        (config.zero, config.offset, config.order) = (zero, offset, order);
                    });
                    let id = &site.messages().sessions()[3];
                    let args = [
                        "--customer-session",
                        id,
                        "--offset-mode",
                        mode,
                        "--limit",
                        limit,
                    ];
                    let ran = site.export(&args).run();
                    let what = format!("{zero:?} {offset:?} {order:?} {args:?}: {}", ran.stderr());
                    match ran.status() {
                        0 => {
                            assert_eq!(
                                sorted(ran.lines()),
                                sorted(site.messages().truth_of(id)),
                                "{what}"
                            );
                            truths += 1;
                        }
                        status => {
                            assert!([2, 65].contains(&status), "{what}");
                            assert!(
                                what.contains("--offset-mode ")
                                    || what.contains("use --limit")
                                    || what.contains("raise --limit")
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(truths > 40, "{truths}");
}

/// However many there are, and however many come at a time: pages that happen to have as many rows as
/// another reading of the offset would have are not taken for all.
#[test]
fn no_number_of_messages_is_mistaken_for_another() {
    let mut truths = 0;
    for at_a_time in [2, 3, 4, 7] {
        for offset in [Offset::Rows, Offset::Pages] {
            for order in [Order::OldestFirst, Order::Shuffled] {
                let site = Site::with(|config| {
                    config.zero = Zero::Cap(at_a_time);
                    (config.messages, config.offset, config.order) = (0, offset, order);
                });
                for count in 1..22 {
                    let id = format!("7.{count}");
                    site.messages().talk(&id, count);
                    let truth = sorted(site.messages().truth_of(&id));
                    for mode in ["rows", "pages"] {
                        let args = ["--customer-session", &id, "--offset-mode", mode];
                        let ran = site.export(&args).run();
                        let what = format!(
                            "{at_a_time} {offset:?} {order:?} {args:?}: {}",
                            ran.stderr()
                        );
                        match ran.status() {
                            0 => {
                                let had = ran.lines().len();
                                assert!(sorted(ran.lines()) == truth, "{what}: {had} of {count}");
                                truths += 1;
                            }
                            status => assert!(
                                [2, 65].contains(&status) && what.contains("--limit"),
                                "{what}"
                            ),
                        }
                    }
                }
            }
        }
    }
    assert!(truths > 250, "{truths}");
}

#[test]
fn a_message_of_another_session_stops_the_run() {
    let site = Site::new();
    let ids = site.messages().sessions();
    let other = format!("customersessionid={}", ids[1]);
    let ran = site.run(&["--customer-session", &ids[0], "--param", &other], 65);
    assert!(
        ran.stderr()
            .contains("the service sent a message of another session"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn sessions_and_a_state_do_not_go_together() {
    let site = Site::new();
    site.run(&["--customer-session", "1.2", "--state", "S"], 2);
}

#[test]
fn a_range_in_which_nothing_can_be_had_is_not_all_times() {
    let site = Site::new();
    let id = &site.messages().sessions()[0];
    let ran = site.run(
        &["--customer-session", id, "--from", "-3y", "--to", "-2y"],
        0,
    );
    assert_eq!(ran.stdout(), "");
    assert!(
        ran.stderr()
            .contains("the range is empty: no request is sent"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.messages().requests(), 0);
}
