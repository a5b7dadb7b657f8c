//! Every reading of the documentation, with every setting of the client: exactly the messages that
//! there are, or an error that names the setting to change. Generated, not hand-picked.

use crate::dialpad::site::{Site, sorted};
use crate::sim::dialpad::{Config, IdForm, Offset, Order, Shape, Unit, Zero};

const UNITS: [Unit; 2] = [Unit::Ms, Unit::S];
const ZEROS: [Zero; 4] = [Zero::All, Zero::None, Zero::Cap(40), Zero::Cap(7)];
const OFFSETS: [Offset; 2] = [Offset::Rows, Offset::Pages];
const EDGES: [(bool, bool); 4] = [(true, false), (true, true), (false, false), (false, true)];
const SHAPES: [Shape; 4] = [Shape::Flat, Shape::Wrapped, Shape::Object, Shape::Bare];
const ORDERS: [Order; 3] = [Order::OldestFirst, Order::NewestFirst, Order::Shuffled];

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
                            ..Config::default()
                        });
                    }
                }
            }
        }
    }
    all
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

/// The truth, or a refusal that says one of these.
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
        assert!(
            sorted(ran.lines()) == truth,
            "{what}: {} of {}: {}",
            ran.lines().len(),
            truth.len(),
            ran.stderr()
        );
        return true;
    }
    assert!([2, 65].contains(&ran.status()), "{what}: {}", ran.stderr());
    assert!(
        may_say.iter().any(|words| ran.stderr().contains(words)),
        "{what}: {}",
        ran.stderr()
    );
    false
}

fn with_the_right_unit(order: Order) {
    for config in readings(order) {
        let unit = flag(config.unit);
        let zero = config.zero;
        let is_truth = holds(
            config,
            &["--epoch-unit", unit],
            &["use --limit", "--offset-mode"],
        );
        assert!(is_truth || zero == Zero::None || zero == Zero::Cap(7));
    }
}

fn with_the_wrong_unit(order: Order) {
    for config in readings(order) {
        let unit = flag(if config.unit == Unit::Ms {
            Unit::S
        } else {
            Unit::Ms
        });
        assert!(!holds(
            config,
            &["--epoch-unit", unit],
            &["use --epoch-unit"]
        ));
    }
}

fn with_a_limit(order: Order, mode: &str) {
    for (number, config) in readings(order).into_iter().enumerate() {
        let unit = flag(config.unit);
        let limit = ["20", "45", "1000"][number % 3];
        let args = [
            "--epoch-unit",
            unit,
            "--limit",
            limit,
            "--offset-mode",
            mode,
        ];
        holds(config, &args, &["--offset-mode", "--limit"]);
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
    oldest_first: ORDERS[0];
    newest_first: ORDERS[1];
    shuffled: ORDERS[2];
}
