//! `probe`: a receiver as the vendor will see it.

use super::site::{SECRET, Site, good};
use crate::harness::Program;
use crate::raw_service::{Asked, json, reply};

fn probe(site: &Site) -> Program {
    let url = site.receiver.url();
    site.program("probe --client-id a --secret-env RECEIVER_SECRET")
        .args([
            "--url",
            &format!("{url}/push/acme/dialog_end"),
            "--token-url",
            &format!("{url}/oauth2/token"),
        ])
}

#[test]
fn it_does_what_the_vendor_does() {
    let site = Site::new();
    let ran = probe(&site).run().ends(0);
    let line = &ran.records()[0];
    assert_eq!(
        (line["status"].as_str(), line["expires_in"].as_u64()),
        (Some("ok"), Some(3600))
    );
    assert_eq!(ran.stderr(), "");
    let token = &site.receiver.asked("/oauth2/token")[0];
    assert_eq!(token.body, "grant_type=client_credentials");
    // "a:" and the secret.
    assert_eq!(
        token.headers["authorization"],
        "Basic YTpodW50ZXIyLW9mLXRoZS1yZWNlaXZlcg=="
    );
    let push = &site.receiver.asked("/push/")[0];
    assert_eq!(push.headers["authorization"], "Bearer a.b.c");
    assert_eq!(push.headers["accept"], "application/json;v=1");
    assert_eq!(push.headers["client-corelation-id"].len(), 36);
    let body: serde_json::Value = serde_json::from_str(&push.body).unwrap();
    assert_eq!(body["messages"], serde_json::json!([]));
    assert_eq!(body["sessionStartingSequenceNumber"], "0");
    assert!(
        site.sim.stats().recent.is_empty(),
        "the service is not asked"
    );
}

#[test]
fn each_thing_that_can_be_wrong_has_its_status() {
    type Answer = fn(&Asked) -> Vec<u8>;
    let cases: [(Answer, i32, &str); 9] = [
        (
            |_| reply("401 Unauthorized", &[], r#"{"error":"invalid_client"}"#),
            77,
            "invalid_client",
        ),
        (
            |_| reply("400 Bad Request", &[], r#"{"error":"invalid_client"}"#),
            77,
            "token endpoint",
        ),
        (|_| reply("404 Not Found", &[], "{}"), 69, "HTTP 404"),
        (|_| json("[]"), 69, "not a JSON object"),
        (|_| json("{}"), 69, "no access_token"),
        (|_| reply("503 Unavailable", &[], "{}"), 75, "HTTP 503"),
        (
            |asked| callback(asked, reply("403 Forbidden", &[], "{}")),
            77,
            "the callback",
        ),
        (
            |asked| callback(asked, reply("201 Created", &[], "{}")),
            69,
            "HTTP 201, not 200",
        ),
        (|asked| callback(asked, json("ok")), 69, "not a JSON object"),
    ];
    for (answer, status, why) in cases {
        let site = Site::with(answer);
        let ran = probe(&site).run().ends(status);
        assert!(ran.stderr().contains(why), "{}", ran.stderr());
        assert_eq!(ran.stdout(), "");
        assert!(!ran.stderr().contains(SECRET));
    }
}

fn callback(asked: &Asked, answer: Vec<u8>) -> Vec<u8> {
    match asked.target.starts_with("/push/") {
        true => answer,
        false => good(asked),
    }
}

#[test]
fn nobody_there_is_75_and_plain_http_to_another_machine_2() {
    let site = Site::new();
    let closed = site.program("probe --client-id a --secret-env RECEIVER_SECRET --url http://127.0.0.1:1/push --token-url http://127.0.0.1:1/t");
    closed.run().ends(75);
    let plain = site.program("probe --client-id a --secret-env RECEIVER_SECRET --url http://in.example/push --token-url https://in.example/t");
    let ran = plain.run().ends(2);
    assert!(ran.stderr().contains("use https"), "{}", ran.stderr());
}

#[test]
fn a_token_that_lives_a_minute_is_warned_of() {
    let site = Site::with(|asked| match asked.target.as_str() {
        "/oauth2/token" => json(r#"{"access_token":"a.b.c","expires_in":60}"#),
        _ => json("{}"),
    });
    let ran = probe(&site).run().ends(0);
    assert!(
        ran.stderr().contains("a new one for each push"),
        "{}",
        ran.stderr()
    );
}
