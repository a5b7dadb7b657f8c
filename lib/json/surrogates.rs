//! Halves of surrogate pairs in JSON strings. They are valid JSON, but not valid Unicode text.

use std::borrow::Cow;

/// Replaces each escape of half a surrogate pair by `\ufffd`. Software that cuts a text in the
/// middle of an emoji leaves such halves, and string decoders refuse them.
pub fn mended(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let hex = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    let mut mended = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(escape) = json[at..].find('\\').map(|found| at + found) {
        at = match (unit(escape), unit(escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(&json[copied..escape]);
                mended.push_str("\\ufffd");
                copied = escape + 6;
                copied
            }
            _ => escape + 1 + json[escape + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    match copied {
        0 => Cow::Borrowed(json),
        _ => Cow::Owned(mended + &json[copied..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_are_replaced() {
        assert_eq!(
            mended(r#""\ude00\ud83d\ude00\\ud83d\ud83d\n\u00e9""#),
            r#""\ufffd\ud83d\ude00\\ud83d\ufffd\n\u00e9""#
        );
        for same in ["", "\\", r#"{"a":"\ud83d\ude00 é\\"}"#] {
            assert!(matches!(mended(same), Cow::Borrowed(text) if text == same));
        }
    }
}
