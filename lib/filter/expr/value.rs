//! Converts JSON texts to jaq's values.

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};
use jaq_json::{Map, Num, Rc, Val};

use crate::json::bad_line::BadLine;
use crate::json::{depth, surrogates};

/// The most digits of an integer. A number with more digits is not converted to an integer, because
/// the conversion takes quadratic time.
const MOST_DIGITS: usize = 1000;

/// The nesting depth that jq allows.
const DEEPEST_AS_JQ: usize = 10_000;

/// The value of a valid JSON text.
pub(super) fn read(json: &str) -> Result<Val, BadLine> {
    decode(json)
        .or_else(|_| decode(&surrogates::mended(json)))
        .map_err(|e| BadLine::new(e.to_string()))
}

/// The value of a JSON text. `None` if the text is invalid, or has half of a surrogate pair; then
/// the caller reads the text in another way. This function validates and decodes in one pass,
/// because jaq's own reader accepts more than JSON.
pub(super) fn read_strictly(json: &str) -> Option<Val> {
    depth::check(json).ok()?;
    decode(json).ok()
}

/// The value of a text for `fromjson`. Numbers may have a plus sign, leading zeros, or no digit
/// before or after the point. Words such as `nan` are numbers, too.
pub(super) fn read_as_jq(json: &str) -> Result<Val, BadLine> {
    depth::check_to(json, DEEPEST_AS_JQ)?;
    SliceLexer::new(json.as_bytes())
        .exactly_one(SliceLexer::ws_peek, value::<true>)
        .map_err(|e| BadLine::new(e.to_string()))
}

fn decode(json: &str) -> Result<Val, hifijson::Error> {
    SliceLexer::new(json.as_bytes()).exactly_one(SliceLexer::ws_peek, value::<false>)
}

fn value<const AS_JQ: bool>(next: u8, lexer: &mut SliceLexer<'_>) -> Result<Val, hifijson::Error> {
    Ok(match next {
        b'"' => text(lexer.discarded())?,
        b'[' => {
            let mut array = Vec::new();
            lexer
                .discarded()
                .seq(b']', SliceLexer::ws_peek, |next, lexer| {
                    array.push(value::<AS_JQ>(next, lexer)?);
                    Ok::<_, hifijson::Error>(())
                })?;
            Val::Arr(Rc::new(array))
        }
        b'{' => {
            let mut object = Map::with_capacity_and_hasher(8, Default::default());
            lexer
                .discarded()
                .seq(b'}', SliceLexer::ws_peek, |next, lexer| {
                    lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
                    let name = text(lexer)?;
                    lexer
                        .expect(SliceLexer::ws_peek, b':')
                        .ok_or(Expect::Colon)?;
                    let next = lexer.ws_peek().ok_or(Expect::Value)?;
                    object.insert(name, value::<AS_JQ>(next, lexer)?);
                    Ok::<_, hifijson::Error>(())
                })?;
            Val::obj(object)
        }
        b',' | b':' | b']' | b'}' => Err(Expect::Value)?,
        _ if AS_JQ => word(lexer).ok_or(Expect::Value)?,
        b'-' | b'0'..=b'9' => {
            let (digits, parts) = lexer.num_string().validated()?;
            let int = parts.is_int().then(|| integer(digits));
            Val::Num(match int.flatten() {
                Some(int) => int,
                None => Num::Dec(Rc::new(digits.to_owned())),
            })
        }
        _ => match lexer.null_or_bool().ok_or(Expect::Value)? {
            Some(bool) => Val::Bool(bool),
            None => Val::Null,
        },
    })
}

/// Reads the next number or word of the text, as jq reads it.
fn word(lexer: &mut SliceLexer<'_>) -> Option<Val> {
    let rest = lexer.as_slice();
    let is_end = |byte: &u8| b"[]{}:,\" \t\r\n".contains(byte);
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    let word = std::str::from_utf8(&rest[..length]).ok()?;
    let value = match word {
        "null" => Val::Null,
        "true" => Val::Bool(true),
        "false" => Val::Bool(false),
        word => number(word)?,
    };
    *lexer = SliceLexer::new(&rest[length..]);
    Some(value)
}

fn text(lexer: &mut SliceLexer<'_>) -> Result<Val, hifijson::Error> {
    let text = lexer.str_string().map_err(hifijson::Error::Str)?;
    Ok(Val::utf8_str(text.into_owned().into_bytes()))
}

/// The number in a text, as jq reads it. jq accepts more than JSON: a plus sign, leading zeros,
/// `.5`, `5.`, and words for NaN and infinity.
pub(super) fn number(text: &str) -> Option<Val> {
    if let Ok(json) = serde_json::from_str::<&serde_json::value::RawValue>(text)
        && json.get().len() == text.len()
        && text.starts_with(|char: char| char == '-' || char.is_ascii_digit())
    {
        return read(text).ok();
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return integer(text).map(Val::Num);
    }
    // In jq, `snan` is NaN, and so are `nan0` and `nan00`.
    let is_nan = matches!(
        digits.to_ascii_lowercase().trim_end_matches('0'),
        "nan" | "snan"
    );
    let float = if is_nan { Ok(f64::NAN) } else { text.parse() };
    float.ok().map(|float| Val::Num(Num::Float(float)))
}

/// The integer with these digits; `None` for -0, or if there are so many digits that converting
/// takes long.
fn integer(digits: &str) -> Option<Num> {
    // An integer cannot be -0, but jq keeps that sign.
    (digits.len() <= MOST_DIGITS && digits != "-0")
        .then(|| Num::from_str_radix(digits, 10))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::keeps;
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_the_replacement_character() {
        assert!(keeps(
            r#".a == "x\ufffd""#,
            r#"{"a":"x\ud83d","b":"\\ud83d"}"#
        ));
        // Half of a surrogate pair in a field name is replaced, too.
        assert!(keeps(
            r#".a == 1 and has("\ufffd")"#,
            r#"{"\udfaa":0,"a":1}"#
        ));
        assert!(keeps(".a == 1", r#"{"\udfaa":0,"a":1}"#));
    }

    #[test]
    fn a_text_says_a_number_as_it_does_to_jq() {
        for (text, number) in [
            ("5", "5"),
            ("09", "9"),
            ("-00", "0"),
            ("+1", "1"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-.5e-1", "-0.05"),
            ("1.e5", "100000"),
            ("1E+05", "1e5"),
            ("1.10", "1.1"),
            ("00012345678901234567890", "12345678901234567890"),
            ("9007199254740993", "9007199254740993"),
            ("1e999", "infinite"),
            ("-Infinity", "-infinite"),
            ("INF", "infinite"),
        ] {
            let expression = format!(".v | tonumber == {number}");
            assert!(
                keeps(&expression, &format!(r#"{{"v":"{text}"}}"#)),
                "{text}"
            );
        }
        for text in ["nan", "-NaN", "snan", "nan0"] {
            assert!(keeps(
                ".v | tonumber | isnan",
                &format!(r#"{{"v":"{text}"}}"#)
            ));
        }
        for text in [
            r#""""#,
            r#"" 1""#,
            r#""1 ""#,
            r#""1\n""#,
            r#""0x10""#,
            r#""1_0""#,
            r#""1,5""#,
            r#"".""#,
            r#""+""#,
            r#""-""#,
            r#""+-1""#,
            r#""e1""#,
            r#""1e""#,
            r#""1e+""#,
            r#""1.5.""#,
            r#""1 2""#,
            r#""infi""#,
            r#""nan1""#,
            r#""١""#,
            r#""true""#,
            r#""null""#,
            r#""[1]""#,
            r#""\"1\"""#,
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            let record = format!(r#"{{"v":{text}}}"#);
            assert!(
                keeps("try (.v | tonumber | false) catch true", &record),
                "{text}"
            );
        }
    }

    /// Reads in two steps: checks whether the text is JSON, then reads it with jaq's own reader.
    fn in_two_steps(json: &str) -> Option<Val> {
        depth::check(json).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
        let read = |json: &str| jaq_json::read::parse_single(json.as_bytes()).ok();
        read(json).or_else(|| read(&surrogates::mended(json)))
    }

    fn agree(json: &str) {
        let strictly = read_strictly(json);
        let replaced = || json.contains("\\u").then(|| read(json).ok()).flatten();
        let ours = match &strictly {
            // `read_strictly` refuses half of a surrogate pair, `read` accepts it.
            None => in_two_steps(json).and_then(|_| replaced()),
            Some(value) => Some(value.clone()),
        };
        // jaq's own reader drops the sign of zero.
        let shown = |value: &Option<Val>| {
            let value = value.as_ref().map(|value| format!("{value:?}"));
            value.map(|value| value.replace("Dec(\"-0\")", "Int(0)"))
        };
        assert_eq!(shown(&ours), shown(&in_two_steps(json)), "{json}");
    }

    #[test]
    fn what_is_read_at_once_is_what_is_read_in_two_steps() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for json in [
            "",
            " ",
            "{",
            "}",
            "[",
            "[]]",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\":1 \"b\":2}",
            "nul",
            "nulll",
            "truefalse",
            "True",
            "NaN",
            "-NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1.e1",
            "1e",
            "1e+",
            "0x1",
            "1_0",
            "-0",
            "-0.0",
            "0e0",
            "1E5",
            "1e999",
            "-1e-999",
            "12345678901234567890",
            "-9223372036854775808",
            "9223372036854775808",
            "1.10",
            "1.0",
            "\"\\u00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\\ud83d\\ude00\"",
            "\"\\x\"",
            "\"\\\"",
            "\"\t\"",
            "\"\u{1}\"",
            "\"\u{7f}\"",
            "'a'",
            "b\"a\"",
            "# x\n1",
            "1 # x",
            "1 2",
            "\u{feff}1",
            "\u{a0}1",
            "\u{c}1",
            "\r\n\t 1 ",
            "{\"a\":1,\"a\":2,\"\\u0061\":3}",
            "{\"a\":{\"b\":1},\"a\":[]}",
            "[[[[]]]]",
            "[1] ,",
            "{\"a\":[1,{\"b\":null}]}",
        ] {
            agree(json);
        }
        agree(&nested(depth::MAX_DEPTH));
        agree(&nested(depth::MAX_DEPTH + 1));
        assert!(read_strictly(&nested(depth::MAX_DEPTH)).is_some());
    }

    #[test]
    fn an_integer_of_a_million_digits_takes_no_time() {
        let digits = "9".repeat(1_000_000);
        assert!(matches!(
            read_strictly(&digits),
            Some(Val::Num(Num::Dec(_)))
        ));
        assert!(matches!(read(&digits), Ok(Val::Num(Num::Dec(_)))));
        assert!(keeps(
            ".a > 1e300",
            &format!("{{\"a\":{}}}", &digits[..5000])
        ));
    }

    /// A JSON text, perhaps with one changed character.
    fn text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "null|true|false",
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
            r#""([a-z é😀]|\\["\\/bfnrt]|\\u00[0-7][0-9a-f]|\\u[dD][89c][0-9a-f]{2}){0,4}""#,
        ];
        let nested = leaf.prop_recursive(4, 24, 4, |inner| {
            let space = "[ \t\r\n]{0,2}";
            let name = r#""(a|b|\\u0061|)""#;
            prop_oneof![
                (proptest::collection::vec(inner.clone(), 0..4), space)
                    .prop_map(|(values, space)| format!("[{space}{}]", values.join(","))),
                (proptest::collection::vec((name, inner), 0..4), space).prop_map(
                    |(fields, space)| {
                        let field =
                            |(name, value): &(String, String)| format!("{name}{space}:{value}");
                        let fields: Vec<String> = fields.iter().map(field).collect();
                        format!("{{{}{space}}}", fields.join(","))
                    }
                ),
            ]
        });
        let other = "[\\[\\]{}\",:\\\\ 0-9eE.+\\-untfé\u{1}]?";
        (
            nested,
            any::<prop::sample::Index>(),
            proptest::option::of(other),
        )
            .prop_map(|(json, at, other)| {
                let chars: Vec<char> = json.chars().collect();
                let at = at.index(chars.len());
                let Some(other) = other else { return json };
                let (before, after) = (&chars[..at], &chars[at + 1..]);
                before
                    .iter()
                    .copied()
                    .chain(other.chars())
                    .chain(after.iter().copied())
                    .collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_text_is_read_at_once_as_it_is_in_two_steps(json in text()) {
            agree(&json);
        }
    }
}
