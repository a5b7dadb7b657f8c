//! Credentials, settings and services that do not fit.

use chrono::TimeDelta;

use crate::bucket::service::{Bucket, Fault, SECRET, TOKEN};
use crate::harness::Program;
use crate::voicegain::site::Site;

fn calls(site: &Site, state: &str) -> Program {
    site.export(&["--state", state, "--tries", "2"])
}

fn site() -> Site {
    let mut site = Site::new();
    site.patience = "20s";
    site
}

#[test]
pub fn a_clock_that_is_off_is_corrected_by_the_service() {
    for ahead in [TimeDelta::hours(1), TimeDelta::days(-40)] {
        let (site, bucket) = (site(), Bucket::start());
        bucket.set_ahead(ahead);
        let run = || {
            calls(&site, "s3://bucket/s")
                .envs(bucket.env())
                .run()
                .ends(0)
        };
        let first = run();
        assert_eq!(first.lines().len(), 40);
        assert!(
            first
                .stderr()
                .contains("the clock of this machine is wrong"),
            "{}",
            first.stderr()
        );
        assert_eq!(
            run().stdout(),
            "",
            "the lease is counted by the service's clock"
        );
    }
}

#[test]
fn a_service_that_ignores_conditions_is_refused() {
    let (site, bucket) = (site(), Bucket::start());
    bucket.ignore_conditions();
    let ran = calls(&site, "s3://bucket/s")
        .envs(bucket.env())
        .run()
        .ends(2);
    assert!(
        ran.stderr().contains("ignores If-None-Match"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.stdout(), "");
    assert!(bucket.keys().is_empty());
}

#[test]
fn what_is_missing_is_named_and_no_secret_is() {
    let (site, bucket) = (site(), Bucket::start());
    let said = |state: &str, env: &[(&'static str, String)], status| {
        let ran = calls(&site, state).envs(env.to_vec()).run().ends(status);
        assert!(!ran.stderr().contains(SECRET) && !ran.stderr().contains(TOKEN));
        assert_eq!(site.calls().requests(), 0);
        ran.stderr()
    };
    let env = bucket.env();
    assert!(said("s3://other/s", &env, 2).contains("the bucket does not exist"));
    assert!(said("s3://bucket/s", &env[1..], 2).contains("set AWS_REGION"));
    assert!(said("s3://bucket/s", &env[..1], 2).contains("no credentials"));
    assert!(said("s3://bucket/s", &env[..2], 2).contains("AWS_SECRET_ACCESS_KEY is not"));
    bucket.accept(&["ANOTHER"]);
    let refused = said("s3://bucket/s", &env, 77);
    assert!(
        refused.contains("s3://bucket/s.lease: HTTP 403, InvalidAccessKeyId"),
        "{refused}"
    );
    bucket.faults(|_, _| Some(Fault::Refused(400, "ExpiredToken")));
    let expired = said("s3://bucket/s", &env, 77);
    assert!(
        expired.contains("HTTP 400, ExpiredToken") && expired.contains("check the AWS credentials"),
        "{expired}"
    );
    for (state, why) in [
        ("s3://bucket", "the key is missing"),
        ("gs://b/k", "or s3://BUCKET/KEY"),
    ] {
        let ran = calls(&site, state).envs(env.clone()).run().ends(2);
        assert!(ran.stderr().contains(why), "{}", ran.stderr());
    }
}

#[test]
pub fn credentials_that_run_out_are_renewed() {
    let (site, bucket) = (site(), Bucket::start());
    let file = |key: &str| {
        let text = format!("[ci]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n");
        std::fs::write(site.path("credentials"), text).unwrap();
    };
    file("AKTEST");
    // From the sixth request on the key has run out, and the file has another one.
    let path = site.path("credentials");
    bucket.faults(move |number, request| {
        let signed = request.header("authorization").unwrap_or(&request.target);
        let is_old = signed.contains("AKTEST");
        (number >= 6 && is_old).then(|| {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("AKTEST", "AKNEXT")).unwrap();
            Fault::Refused(403, "ExpiredToken")
        })
    });
    let is_key = |name: &str| name.contains("_KEY") || name.contains("_TOKEN");
    let way = bucket.env().into_iter().filter(|(name, _)| !is_key(name));
    let env = way.chain([
        ("AWS_PROFILE", "ci".to_owned()),
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            site.path("credentials").display().to_string(),
        ),
    ]);
    bucket.accept(&["AKTEST", "AKNEXT"]);
    let ran = calls(&site, "s3://bucket/s").envs(env).run().ends(0);
    assert_eq!(ran.lines().len(), 40);
    assert_eq!(bucket.last_key(), "AKNEXT");
}
