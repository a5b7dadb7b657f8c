//! Records with everything that JSON allows, in few enough names and values that
//! an expression made without looking at them finds something.

use super::dice::Dice;

/// The names that expressions ask for, as JSON may spell them.
const NAMES: [&str; 14] = [
    r#""a""#,
    r#""b""#,
    r#""c""#,
    r#""a""#,
    r#""b""#,
    r#""type""#,
    r#""é""#,
    r#""x y""#,
    r#""\u0061""#,
    r#""\u00e9""#,
    r#""\u0062""#,
    r#""x\u0020y""#,
    r#""""#,
    r#""a\u0000b""#,
];

const SCALARS: [&str; 61] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-1",
    "100",
    "-0",
    "0.0",
    "-0.0",
    "1.0",
    "1.5",
    "-1.5",
    "0.1",
    "1e2",
    "1E+2",
    "1e-2",
    "100.0",
    "5e-324",
    "1e308",
    "9007199254740991",
    "-9007199254740991",
    "1763012220333",
    r#""""#,
    r#""a""#,
    r#""b""#,
    r#""A""#,
    r#""ab""#,
    r#""aB,c""#,
    r#""FAR_HUP""#,
    r#""far\u005fhup""#,
    r#""\u0046AR_HUP""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""É""#,
    r#""e\u0301""#,
    r#""καλημέρα""#,
    r#""😀""#,
    r#""\ud83d\ude00""#,
    r#""\uffff""#,
    r#""\ufffd""#,
    r#""\ude00a""#,
    r#""a\u0000b""#,
    r#""\u0000""#,
    r#""a\/b\\c\"d""#,
    r#""a\tb\nc\r\b\f""#,
    r#"" a ""#,
    r#""null""#,
    r#""0""#,
    r#""1""#,
    r#""09""#,
    r#""1.0""#,
    r#""-1e2""#,
    r#""nan""#,
    r#""1,2""#,
    r#""{\"a\":1}""#,
    r#""[1,2""#,
    r#""2025-11-13T05:37:00Z""#,
    r#""2025-11-13""#,
    r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
];

/// Integers that a float does not hold. jq 1.6 rounds them, and so may every
/// later one as soon as it computes.
const BIG: [&str; 6] = [
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "100000000000000000000000000000",
];

/// The first half of a surrogate pair without the second. jq refuses it.
const HALVES: [&str; 4] = [
    r#""\ud83d""#,
    r#""a\ud83d""#,
    r#""\ud83d\u0041""#,
    r#""\ud83d\ud83d\ude00""#,
];

/// What JSON allows and not every jq reads as it is meant.
#[derive(Clone, Copy)]
pub struct Extras {
    /// Integers over 53 bits.
    pub big: bool,
    /// Halves of surrogate pairs.
    pub halves: bool,
}

/// One record on one line.
pub fn record(dice: &mut Dice, extras: Extras) -> String {
    let mut json = String::new();
    object(dice, extras, 3, &mut json);
    json
}

fn value(dice: &mut Dice, extras: Extras, depth: usize, json: &mut String) {
    match dice.below(if depth == 0 { 6 } else { 10 }) {
        0 if extras.big => json.push_str(dice.pick(&BIG)),
        1 if extras.halves && dice.once_in(3) => json.push_str(dice.pick(&HALVES)),
        0..=5 => json.push_str(dice.pick(&SCALARS)),
        6 | 7 => array(dice, extras, depth - 1, json),
        8 if dice.once_in(20) => {
            let levels = 1 + dice.below(100);
            json.push_str(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        }
        _ => object(dice, extras, depth - 1, json),
    }
}

fn array(dice: &mut Dice, extras: Extras, depth: usize, json: &mut String) {
    json.push('[');
    for at in 0..dice.pick(&[0, 1, 1, 2, 2, 3, 4]) {
        json.push_str(if at == 0 { "" } else { "," });
        space(dice, json);
        value(dice, extras, depth, json);
    }
    space(dice, json);
    json.push(']');
}

fn object(dice: &mut Dice, extras: Extras, depth: usize, json: &mut String) {
    json.push('{');
    for at in 0..dice.pick(&[0, 1, 2, 2, 3, 3, 4, 5]) {
        json.push_str(if at == 0 { "" } else { "," });
        space(dice, json);
        json.push_str(dice.pick(&NAMES));
        space(dice, json);
        json.push(':');
        space(dice, json);
        value(dice, extras, depth, json);
    }
    space(dice, json);
    json.push('}');
}

fn space(dice: &mut Dice, json: &mut String) {
    if dice.once_in(12) {
        json.push_str(dice.pick(&[" ", "  ", "\t", "\r"]));
    }
}
