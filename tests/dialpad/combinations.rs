//! Every reading of the documentation, with every setting of the client: exactly the messages that
//! there are, or an error that names the setting to change. Generated, not hand-picked.

use crate::dialpad::site::{Site, sorted};
use crate::sim::dialpad::{Config, IdForm, Offset, Order, Shape, Unit, Zero};

const UNITS: [Unit; 2] = [Unit::Ms, Unit::S];
const ZEROS: [Zero; 4] = [Zero::All, Zero::None, Zero::Cap(40), Zero::Cap(7)];
const OFFSETS: [Offset; 2] = [Offset::Rows, Offset::Pages];
const EDGES: [(bool, bool); 4] = [(true, false), (true, true), (false, false), (false, true)];
const SHAPES: [Shape; 4] = [Shape::Flat, Shape::Wrapped, Shape::Object, Shape::Bare];

/// Every reading of the service in one order, and the rest of its manners by number.
fn readings(order: Order) -> Vec<Config> {
    let mut all = Vec::new();
    for unit in UNITS {
        for zero in ZEROS {
            for offset in OFFSETS {
                for (starts_inclusive, ends_inclusive) in EDGES {
                    for shape in SHAPES {
                        let number = all.len();
                        all.push(Config {
                            messages: 400,
                            days: [360.0, 40.0, 3.0][number % 3],
                            bursts: (number % 2 == 0).then_some((60, 25)),
                            unit,
                            zero,
                            offset,
                            starts_inclusive,
                            ends_inclusive,
                            shape,
                            order,
                            id_form: [IdForm::Text, IdForm::Number][number / 2 % 2],
                            status: [200, 201][number / 3 % 2],
                            most: [u64::MAX, 50][number / 5 % 2],
                            refuses_long: number / 7 % 2 == 0,
                            ..Config::default()
                        });
                    }
                }
            }
        }
    }
    all
}

/// The same, each shape with a quarter of the rest.
fn some_readings(order: Order) -> Vec<Config> {
    let all = readings(order).into_iter().enumerate();
    let turn = |number: usize| SHAPES[number / 4 % 4];
    let of_turn = all.filter(|(number, config)| turn(*number) == config.shape);
    of_turn.map(|(_, config)| config).collect()
}

fn flag(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "ms",
        Unit::S => "s",
    }
}

fn shown(config: &Config) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {} {} days {:?} most {}",
        config.unit,
        config.zero,
        config.offset,
        config.shape,
        config.order,
        (config.starts_inclusive, config.ends_inclusive),
        config.messages,
        config.days,
        config.bursts,
        config.most
    )
}

/// The truth, or a refusal that says one of these; which of the two.
fn holds(config: Config, args: &[&str], may_say: &[&str]) -> bool {
    let what = format!("{} {args:?}", shown(&config));
    let site = Site::with(|c| *c = config);
    let ran = site
        .export(&["--from", "-1y", "--to", "now", "--window", "7d"])
        .args(args)
        .run();
    assert_eq!(site.sim.stats().panics, 0, "{what}");
    if ran.status() == 0 {
        let truth = sorted(site.messages().truth());
        let (had, there) = (ran.lines().len(), truth.len());
        assert!(
            sorted(ran.lines()) == truth,
            "{what}: {had} of {there}: {}",
            ran.stderr()
        );
        return true;
    }
    assert!([2, 65].contains(&ran.status()), "{what}: {}", ran.stderr());
    let is_named = may_say.iter().any(|words| ran.stderr().contains(words));
    assert!(is_named, "{what}: {}", ran.stderr());
    false
}

/// Whether a second may hold more than come at a time, so that pages have to be turned.
fn has_pages(config: &Config, limit: u64) -> bool {
    let at_a_time = match (limit, config.zero) {
        (0, Zero::Cap(cap)) => cap,
        (0, _) => u64::MAX,
        (limit, _) => limit,
    };
    // Messages that lie on whole days are a dozen to an instant in three days.
    let is_dense = config.bursts.is_some() || config.days < 4.0;
    is_dense && at_a_time.min(config.most) < 40
}

/// What came of readings in which pages have to be turned.
#[derive(Default)]
struct Turned {
    truths: u32,
    refusals: u32,
}

impl Turned {
    /// Where offsets are meant as they are sent and the order stays, refusals are the exception: a
    /// pair of twins on two pages cannot be told from a page that drifts.
    fn check(&mut self, config: &Config, limit: u64, fits: bool, is_truth: bool) {
        if !has_pages(config, limit) {
            assert!(is_truth, "{} with limit {limit}", shown(config));
        } else if fits && config.order != Order::Shuffled {
            self.truths += u32::from(is_truth);
            self.refusals += u32::from(!is_truth);
        }
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        assert!(
            self.refusals <= self.truths,
            "{} of {}",
            self.truths,
            self.refusals + self.truths
        );
    }
}

fn with_the_right_unit(order: Order) {
    let mut turned = Turned::default();
    for config in readings(order) {
        let args = ["--epoch-unit", flag(config.unit)];
        let words = ["use --limit 1000", "--offset-mode pages", "raise --limit"];
        let is_truth = holds(config.clone(), &args, &words);
        match config.zero {
            Zero::None => assert!(!is_truth),
            _ => turned.check(&config, 0, config.offset == Offset::Rows, is_truth),
        }
    }
}

fn with_the_wrong_unit(order: Order) {
    for config in some_readings(order) {
        let (right, wrong) = match config.unit {
            Unit::Ms => ("ms", "s"),
            Unit::S => ("s", "ms"),
        };
        let words = format!("use --epoch-unit {right}");
        assert!(!holds(config, &["--epoch-unit", wrong], &[&words]));
    }
}

fn with_a_limit(order: Order, mode: &str) {
    let mut turned = Turned::default();
    for (number, config) in some_readings(order).into_iter().enumerate() {
        let limit = [20, 45, 1000][number % 3];
        let text = limit.to_string();
        let args = [
            "--epoch-unit",
            flag(config.unit),
            "--limit",
            &text,
            "--offset-mode",
            mode,
        ];
        let other = match mode {
            "rows" => "--offset-mode pages",
            _ => "--offset-mode rows",
        };
        let is_truth = holds(config.clone(), &args, &[other, "raise --limit"]);
        let fits = (config.offset == Offset::Rows) == (mode == "rows");
        turned.check(&config, limit, fits, is_truth);
    }
}

macro_rules! in_every_order {
    ($($name:ident: $order:expr;)*) => {$(
        mod $name {
            use super::*;
            #[test] fn the_right_unit() { with_the_right_unit($order); }
            #[test] fn the_wrong_unit() { with_the_wrong_unit($order); }
            #[test] fn a_limit_and_rows() { with_a_limit($order, "rows"); }
            #[test] fn a_limit_and_pages() { with_a_limit($order, "pages"); }
        }
    )*};
}

in_every_order! {
    oldest_first: Order::OldestFirst;
    newest_first: Order::NewestFirst;
    shuffled: Order::Shuffled;
}

/// A service to which an offset is nothing as long as there is no limit.
#[test]
fn an_offset_may_be_ignored_without_a_limit() {
    for (zero, bursts) in [
        (Zero::All, None),
        (Zero::All, Some((9, 4))),
        (Zero::Cap(40), Some((60, 25))),
        (Zero::Cap(7), Some((60, 25))),
    ] {
        let config = Config {
            zero,
            bursts,
            offset: Offset::RowsOfLimit,
            ..Config::default()
        };
        let is_truth = holds(config, &[], &["use --limit 1000"]);
        assert!(is_truth || zero == Zero::Cap(7));
    }
}

/// Messages that come late, in the middle of a run or after it, are there after the next one, once;
/// and no message that was there is lost or doubled by those that come in between.
#[test]
fn late_arrivals_come_with_the_next_run() {
    for (number, config) in some_readings(Order::Shuffled).into_iter().enumerate() {
        if matches!(config.zero, Zero::None | Zero::Cap(7)) {
            continue;
        }
        let config = Config {
            days: 3.0,
            ..config
        };
        let what = shown(&config);
        let unit = flag(config.unit);
        let site = Site::with(|c| *c = config);
        let args = ["--state", "S", "--epoch-unit", unit, "--window", "6h"];
        for late in 0..12 {
            // Within the last day, where the next run looks back to; often where others are.
            let ts = site.messages().before_now(3_600_000 + late * 7_000_000);
            site.messages()
                .add(ts, "late", late.unsigned_abs() * 3 + number as u64 % 5);
        }
        let mut lines = site
            .run(&[&args[..], &["--from", "-4d"]].concat(), 0)
            .lines();
        site.messages().grow(20, 0.9, chrono::Utc::now());
        // What comes in the middle of one run may be for the next one.
        while site.messages().requests() < 40 {
            lines.extend(site.run(&args, 0).lines());
        }
        lines.extend(site.run(&args, 0).lines());
        let truth = site.messages().truth();
        assert!(truth.len() > 420, "{what}: {}", truth.len());
        assert!(
            sorted(lines.clone()) == sorted(truth.clone()),
            "{what}: {} of {}",
            lines.len(),
            truth.len()
        );
        assert_eq!(site.run(&args, 0).stdout(), "", "{what}");
    }
}
