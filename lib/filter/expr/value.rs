//! JSON texts as jaq's values.

use jaq_json::Val;
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
