//! The formats of times, message types, parameters and methods in a request.

use serde::Deserialize;
use serde_json::Value;

use crate::net::http::Method;
use crate::time::Timestamp;

/// Where the parameters of a request are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Placement {
    Query,
    #[serde(alias = "header")]
    Headers,
    Both,
}

impl Placement {
    pub(super) fn is_in_query(self) -> bool {
        self != Placement::Headers
    }

    pub(super) fn is_in_headers(self) -> bool {
        self != Placement::Query
    }
}

/// How a request contains several message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TypesForm {
    Array,
    Comma,
    Each,
}

impl TypesForm {
    /// The types as text, for a URL or a header.
    pub(super) fn text(types: &[&str]) -> String {
        types.join(",")
    }

    /// The types as JSON, for a body.
    pub(super) fn json(self, types: &[&str]) -> Value {
        match self {
            TypesForm::Array => Value::from(types.to_vec()),
            TypesForm::Comma | TypesForm::Each => Value::from(TypesForm::text(types)),
        }
    }
}

/// The format of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TimeForm {
    #[serde(rename = "rfc3339-ms")]
    Rfc3339Ms,
    #[serde(rename = "rfc3339")]
    Rfc3339,
    OffsetMs,
    Offset,
    NoZoneMs,
    NoZone,
    Space,
    EpochMs,
    EpochS,
}

impl TimeForm {
    /// The time as JSON, for a body.
    pub(super) fn json(self, at: Timestamp) -> Value {
        match self {
            TimeForm::EpochMs => Value::from(at.millis()),
            TimeForm::EpochS => Value::from(at.millis() / 1000),
            _ => Value::from(self.text(at)),
        }
    }

    /// The time as text, for a URL or a header.
    pub(super) fn text(self, at: Timestamp) -> String {
        let zoned = |text: String, zone: &str| text.trim_end_matches('Z').to_owned() + zone;
        match self {
            TimeForm::Rfc3339Ms => at.rfc3339_millis(),
            TimeForm::Rfc3339 => at.rfc3339_seconds(),
            TimeForm::OffsetMs => zoned(at.rfc3339_millis(), "+00:00"),
            TimeForm::Offset => zoned(at.rfc3339_seconds(), "+00:00"),
            TimeForm::NoZoneMs => zoned(at.rfc3339_millis(), ""),
            TimeForm::NoZone => zoned(at.rfc3339_seconds(), ""),
            TimeForm::Space => zoned(at.rfc3339_seconds(), "").replace('T', " "),
            TimeForm::EpochMs => at.millis().to_string(),
            TimeForm::EpochS => (at.millis() / 1000).to_string(),
        }
    }
}

/// Reads the method of a request from the profile.
pub(super) fn method<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Method, D::Error> {
    let text = String::deserialize(from)?;
    Method::parse(&text)
        .ok_or_else(|| serde::de::Error::custom(format!("'{text}' is not GET, POST, PUT or PATCH")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_profile_says() {
        let at = Timestamp::from_millis(1_795_176_000_000);
        for (form, text) in [
            (TimeForm::Rfc3339Ms, "2026-11-20T12:00:00.000Z"),
            (TimeForm::Rfc3339, "2026-11-20T12:00:00Z"),
            (TimeForm::OffsetMs, "2026-11-20T12:00:00.000+00:00"),
            (TimeForm::Offset, "2026-11-20T12:00:00+00:00"),
            (TimeForm::NoZoneMs, "2026-11-20T12:00:00.000"),
            (TimeForm::NoZone, "2026-11-20T12:00:00"),
            (TimeForm::Space, "2026-11-20 12:00:00"),
        ] {
            assert_eq!(form.text(at), text);
            assert_eq!(form.json(at), text);
        }
        assert_eq!(TimeForm::EpochS.json(at), 1_795_176_000_i64);
        assert_eq!(TimeForm::EpochMs.json(at), 1_795_176_000_000_i64);
        assert_eq!(TimeForm::EpochS.text(at), "1795176000");
    }
}
