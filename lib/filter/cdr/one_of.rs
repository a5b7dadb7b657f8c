//! What a field says, and the test whether it is one of the values wanted.

use std::borrow::Cow;

use super::super::fields::{Fields, Record, Slot, text};

/// How much of a field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// What follows the last dot; nothing if there is none.
    LastSegment,
}

/// Where the OCP group stands, the surest place first. Names of applications are
/// `<account>.<name>.<type>.<diamant application>.<OCP group>`.
pub(super) const OCP_GROUP: [(&str, Part); 5] = [
    ("flow.ocp_group_name", Part::Whole),
    ("flow.organization", Part::Whole),
    ("app.name", Part::LastSegment),
    ("flow.id", Part::LastSegment),
    ("group_name", Part::Whole),
];

/// A test whether a field, or the first of several that says something, has one
/// of the values.
#[derive(Debug)]
pub(super) struct OneOf {
    sources: Vec<(Slot, Part)>,
    wanted: Vec<String>,
}

impl OneOf {
    pub(super) fn new(wanted: &[String], sources: &[(&str, Part)], fields: &mut Fields) -> OneOf {
        let slots = sources
            .iter()
            .map(|(path, part)| (fields.want(path), *part));
        OneOf {
            sources: slots.collect(),
            wanted: wanted.to_vec(),
        }
    }

    pub(super) fn holds(&self, record: &Record<'_, '_>) -> bool {
        let mut text = Cow::Borrowed("");
        for (slot, part) in &self.sources {
            text = says(record, *slot);
            if *part == Part::LastSegment {
                text = last_segment(text);
            }
            if !is_nothing(&text) {
                break;
            }
        }
        self.wanted.iter().any(|wanted| matches(wanted, &text))
    }
}

fn last_segment(text: Cow<'_, str>) -> Cow<'_, str> {
    let segment = text.rsplit_once('.').map(|(_, last)| last.to_owned());
    Cow::Owned(segment.unwrap_or_default())
}

pub(super) fn matches(wanted: &str, text: &str) -> bool {
    wanted == text || (wanted.is_empty() && is_nothing(text))
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "undefined" | "null")
}

/// What a field says; an absent one says nothing.
pub(super) fn says<'l>(record: &Record<'l, '_>, slot: Slot) -> Cow<'l, str> {
    record.get(slot).map_or(Cow::Borrowed(""), text)
}

pub(super) fn number(record: &Record<'_, '_>, slot: Slot) -> Option<f64> {
    says(record, slot).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::keeps;

    #[test]
    fn an_empty_value_matches_what_says_nothing() {
        for record in [
            "{}",
            r#"{"channel":""}"#,
            r#"{"channel":null}"#,
            r#"{"channel":"undefined"}"#,
            r#"{"channel":"null"}"#,
        ] {
            assert!(keeps(&["--channel", ""], record), "{record}");
        }
        assert!(!keeps(&["--channel", ""], r#"{"channel":"chat"}"#));
        assert!(!keeps(&["--channel", ""], r#"{"channel":{}}"#));
        assert!(keeps(
            &["--channel", "undefined"],
            r#"{"channel":"undefined"}"#
        ));
        assert!(!keeps(&["--channel", "undefined"], r#"{"channel":""}"#));
    }

    #[test]
    fn the_first_place_that_says_something_gives_the_ocp_group() {
        let g = &["--ocp-group", "g"];
        for record in [
            r#"{"flow":{"ocp_group_name":"g","organization":"o"}}"#,
            r#"{"flow":{"ocp_group_name":"","organization":"g"},"app":{"name":"a.b.c"}}"#,
            r#"{"app":{"name":"acc.Main.Flow.acme@Main.g"}}"#,
            r#"{"app":{"name":"no dots"},"flow":{"organization":"undefined","id":"a.b.Flow.d.g"}}"#,
            r#"{"message_type":"vb_enrolment","group_name":"g"}"#,
        ] {
            assert!(keeps(g, record), "{record}");
        }
        for record in [
            r#"{"group":"g"}"#,
            r#"{"flow":{"ocp_group_name":"o","organization":"g"}}"#,
            r#"{"flow":{"organization":"o","id":"a.b.Flow.d.g"}}"#,
            r#"{"app":{"name":"g"}}"#,
        ] {
            assert!(!keeps(g, record), "{record}");
        }
        assert!(keeps(
            &["--ocp-group", ""],
            r#"{"group":"g","app":{"name":"a."}}"#
        ));
    }
}
