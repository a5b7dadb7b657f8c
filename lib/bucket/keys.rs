//! The credentials for requests. They come from the sources that the usual S3 tools read, in the
//! same order. Credentials are renewed before they expire.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

use crate::bucket::reply;
use crate::error;
use crate::net::client::{ApiCall, Client, refusal};
use crate::net::connection::Connection;
use crate::net::http::{RequestBody, Url, check_url, form, parse_any_url, shown};
use crate::net::retry::{Attempt, Failed, Retry};
use crate::net::secret::{self, Secret};
use crate::os::mutex::lock;
use crate::time::Timestamp;

/// The credentials are renewed this long before they expire.
const MARGIN: Duration = Duration::from_secs(300);

/// The hosts, besides loopback, from which a container may fetch credentials over plain HTTP.
const CONTAINER_HOSTS: [&str; 2] = ["169.254.170.2", "169.254.170.23"];

/// A key id with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketKeys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
    pub(super) expires: Option<Timestamp>,
}

/// The credentials of a run.
#[derive(Debug)]
pub(super) struct KeyChain {
    source: KeySource,
    client: Client,
    current: Mutex<Option<BucketKeys>>,
}

#[derive(Debug)]
enum KeySource {
    /// `AWS_ACCESS_KEY_ID` and the variables that belong to it, such as `AWS_SESSION_TOKEN`.
    Variables(BucketKeys),
    /// A profile in the shared credentials file.
    Profile { path: PathBuf, profile: String },
    /// A token of an identity provider, in a file that Kubernetes writes.
    WebIdentity {
        token: PathBuf,
        role: String,
        session: String,
        service: Url,
    },
    /// An address in the container's network that returns credentials.
    Container {
        url: Url,
        token: Option<Secret>,
        token_file: Option<PathBuf>,
    },
}

type KeyEnv<'e> = &'e dyn Fn(&str) -> Option<String>;

impl KeyChain {
    /// The first source that is set in the environment: `AWS_ACCESS_KEY_ID`,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, a profile in the shared file, the container's address.
    /// Returns an error with status 2 if no source is set.
    pub(super) fn from_env(
        env: KeyEnv<'_>,
        region: &str,
        connection: &Connection,
    ) -> anyhow::Result<KeyChain> {
        Ok(KeyChain {
            source: KeySource::from_env(env, region)?,
            client: connection.client(&[], Box::new(None)),
            current: Mutex::new(None),
        })
    }

    /// Whether the source can return new credentials when the service refuses the current ones.
    pub(super) fn can_renew(&self) -> bool {
        !matches!(self.source, KeySource::Variables(_))
    }

    /// The credentials for the next request: different from `rejected`, if possible.
    pub(super) fn current(
        &self,
        retry: &Retry,
        rejected: Option<BucketKeys>,
    ) -> anyhow::Result<BucketKeys> {
        let mut current = lock(&self.current);
        let is_known = |keys: &&BucketKeys| rejected.as_ref() != Some(*keys);
        let is_fresh = |keys: &&BucketKeys| {
            keys.expires
                .is_none_or(|end| end > retry.now().plus(MARGIN))
        };
        if let Some(keys) = current.as_ref().filter(is_known).filter(is_fresh) {
            return Ok(keys.clone());
        }
        let keys = self.source.load(&self.client)?;
        *current = Some(keys.clone());
        Ok(keys)
    }
}

impl KeySource {
    fn from_env(env: KeyEnv<'_>, region: &str) -> anyhow::Result<KeySource> {
        let get = |name: &str| env(name).filter(|value| !value.is_empty());
        if let Some(id) = get("AWS_ACCESS_KEY_ID") {
            let secret = secret::from_env("AWS_SECRET_ACCESS_KEY", env)?.ok_or_else(|| {
                error::usage("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
            })?;
            let token = secret::from_env("AWS_SESSION_TOKEN", env)?;
            return Ok(KeySource::Variables(BucketKeys {
                id,
                secret,
                token,
                expires: None,
            }));
        }
        let url = |name: &str, text: &str| {
            parse_any_url(text).map_err(|e| error::usage(format!("{name}: {e}")))
        };
        if let Some(token) = get("AWS_WEB_IDENTITY_TOKEN_FILE") {
            let role = get("AWS_ROLE_ARN").ok_or_else(|| {
                error::usage("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not")
            })?;
            let service = get("AWS_ENDPOINT_URL_STS")
                .unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com/"));
            let service = url("AWS_ENDPOINT_URL_STS", &service)?;
            check_url(&service).map_err(error::usage)?;
            return Ok(KeySource::WebIdentity {
                token: token.into(),
                role,
                session: get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "callpipe".to_owned()),
                service,
            });
        }
        let given = get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let at_home = || Some(PathBuf::from(get("HOME")?).join(".aws/credentials"));
        let profile = get("AWS_PROFILE").or_else(|| get("AWS_DEFAULT_PROFILE"));
        let is_asked_for = given.is_some() || profile.is_some();
        if let Some(path) = given.or_else(at_home)
            && (is_asked_for || path.exists())
        {
            let profile = profile.unwrap_or_else(|| "default".to_owned());
            return Ok(KeySource::Profile { path, profile });
        }
        let container = match (
            get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ) {
            (Some(path), _) => Some(format!("http://{}{path}", CONTAINER_HOSTS[0])),
            (None, full) => full,
        };
        if let Some(container) = container {
            let url = url("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container)?;
            let is_beside = url
                .host_str()
                .is_some_and(|host| CONTAINER_HOSTS.contains(&host));
            if !is_beside {
                check_url(&url).map_err(|e| {
                    error::usage(format!("AWS_CONTAINER_CREDENTIALS_FULL_URI: {e}"))
                })?;
            }
            return Ok(KeySource::Container {
                url,
                token: get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
                token_file: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from),
            });
        }
        Err(error::usage(
            "no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ))
    }

    fn load(&self, client: &Client) -> anyhow::Result<BucketKeys> {
        match self {
            KeySource::Variables(keys) => Ok(keys.clone()),
            KeySource::Profile { path, profile } => {
                let place = format!("profile {profile} of {}", path.display());
                let text =
                    fs::read_to_string(path).map_err(|e| error::usage(format!("{place}: {e}")))?;
                of_profile(&text, profile).ok_or_else(|| {
                    error::usage(format!(
                        "{place}: it has no aws_access_key_id or no aws_secret_access_key"
                    ))
                })
            }
            KeySource::WebIdentity {
                token,
                role,
                session,
                service,
            } => {
                let token = secret::from_file(token)?;
                let body = form(&[
                    ("Action", "AssumeRoleWithWebIdentity"),
                    ("Version", "2011-06-15"),
                    ("RoleArn", role),
                    ("RoleSessionName", session),
                    ("WebIdentityToken", token.expose()),
                ]);
                let body = RequestBody {
                    content_type: "application/x-www-form-urlencoded",
                    bytes: body.as_bytes(),
                };
                fetch(
                    client,
                    &ApiCall::post(service.clone(), "application/xml", body),
                    of_xml,
                )
            }
            KeySource::Container {
                url,
                token,
                token_file,
            } => {
                let token = match token_file {
                    Some(path) => Some(secret::from_file(path)?),
                    None => token.clone(),
                };
                let token: Vec<_> = token
                    .map(|token| ("authorization".to_owned(), token.expose().to_owned()))
                    .into_iter()
                    .collect();
                let call = ApiCall {
                    headers: &token,
                    follows: false,
                    ..ApiCall::get(url.clone(), "application/json")
                };
                fetch(client, &call, of_json)
            }
        }
    }
}

/// Requests credentials from a service. Returns an error with status 77 if the service returns no
/// credentials.
fn fetch(
    client: &Client,
    call: &ApiCall<'_>,
    read: fn(&str) -> Option<BucketKeys>,
) -> anyhow::Result<BucketKeys> {
    client.fetch(call, |reply| {
        let text = match reply.text() {
            Ok(text) => text,
            Err(e) => return Ok(Attempt::Again(e.into_failed()?)),
        };
        if reply.status != 200 {
            let said = shown(&reply::said(&text));
            return Err(error::auth(
                refusal(
                    &call.what,
                    reply.status,
                    &said,
                    "the service returned no credentials",
                )
                .to_string(),
            ));
        }
        Ok(match read(&text) {
            Some(keys) => Attempt::Done(keys),
            None => Attempt::Again(Failed::content(
                "the reply contains no credentials",
                error::Status::Auth,
            )),
        })
    })
}

fn of_profile(text: &str, profile: &str) -> Option<BucketKeys> {
    let header = format!("[{profile}]");
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != header)
        .skip(1);
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in lines.by_ref().take_while(|line| !line.starts_with('[')) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "aws_access_key_id" => id = Some(value.to_owned()),
            "aws_secret_access_key" => secret = Some(Secret::new(value)),
            "aws_session_token" => token = Some(Secret::new(value)),
            _ => {}
        }
    }
    Some(BucketKeys {
        id: id?,
        secret: secret?,
        token,
        expires: None,
    })
}

fn of_xml(text: &str) -> Option<BucketKeys> {
    let get = |name| reply::element(text, name);
    Some(BucketKeys {
        id: get("AccessKeyId")?,
        secret: Secret::new(get("SecretAccessKey")?),
        token: get("SessionToken").map(Secret::new),
        expires: get("Expiration").and_then(|text| Timestamp::parse_instant(&text)),
    })
}

fn of_json(text: &str) -> Option<BucketKeys> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ContainerReply {
        access_key_id: String,
        secret_access_key: String,
        token: Option<String>,
        expiration: Option<String>,
    }
    let reply: ContainerReply = serde_json::from_str(text).ok()?;
    Some(BucketKeys {
        id: reply.access_key_id,
        secret: Secret::new(reply.secret_access_key),
        token: reply.token.map(Secret::new),
        expires: reply
            .expiration
            .and_then(|text| Timestamp::parse_instant(&text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn source(env: &[(&str, &str)]) -> anyhow::Result<String> {
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        KeySource::from_env(&env, "eu-central-1").map(|source| format!("{source:?}"))
    }

    #[test]
    fn the_first_source_counts_and_no_secret_is_shown() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "s3cr3t-key"),
        ];
        let identity = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"),
            ("AWS_ROLE_ARN", "arn"),
        ];
        let file = ("AWS_SHARED_CREDENTIALS_FILE", "/c");
        let container = (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1",
        );
        let all = [&keys[..], &identity, &[file, container]].concat();
        let shown = source(&all).unwrap();
        assert!(
            shown.starts_with("Variables") && !shown.contains("s3cr3t"),
            "{shown}"
        );
        let shown = source(&all[2..]).unwrap();
        assert!(shown.contains("sts.eu-central-1.amazonaws.com"), "{shown}");
        let shown = source(&all[4..]).unwrap();
        assert!(shown.contains("\"/c\", profile: \"default\""), "{shown}");
        assert!(source(&[container]).unwrap().starts_with("Container"));
        let foreign = (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://evil.example/v1",
        );
        for wrong in [
            &[][..],
            &keys[..1],
            &identity[..1],
            &[foreign],
            &[("HOME", "/none")],
        ] {
            let error = source(wrong).unwrap_err();
            assert_eq!(Status::of(&error), Status::Usage, "{error}");
        }
    }

    #[test]
    fn replies_and_files_are_read() {
        let file = "[other]\naws_access_key_id=x\n[ci]\n# note\naws_access_key_id = AK\naws_secret_access_key=sec=ret\n[z]\n";
        let keys = of_profile(file, "ci").unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose()), ("AK", "sec=ret"));
        assert_eq!(of_profile(file, "other"), None);
        assert_eq!(of_profile(file, "none"), None);
        let json = r#"{"AccessKeyId":"AK","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-01T01:00:00Z"}"#;
        let xml = "<R><Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-01T01:00:00Z</Expiration></Credentials></R>";
        let keys = of_json(json).unwrap();
        assert!(keys.expires.is_some() && keys.token.is_some());
        assert_eq!(of_xml(xml).unwrap(), keys);
    }
}
