//! Reads the simple XML in the replies of S3 and token services.

/// The text of the first element `name`; `None` if there is none. The elements of these replies
/// have no attributes.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let mut text = text.trim().to_owned();
    for (escaped, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(escaped, character);
    }
    Some(text)
}

/// The code and the text of a refusal, for a message.
pub(super) fn said(xml: &str) -> String {
    let parts = ["Code", "Message"].map(|name| element(xml, name));
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    without_signatures(&parts.join(": "))
}

/// Removes signatures from a text that may repeat the URL of a request: with the signature,
/// anybody could send the request again.
fn without_signatures(text: &str) -> String {
    const NAME: &str = "X-Amz-Signature=";
    let mut parts = text.split(NAME);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(NAME);
        kept.push_str("[redacted]");
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_its_code_and_its_text() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>a &amp;lt; b</Message></Error>";
        assert_eq!(said(xml), "NoSuchKey: a &lt; b");
        assert_eq!(said("<html>"), "");
        let xml = "<Code>/k?a=1&amp;X-Amz-Signature=0aff&amp;b</Code><Message>X-Amz-Signature=1</Message>";
        assert_eq!(
            said(xml),
            "/k?a=1&X-Amz-Signature=[redacted]&b: X-Amz-Signature=[redacted]"
        );
    }
}
