//! `await`: whether the vendor has changed over.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::site::Site;
use crate::raw_service::{RawService, json as ok, reply};

/// Clients, and how many minutes ago they pushed.
type Seen = &'static [(&'static str, i64)];

/// A receiver that saw each client the given number of minutes ago.
fn receiver(seen: Seen) -> RawService {
    RawService::start(move |asked| {
        if asked.target != "/v1/usage" {
            return reply("404 Not Found", &[], "{}");
        }
        let ago = |minutes: i64| (Utc::now() - TimeDelta::minutes(minutes)).to_rfc3339();
        let uses = seen.iter().map(|(client, minutes)| {
            json!({"client": client, "path": "acme/dialog_end", "first": ago(900), "last": ago(*minutes), "pushes": 7})
        });
        ok(json!({"uses": uses.collect::<Vec<_>>()}).to_string())
    })
}

fn look(site: &Site, receiver: &RawService, more: &str) -> crate::harness::Ran {
    let url = receiver.url();
    let args = format!("await --new-client b --old-client a --receiver {url} {more}");
    site.program(&args).run()
}

#[test]
fn it_ends_with_0_when_only_the_new_client_is_seen_and_else_with_75() {
    let site = Site::new();
    let cases: [(Seen, i32, &str); 4] = [
        (&[("a", 20), ("b", 1)], 0, ""),
        (&[("b", 1)], 0, ""),
        (&[("a", 3), ("b", 1)], 75, "client a sent a request 3m"),
        (&[("a", 20)], 75, "client b has sent no request"),
    ];
    for (seen, status, why) in cases {
        let ran = look(&site, &receiver(seen), "").ends(status);
        assert_eq!(ran.records()[0]["done"], status == 0);
        assert!(ran.records()[0]["keep_old_until"].is_string());
        assert!(ran.stderr().contains(why), "{}", ran.stderr());
    }
}

#[test]
fn the_probe_before_the_update_is_no_push_of_the_vendors() {
    let site = Site::new();
    site.one("create", "dialog_end", "a").run().ends(0);
    site.one("update", "dialog_end", "b").run().ends(0);
    let ran = look(&site, &receiver(&[("b", 1)]), "").ends(75);
    assert!(
        ran.stderr().contains("since the update"),
        "{}",
        ran.stderr()
    );
    let line = &ran.records()[0];
    let time =
        |key: &str| chrono::DateTime::parse_from_rfc3339(line[key].as_str().unwrap()).unwrap();
    assert_eq!(
        (time("keep_old_until") - time("updated_at")).num_hours(),
        25
    );
    look(&site, &receiver(&[("b", -1)]), "").ends(0);
}

#[test]
fn it_goes_on_looking_for_as_long_as_it_is_told() {
    let site = Site::new();
    let quiet = receiver(&[("a", 20)]);
    look(&site, &quiet, "--wait 800ms --poll 50ms").ends(75);
    assert!(quiet.asked("/v1/usage").len() >= 3);
    let ran = look(&site, &quiet, "--quiet-for 1m").ends(2);
    assert!(ran.stderr().contains("give 5m or more"), "{}", ran.stderr());
}

#[test]
fn a_receiver_that_is_none_is_said() {
    let site = Site::new();
    let other = RawService::start(|_| ok("[]"));
    let ran = look(&site, &other, "").ends(69);
    assert!(
        ran.stderr().contains("not a list of uses"),
        "{}",
        ran.stderr()
    );
    let other = RawService::start(|_| reply("404 Not Found", &[], "{}"));
    let ran = look(&site, &other, "").ends(69);
    assert!(ran.stderr().contains("admin listener"), "{}", ran.stderr());
}
