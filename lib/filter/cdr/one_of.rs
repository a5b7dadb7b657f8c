//! Tests whether a field has one of the wanted values.

use std::borrow::Cow;

use super::super::prefilter::{Clause, Spelled};
use crate::cdr::{is_nothing, says};
use crate::json::fields::{Fields, Record, Slot};

/// The part of a field that is compared with the wanted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole field. If the field has a value, the fields that come later in the list are not
    /// compared.
    Sure,
    /// The whole field.
    Whole,
    /// The part after the last dot.
    LastSegment,
}

/// The fields with the OCP group, the most reliable field first. An organization is often the OCP
/// group itself, and sometimes the parent of the OCP group. Application names have the form
/// `<account>.<name>.<type>.<diamant application>.<OCP group>`.
pub(super) const OCP_GROUP: [(&str, Part); 5] = [
    ("flow.ocp_group_name", Part::Sure),
    ("group_name", Part::Sure),
    ("flow.organization", Part::Whole),
    ("app.name", Part::LastSegment),
    ("flow.id", Part::LastSegment),
];

/// A test whether at least one of several fields has one of the wanted values.
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

    /// A list of texts: if a record passes the test, its line contains at least one of the texts.
    /// `None` if there is no such list.
    pub(super) fn needle(&self) -> Option<Clause> {
        if self.wanted.iter().any(String::is_empty) {
            return None;
        }
        Clause::any(self.wanted.iter().map(String::as_str), Spelled::Part)
    }

    pub(super) fn holds(&self, record: &Record<'_, '_>) -> bool {
        let mut nothing_said = true;
        for (slot, part) in &self.sources {
            let mut text = says(record, *slot);
            if *part == Part::LastSegment {
                text = last_segment(text);
            }
            if self
                .wanted
                .iter()
                .any(|wanted| !wanted.is_empty() && *wanted == text)
            {
                return true;
            }
            if !is_nothing(&text) {
                nothing_said = false;
                if *part == Part::Sure {
                    break;
                }
            }
        }
        nothing_said && self.wanted.iter().any(String::is_empty)
    }
}

fn last_segment(text: Cow<'_, str>) -> Cow<'_, str> {
    let segment = text.rsplit_once('.').map(|(_, last)| last.to_owned());
    Cow::Owned(segment.unwrap_or_default())
}

pub(super) fn matches(wanted: &str, text: &str) -> bool {
    wanted == text || (wanted.is_empty() && is_nothing(text))
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
    fn the_ocp_group_may_stand_in_several_places_unless_one_is_sure() {
        let g = &["--ocp-group", "g"];
        for record in [
            r#"{"flow":{"ocp_group_name":"g","organization":"o"}}"#,
            r#"{"flow":{"ocp_group_name":"","organization":"g"},"app":{"name":"a.b.c"}}"#,
            r#"{"app":{"name":"acc.Main.Flow.acme@Main.g"}}"#,
            r#"{"app":{"name":"no dots"},"flow":{"organization":"undefined","id":"a.b.Flow.d.g"}}"#,
            r#"{"message_type":"vb_enrolment","group_name":"g"}"#,
            r#"{"flow":{"organization":"o","id":"a.b.Flow.d.g"}}"#,
        ] {
            assert!(keeps(g, record), "{record}");
        }
        for record in [
            r#"{"group":"g"}"#,
            r#"{"flow":{"ocp_group_name":"o","organization":"g"}}"#,
            r#"{"flow":{"ocp_group_name":"o","id":"a.b.Flow.d.g"}}"#,
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
