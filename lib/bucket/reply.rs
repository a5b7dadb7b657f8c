//! Reads the simple XML in the replies of S3 and token services.

use std::borrow::Cow;

/// The text of the first element `name`; `None` if there is no such element. The elements of these
/// replies have no attributes.
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

/// Changes the namespace of the list of objects in `xml` to Amazon's, which is the only one that
/// the parser accepts. Google uses another namespace, and some services use none.
pub(super) fn with_namespace(xml: &str) -> Cow<'_, str> {
    const ROOT: &str = "<ListBucketResult";
    let Some((before, rest)) = xml.split_once(ROOT) else {
        return Cow::Borrowed(xml);
    };
    let Some((attributes, after)) = rest.split_once('>') else {
        return Cow::Borrowed(xml);
    };
    let end = if attributes.ends_with('/') { "/" } else { "" };
    Cow::Owned(format!(
        "{before}{ROOT} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"{end}>{after}"
    ))
}

/// The code and the message in the XML of a refusal, as one text.
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
    const NAME: &str = "Signature=";
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
    fn a_list_has_the_namespace_of_amazon() {
        let amazon = "<?xml?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><A/></ListBucketResult>";
        for attributes in [
            "",
            " xmlns='http://doc.s3.amazonaws.com/2006-03-01'",
            " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
        ] {
            let other = format!("<?xml?><ListBucketResult{attributes}><A/></ListBucketResult>");
            assert_eq!(with_namespace(&other), amazon);
        }
        assert!(with_namespace("<ListBucketResult/>").ends_with("/\"/>"));
        assert_eq!(with_namespace("<Other a='1'>"), "<Other a='1'>");
    }

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
        let xml = "<Code>authorization: GOOG4 SignedHeaders=host,Signature=0aff</Code>";
        assert_eq!(
            said(xml),
            "authorization: GOOG4 SignedHeaders=host,Signature=[redacted]"
        );
    }
}
