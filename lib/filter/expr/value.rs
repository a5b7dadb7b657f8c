//! JSON texts as jaq's values.

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};
use jaq_json::{Map, Num, Rc, Val};
use serde::de::IgnoredAny;

use super::super::{Bad, depth};

/// jaq reads a superset of JSON, and recurses.
pub(super) fn validate(json: &str) -> Result<(), Bad> {
    depth::check(json)?;
    serde_json::from_str::<IgnoredAny>(json)?;
    Ok(())
}

/// The value of a valid JSON text.
pub(super) fn read(json: &str) -> Result<Val, Bad> {
    jaq_json::read::parse_single(json.as_bytes())
        .or_else(|_| jaq_json::read::parse_single(mend_surrogates(json).as_bytes()))
        .map_err(|e| Bad::new(e.to_string()))
}

/// The value of a text of unknown validity, `None` unless it is valid: what is
/// wrong with it, or whether it is right after all, others say. This validates and
/// decodes at once, where jaq's own reader accepts more than JSON.
pub(super) fn read_strictly(json: &str) -> Option<Val> {
    depth::check(json).ok()?;
    SliceLexer::new(json.as_bytes())
        .exactly_one(SliceLexer::ws_peek, strict)
        .ok()
}

fn strict(next: u8, lexer: &mut SliceLexer<'_>) -> Result<Val, hifijson::Error> {
    Ok(match next {
        b'"' => text(lexer.discarded())?,
        b'-' | b'0'..=b'9' => {
            let (digits, parts) = lexer.num_string().validated()?;
            let int = parts.is_int().then(|| Num::from_str_radix(digits, 10));
            Val::Num(match int.flatten() {
                Some(int) => int,
                None => Num::Dec(Rc::new(digits.to_owned())),
            })
        }
        b'[' => {
            let mut array = Vec::new();
            lexer
                .discarded()
                .seq(b']', SliceLexer::ws_peek, |next, lexer| {
                    array.push(strict(next, lexer)?);
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
                    object.insert(name, strict(next, lexer)?);
                    Ok::<_, hifijson::Error>(())
                })?;
            Val::obj(object)
        }
        _ => match lexer.null_or_bool().ok_or(Expect::Value)? {
            Some(bool) => Val::Bool(bool),
            None => Val::Null,
        },
    })
}

fn text(lexer: &mut SliceLexer<'_>) -> Result<Val, hifijson::Error> {
    let text = lexer.str_string().map_err(hifijson::Error::Str)?;
    Ok(Val::utf8_str(text.into_owned().into_bytes()))
}

/// Halves of surrogate pairs, as left by software that cuts an emoji in two, are
/// valid JSON. jaq refuses them; jq takes them as U+FFFD, and so do we.
fn mend_surrogates(json: &str) -> String {
    let unit = |at: usize| {
        let hex = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    let mut mended = String::with_capacity(json.len());
    let mut rest = 0;
    while let Some(at) = json[rest..].find('\\').map(|at| rest + at) {
        mended.push_str(&json[rest..at]);
        let pair = (unit(at), unit(at + 6));
        rest = match pair {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at + 12,
            (Some(_), _) => at + 6,
            (None, _) => at + 2,
        };
        mended.push_str(match pair {
            (Some(0xd800..=0xdfff), _) if rest == at + 6 => "\\ufffd",
            _ => &json[at..rest],
        });
    }
    mended.push_str(&json[rest..]);
    mended
}

#[cfg(test)]
mod tests {
    use super::super::tests::keeps;
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_the_replacement_character() {
        assert!(keeps(
            r#".a == "x\ufffd""#,
            r#"{"a":"x\ud83d","b":"\\ud83d"}"#
        ));
        assert_eq!(
            mend_surrogates(r#""\ude00\ud83d\ude00\\ud83d\ud83d\n\u00e9""#),
            r#""\ufffd\ud83d\ude00\\ud83d\ufffd\n\u00e9""#
        );
    }
}
