//! Reads the address and the region of the service from the variables of the usual S3 tools.

use rusty_s3::{Bucket, UrlStyle};

use crate::bucket::dialect::Dialect;
use crate::error;
use crate::net::http::{Url, check_url, parse_any_url};

/// The region that is used for services without regions.
const ANY_REGION: &str = "us-east-1";

/// The service and its region.
#[derive(Clone, Debug)]
pub(super) struct BucketSettings {
    endpoint: Option<Url>,
    region: String,
}

impl BucketSettings {
    /// Reads `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` (default: Amazon's service), and
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`. Returns an error with status 2 if the endpoint is not
    /// a URL, or if neither endpoint nor region is set.
    pub(super) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<BucketSettings> {
        let first = |names: [&'static str; 2]| {
            let mut set = names
                .into_iter()
                .filter_map(|name| Some((name, env(name)?)));
            set.find(|(_, value)| !value.is_empty())
        };
        let endpoint = match first(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
            None => None,
            Some((name, text)) => {
                let url = parse_any_url(&text);
                let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
                match url {
                    Ok(url) if is_http(&url) && url.host_str().is_some() => {
                        if check_url(&url).is_err() {
                            log::warn!(
                                "{name} is plain http: everybody on the network path can read the data"
                            );
                        }
                        Some(url)
                    }
                    _ => {
                        return Err(error::usage(format!(
                            "{name}: '{text}' is not the URL of a service"
                        )));
                    }
                }
            }
        };
        let region = first(["AWS_REGION", "AWS_DEFAULT_REGION"]).map(|(_, region)| region);
        let region = match (region, &endpoint) {
            (Some(region), _) => region,
            (None, Some(_)) => ANY_REGION.to_owned(),
            (None, None) => {
                return Err(error::usage(
                    "no service for the bucket: set AWS_REGION for Amazon S3, or AWS_ENDPOINT_URL for another service",
                ));
            }
        };
        Ok(BucketSettings { endpoint, region })
    }

    /// The region that the signature of a request names.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The protocol of the service.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect::of(self.endpoint.as_ref())
    }

    /// The bucket `name` of this service. Returns an error with status 2 if the name does not fit
    /// into a URL.
    pub(super) fn bucket(&self, name: &str) -> anyhow::Result<Bucket> {
        let amazon = || {
            let text = format!("https://s3.{}.amazonaws.com", self.region);
            parse_any_url(&text).map_err(error::usage)
        };
        // A certificate for `*.s3…` does not cover a bucket name with a dot.
        let style = match &self.endpoint {
            None if !name.contains('.') => UrlStyle::VirtualHost,
            _ => UrlStyle::Path,
        };
        let endpoint = self.endpoint.clone().map_or_else(amazon, Ok)?;
        Bucket::new(endpoint, style, name.to_owned(), self.region.clone())
            .map_err(|e| error::usage(format!("bucket {name}: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn url(env: &[(&str, &str)], bucket: &str) -> anyhow::Result<String> {
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let bucket = BucketSettings::from_env(&env)?.bucket(bucket)?;
        Ok(bucket.object_url("a/k é").to_string())
    }

    #[test]
    fn the_usual_variables_say_where_a_bucket_is() {
        let region = ("AWS_DEFAULT_REGION", "eu-central-1");
        assert_eq!(
            url(&[region], "calls").unwrap(),
            "https://calls.s3.eu-central-1.amazonaws.com/a/k%20%C3%A9"
        );
        assert_eq!(
            url(&[("AWS_REGION", ""), region], "my.calls").unwrap(),
            "https://s3.eu-central-1.amazonaws.com/my.calls/a/k%20%C3%A9"
        );
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/");
        assert_eq!(
            url(&[endpoint], "calls").unwrap(),
            "http://127.0.0.1:9000/calls/a/k%20%C3%A9"
        );
        for wrong in [&[][..], &[("AWS_ENDPOINT_URL_S3", "minio:9000"), endpoint]] {
            let error = url(wrong, "calls").unwrap_err();
            assert_eq!(Status::of(&error), Status::Usage, "{error}");
        }
    }
}
