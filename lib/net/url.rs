//! URLs of services: which ones are allowed, and how messages show them.

use ::url::Host;
pub use ::url::Url;

/// A URL as text for messages, without its query, user and password. The query can
/// contain a signature.
pub fn show(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Reads a base URL. Plain `http` is allowed only to this machine, because others could read a
/// password on the network.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let url = parse_any_url(text)?;
    check_url(&url)?;
    Ok(url)
}

/// Reads a base URL that may be plain `http`, for a host that the user allowed by name.
pub fn parse_any_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("'{text}' is not a URL: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not contain a user or password".to_owned());
    }
    Ok(url)
}

/// Encodes names and values for a form or a query.
pub fn form(pairs: &[(&str, &str)]) -> String {
    ::url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Encodes one text for a form.
pub(super) fn form_text(text: &str) -> String {
    ::url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Refuses plain `http`, except to this machine.
pub fn check_url(url: &Url) -> Result<(), String> {
    let local = is_loopback(url);
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => Err(format!(
            "{}: use https; plain http would show credentials to the network",
            show(url)
        )),
        other => Err(format!("{}: {other} is not https", show(url))),
    }
}

/// Appends a path, which is already encoded, to a base URL.
pub fn join_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let joined = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_to_this_machine() {
        assert!(parse_url("http://127.0.0.1:8080").is_ok());
        assert!(parse_url("http://[::1]:8080/x").is_ok());
        assert!(parse_url("http://localhost/").is_ok());
        assert!(parse_url("https://us1-a.ocp.ai").is_ok());
        assert!(
            parse_url("http://us1-a.ocp.ai")
                .unwrap_err()
                .contains("use https")
        );
        assert!(parse_url("http://localhost.evil.example").is_err());
        assert!(parse_url("ftp://127.0.0.1").is_err());
        assert!(parse_url("us1-a.ocp.ai").is_err());
        assert!(parse_url("https://u:p@us1-a.ocp.ai").is_err());
    }

    #[test]
    fn a_host_of_any_script_is_spelled_for_dns() {
        for text in [
            "https://B\u{fc}ro.example/a",
            "https://xn--bro-hoa.example/a",
        ] {
            assert_eq!(
                show(&parse_url(text).unwrap()),
                "https://xn--bro-hoa.example/a"
            );
        }
        assert!(parse_url("https://xn--0.example").is_err());
    }

    #[test]
    fn shown_urls_hold_no_secret() {
        let url = Url::parse("https://u:p@host/a/b?sig=s3cret#x").unwrap();
        assert_eq!(show(&url), "https://host/a/b");
    }

    #[test]
    fn a_base_path_is_kept() {
        let base = Url::parse("https://host/proxy/").unwrap();
        assert_eq!(join_path(&base, "/a/b").as_str(), "https://host/proxy/a/b");
    }
}
