//! `dialpad-window probe`: whether an account works, and what its service means.

use serde_json::Value;

use crate::dialpad::site::Site;
use crate::harness::{Ran, program};
use crate::sim::dialpad::{Config, Offset, Order, Shape, Unit, Zero};

fn probe(site: &Site, args: &[&str]) -> Ran {
    program("dialpad-window")
        .dir(site.dir.path())
        .envs(site.env())
        .args(["probe", "--backoff", "10ms", "--rate", "100000/1s"])
        .args(["--format", "ndjson"])
        .args(args)
        .run()
}

fn step(ran: &Ran, role: &str) -> Value {
    let mut steps = ran.records().into_iter();
    steps.find(|step| step["role"] == role).unwrap()
}

fn found(ran: &Ran, role: &str) -> String {
    step(ran, role)["found"].as_str().unwrap().to_owned()
}

/// The value for the first line of a step's advice.
fn advice(ran: &Ran, role: &str) -> (String, Value) {
    let advice = step(ran, role)["advice"][0].clone();
    (
        advice["lines"][0].as_str().unwrap().to_owned(),
        advice["value"].clone(),
    )
}

#[test]
fn an_account_that_works_is_said_to() {
    let site = Site::new();
    let ran = probe(&site, &[]).ends(0);
    assert_eq!(found(&ran, "unit"), "start and end are in ms");
    assert!(found(&ran, "limit").contains("and a higher limit gives no more"));
    assert_eq!(found(&ran, "offset"), "offset counts rows");
    assert_eq!(found(&ran, "edges"), "start is inclusive, end is exclusive");
    assert_eq!(
        step(&ran, "unit")["reply"][0]["messages"][0]["ts"],
        "number"
    );
    assert!(!ran.stdout().contains("demo-key"));
    let text = probe(&site, &["--format", "text", "--auth", "query"]).ends(0);
    assert!(
        text.stdout().ends_with("this account works\n") && !text.stdout().contains("demo-key"),
        "{}",
        text.stdout()
    );
}

#[test]
fn a_key_that_is_not_accepted_is_77_and_another_address_is_69() {
    let site = Site::with(|config| config.key = "another".to_owned());
    let ran = probe(&site, &[]).ends(77);
    assert_eq!(advice(&ran, "login").0, "DIALPAD_API_KEY");
    let base = format!("{}/elsewhere", site.sim.url());
    let ran = probe(&site, &["--base-url", &base]).ends(69);
    assert_eq!(advice(&ran, "login").0, "--base-url");
    assert_eq!(ran.records().len(), 5);
}

/// The probe says and advises what is true of each simulated service.
#[test]
fn what_a_service_means_is_found() {
    let mut number = 0;
    for unit in [Unit::Ms, Unit::S] {
        for zero in [Zero::All, Zero::None, Zero::Cap(7)] {
            for offset in [Offset::Rows, Offset::Pages] {
                for edges in [(true, false), (false, true)] {
                    number += 1;
                    what_it_means(Config {
                        unit,
                        zero,
                        offset,
                        starts_inclusive: edges.0,
                        ends_inclusive: edges.1,
                        shape: [Shape::Flat, Shape::Wrapped, Shape::Object][number % 3],
                        order: [Order::OldestFirst, Order::NewestFirst, Order::Mixed][number % 3],
                        refuses_long: number % 2 == 0,
                        bursts: Some((5, 20)),
                        ..Config::default()
                    });
                }
            }
        }
    }
}

fn what_it_means(config: Config) {
    let (unit, zero, offset) = (config.unit, config.zero, config.offset);
    let starts = config.starts_inclusive;
    let what = format!("{unit:?} {zero:?} {offset:?} {starts}");
    let site = Site::with(|c| *c = config);
    let ran = probe(&site, &["--overlap", "0s"]);
    let said = ran.stdout();
    let is_right = unit == Unit::Ms && zero != Zero::None && offset == Offset::Rows && starts;
    assert_eq!(
        ran.status(),
        if is_right { 0 } else { 69 },
        "{what}: {said}"
    );
    let advised = |role: &str, line: &str, value: Value| {
        assert_eq!(
            advice(&ran, role),
            (line.to_owned(), value),
            "{what}: {said}"
        );
    };
    match unit {
        Unit::Ms => assert_eq!(step(&ran, "unit")["ok"], true, "{what}: {said}"),
        Unit::S => advised("unit", "--epoch-unit", "s".into()),
    }
    match zero {
        Zero::None => advised("limit", "--limit", 1000.into()),
        Zero::Cap(_) => assert!(
            found(&ran, "limit").contains("7 messages at a time"),
            "{said}"
        ),
        Zero::All => assert!(found(&ran, "limit").contains("no more"), "{said}"),
    }
    match offset {
        Offset::Pages => advised("offset", "--offset-mode", "pages".into()),
        _ => assert_eq!(
            found(&ran, "offset"),
            "offset counts rows",
            "{what}: {said}"
        ),
    }
    match (unit, starts) {
        (_, false) if step(&ran, "edges")["skipped"] == false => {
            advised("edges", "--overlap", "1s".into());
        }
        (Unit::Ms, true) => assert!(found(&ran, "edges").starts_with("start is inclusive")),
        _ => {}
    }
}

#[test]
fn a_time_without_messages_says_nothing_of_the_settings() {
    let site = Site::with(|config| config.messages = 0);
    let ran = probe(&site, &[]).ends(0);
    assert_eq!(step(&ran, "unit")["skipped"], true);
    assert!(found(&ran, "unit").contains("--provider-id"));
    let text = probe(&site, &["--format", "text"]).ends(0);
    assert!(
        text.stdout()
            .ends_with("all tested steps work; not tested: unit, limit, offset, edges\n"),
        "{}",
        text.stdout()
    );
}

#[test]
fn an_order_that_changes_is_not_taken_for_pages() {
    let site = Site::with(|config| config.order = Order::Shuffled);
    let ran = probe(&site, &[]).ends(0);
    let found = found(&ran, "offset");
    assert!(found.contains("order of messages changes"), "{found}");
}
