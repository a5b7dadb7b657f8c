//! Refuses addresses such as `s3://bucket/key` in place of a path on this machine.

/// Schemes of addresses, each with the command that copies from and to such addresses.
const COPIERS: [(&str, &str); 9] = [
    ("s3", "aws s3 cp"),
    ("s3a", "aws s3 cp"),
    ("gs", "gcloud storage cp"),
    ("az", "azcopy copy"),
    ("abfss", "azcopy copy"),
    ("wasbs", "azcopy copy"),
    ("hdfs", "hdfs dfs"),
    ("http", "curl"),
    ("https", "curl"),
];

/// The command for addresses of all other schemes.
const ANY_COPIER: &str = "rclone copy";

/// The error text if `place` begins with `scheme://`. The text says what to use instead. `None` if
/// `place` is a path.
pub fn explain_address(place: &str) -> Option<String> {
    let (scheme, _) = place.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = is_scheme.then(|| scheme.to_ascii_lowercase())?;
    let instead = match COPIERS.iter().find(|(known, _)| *known == scheme) {
        _ if scheme == "file" => "leave out 'file://'".to_owned(),
        Some((_, copier)) => instead(copier),
        None => instead(ANY_COPIER),
    };
    Some(format!(
        "only paths on this machine are supported: {instead}"
    ))
}

fn instead(copier: &str) -> String {
    format!("use a local path, and copy from there or to there with '{copier}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_scheme() {
        for (address, instead) in [
            ("s3://bucket/key", "'aws s3 cp'"),
            ("GS://bucket", "'gcloud storage cp'"),
            ("sftp://host/x", "'rclone copy'"),
            ("file:///tmp/x", "leave out 'file://'"),
        ] {
            let said = explain_address(address).unwrap_or_default();
            assert!(said.contains(instead), "{address}: {said}");
        }
        for path in [
            "x", "-", "./s3://x", "a b://x", "://x", "1a://x", "s3:/x", "C:x",
        ] {
            assert_eq!(explain_address(path), None, "{path}");
        }
    }
}
