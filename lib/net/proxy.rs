//! Reads the proxies from environment variables.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::{Proxy, ProxyProtocol};

use crate::error;
use crate::net::url::Url;
use crate::os::redaction;

/// The HTTP or HTTPS proxy in the variable `name`, or else in `ALL_PROXY`. Returns an error with
/// status 2 for any other kind of proxy: if such a proxy were ignored, the requests would be sent
/// without a proxy.
pub(super) fn from_env(
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Proxy>> {
    let value = |name: &str| {
        let found = env(&name.to_lowercase()).or_else(|| env(name));
        found.filter(|value| !value.trim().is_empty())
    };
    let mut found = [name, "ALL_PROXY"].into_iter();
    let Some((name, text)) = found.find_map(|name| Some((name, value(name)?))) else {
        return Ok(None);
    };
    let text = match text.trim() {
        text if text.contains("://") => text.to_owned(),
        text => format!("http://{text}"),
    };
    let unusable = |why: &str| {
        error::usage(format!(
            "{name}: {why}: give http://HOST:PORT or https://HOST:PORT, or unset it"
        ))
    };
    let url = Url::parse(&text).map_err(|_| unusable("it is not a URL"))?;
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let user = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    // The proxy receives user and password in this form, so messages must not contain this form
    // either.
    let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
    if let Some(encoded) = url.password() {
        for form in [encoded, &password, &login] {
            redaction::keep_out(form);
        }
    }
    let protocol = match url.scheme() {
        "http" => ProxyProtocol::Http,
        "https" => ProxyProtocol::Https,
        other => {
            return Err(unusable(&format!(
                "the proxy type {other} is not supported"
            )));
        }
    };
    let host = url.host_str().ok_or_else(|| unusable("it has no host"))?;
    let port = url.port_or_known_default();
    let mut builder = Proxy::builder(protocol).host(host).port(port.unwrap_or(80));
    if !user.is_empty() {
        builder = builder.username(&user).password(&password);
    }
    let excluded = value("NO_PROXY").unwrap_or_default();
    for host in excluded
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
    {
        builder = builder.no_proxy(host);
    }
    builder
        .build()
        .map(Some)
        .map_err(|_| unusable("it cannot be used"))
}
