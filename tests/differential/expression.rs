//! Expressions out of templates: `@` and a capital stand for one of a kind.
//!
//! What is here, jq and we are to decide alike; what is left out on purpose is one
//! list, in `lib/filter/expr/left_out.rs`.

#[path = "expression/atoms.rs"]
mod atoms;
#[path = "expression/builtins.rs"]
pub mod builtins;
#[path = "expression/fast.rs"]
mod fast;
#[path = "expression/forms.rs"]
mod forms;
#[path = "expression/values.rs"]
mod values;
#[path = "expression/wide.rs"]
mod wide;

use super::dice::Dice;
use atoms::*;

/// What may stand in a place: something short, or something with places of its own.
pub struct Kind {
    pub short: &'static [&'static str],
    pub long: &'static [&'static str],
}

/// The digits of a computed number that no build of jq disputes.
const DIGITS: &str = "if type == \"array\" then .[] else . end | if . == 0 or isnan or isinfinite then . else (significand * 1e6 | round), logb end";

/// Whether a function may be drawn.
pub fn draws(name: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let has = |template: &&str| {
        let mut words = template.split(|c| !is_part(c));
        words.any(|word| word == name)
    };
    let kinds = [&fast::TEST, &fast::VALUE, &wide::WIDE, &forms::FORM];
    let kinds = kinds
        .iter()
        .flat_map(|kind| kind.short.iter().chain(kind.long));
    let others = [
        wide::SINCE_1_7,
        values::SINCE_1_8,
        builtins::MEANT,
        forms::PLACES,
    ];
    let others = others.into_iter().chain(builtins::ANYTHING).flatten();
    kinds.chain(others).any(has)
}

/// Makes an expression that a jq of this version, 1.`minor`, knows.
pub fn expression(dice: &mut Dice, minor: u32) -> String {
    let mut text = String::new();
    let depth = 1 + dice.below(3);
    let template = match dice.below(if minor > 7 { 10 } else { 6 }) {
        0 => "@W",
        1 => "select(@T)",
        6 | 7 => "@X",
        8 | 9 => "@B",
        _ => "@T",
    };
    expand(template, dice, minor, depth, &mut text);
    // Behind a line break it depends on what is before the expression.
    if text.contains('\n') {
        text = text.replace("$__loc__", "1");
    }
    text
}

fn expand(template: &str, dice: &mut Dice, minor: u32, depth: usize, text: &mut String) {
    let less = depth.saturating_sub(1);
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, place) = rest.split_at(at);
        text.push_str(before);
        let (place, after) = place.split_at(2);
        rest = after;
        match place {
            "@T" => kind(&fast::TEST, dice, minor, depth, text),
            "@V" => kind(&fast::VALUE, dice, minor, depth, text),
            "@W" if minor > 7 && dice.once_in(2) => {
                let template = dice.pick(values::SINCE_1_8);
                expand(template, dice, minor, depth.saturating_sub(1), text);
            }
            "@W" if minor > 6 && dice.once_in(5) => {
                let template = dice.pick(wide::SINCE_1_7);
                expand(template, dice, minor, depth.saturating_sub(1), text);
            }
            "@W" => kind(&wide::WIDE, dice, minor, depth, text),
            "@P" => path(dice, text),
            "@E" => {
                path(dice, text);
                text.push_str(dice.pick(&["[]", "[]?", "[].a", "[]?.a?", "[]?.b?"]));
            }
            "@C" => expand(dice.pick(&CONSTANTS), dice, minor, depth, text),
            "@N" if minor > 7 && dice.once_in(6) => text.push_str(dice.pick(&ODD_NUMBERS)),
            "@N" => text.push_str(dice.pick(&NUMBERS)),
            "@O" => text.push_str(dice.pick(&SMALL)),
            "@H" => text.push_str(dice.pick(&NUMBER_TEXTS)),
            "@U" => text.push_str(dice.pick(&DATES)),
            "@Q" => text.push_str(DIGITS),
            "@I" => expand(dice.pick(&INPUTS), dice, minor, less, text),
            "@J" => expand(
                dice.pick(if depth > 0 {
                    &CONTAINERS
                } else {
                    &CONTAINERS[..6]
                }),
                dice,
                minor,
                less,
                text,
            ),
            "@A" => expand(dice.pick(&ARGUMENTS), dice, minor, less, text),
            "@L" => expand(dice.pick(forms::PLACES), dice, minor, less, text),
            "@Z" => expand(dice.pick(&FORMATS), dice, minor, less, text),
            "@G" => expand(dice.pick(&DATE_FORMATS), dice, minor, less, text),
            "@M" => expand(dice.pick(&MOMENTS), dice, minor, less, text),
            "@X" => kind(&forms::FORM, dice, minor, depth, text),
            "@B" => builtin(dice, minor, depth, text),
            "@S" => text.push_str(dice.pick(&STRINGS)),
            "@D" => text.push_str(dice.pick(&SEPARATORS)),
            "@K" => text.push_str(dice.pick(&NAMES)),
            "@R" => text.push_str(dice.pick(&PATTERNS)),
            "@F" => text.push_str(dice.pick(&FLAGS)),
            "@Y" => text.push_str(dice.pick(&TYPES)),
            format => text.push_str(format),
        }
    }
    text.push_str(rest);
}

fn kind(kind: &Kind, dice: &mut Dice, minor: u32, depth: usize, text: &mut String) {
    let Some(depth) = depth.checked_sub(1) else {
        return expand(dice.pick(kind.short), dice, minor, 0, text);
    };
    expand(dice.pick(kind.long), dice, minor, depth, text);
}

/// A call of a function, as it is meant or not.
fn builtin(dice: &mut Dice, minor: u32, depth: usize, text: &mut String) {
    if !dice.once_in(4) {
        return expand(dice.pick(builtins::MEANT), dice, minor, depth, text);
    }
    let count = dice.pick(&[0, 0, 1, 1, 1, 2, 2, 3]);
    let name = dice.pick(builtins::ANYTHING[count]);
    let args = ["", "(@A)", "(@A; @A)", "(@A; @A; @A)"][count];
    expand(&format!("(@I | {name}{args})"), dice, minor, depth, text);
}

/// One to three steps from here.
fn path(dice: &mut Dice, text: &mut String) {
    // What begins with a bracket needs a dot before it.
    let first = dice.pick(&STEPS);
    text.push_str(if first.starts_with('[') { "." } else { "" });
    text.push_str(first);
    for _ in 0..dice.pick(&[0, 0, 0, 1, 1, 2]) {
        text.push_str(dice.pick(&STEPS));
    }
}
