//! The paths that a client may use, for example `/push/acme-prod/*`.

/// A path in which `*` matches one segment, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<String>);

impl PathPattern {
    /// Parses a pattern; it must start with `/`.
    pub(crate) fn parse(text: &str) -> Result<PathPattern, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("'{text}' is not a path: begin it with /"));
        };
        Ok(PathPattern(rest.split('/').map(str::to_owned).collect()))
    }

    /// Whether the pattern matches this path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let segments: Vec<&str> = rest.split('/').collect();
        let mut pairs = self.0.iter().zip(&segments);
        self.0.len() == segments.len() && pairs.all(|(pattern, one)| is_like(pattern, one))
    }
}

/// Whether one segment matches its pattern. The segment must start with the text before the first
/// star, end with the text after the last star, and contain the texts between the stars, in order.
fn is_like(pattern: &str, segment: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == segment;
    };
    let Some(mut left) = segment.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(end) && !segment.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_segment() {
        let matches =
            |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path);
        assert!(matches("/push/acme/*", "/push/acme/dialog_end"));
        assert!(!matches("/push/acme/*", "/push/acme/"));
        assert!(!matches("/push/acme/*", "/push/acme/a/b"));
        assert!(!matches("/push/acme/*", "/push/acme"));
        assert!(!matches("/push/acme/*", "/push/acme2/a"));
        assert!(matches("/push/*/dialog_*", "/push/x/dialog_end"));
        assert!(!matches("/push/*/dialog_*", "/push/x/vb_dialog_end"));
        assert!(matches("/push/a*b*c/t", "/push/a1b2c/t"));
        assert!(!matches("/push/a*b*c/t", "/push/acb/t"));
        assert!(
            !matches("/push/aa*aa/t", "/push/aaa/t"),
            "no letter counts twice"
        );
        assert!(matches("/push/acme/t", "/push/acme/t"));
        assert!(PathPattern::parse("push/*").is_err());
    }
}
