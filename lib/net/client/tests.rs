//! Tests how a reply affects later requests. No test waits: the clock is a manual one.

use std::time::Duration;

use super::*;
use crate::net::http::HttpArgs;
use crate::net::retry::RetryArgs;
use crate::net::scripted;
use crate::net::url::parse_any_url;
use crate::os::clock::Clock;
use crate::os::signals::Stop;

/// A service that gives these replies, and a client that may send it one request in ten seconds.
fn site(replies: &[&str]) -> (Client, Url) {
    let clock = Clock::manual(Timestamp::from_millis(1_795_176_000_000));
    let limit = Duration::from_secs(10);
    let http = HttpArgs {
        connect_timeout: limit,
        read_timeout: limit,
        ca_cert: None,
    };
    let retry = RetryArgs {
        tries: 1,
        backoff: Duration::from_secs(1),
        patience: Duration::from_secs(900),
    };
    let client = Client::new(
        Http::new(&http, &|_| None, clock.clone()).unwrap(),
        Retry::new(&retry, 1, clock.clone(), Stop::default()),
        Budget::new(&["1/10s".parse().unwrap()], retry.patience, clock),
        Box::new(None),
    );
    (client, parse_any_url(&scripted::serve(replies)).unwrap())
}

fn call(url: &Url, units: usize) -> ApiCall<'static> {
    ApiCall {
        units,
        ..ApiCall::get(url.clone(), "*/*")
    }
}

fn failed(client: &Client, call: &ApiCall<'_>) -> Failed {
    match client.once(call).unwrap() {
        Sent::Failed(failed) => failed,
        Sent::Reply(reply) => panic!("{reply:?}"),
    }
}

/// A temporary failure of the network.
fn passing() -> NetError {
    let mut e = NetError::final_one("x".to_owned());
    e.passing = true;
    e
}

/// The seconds until a request that counts as `units` requests is allowed.
fn waits(client: &Client, units: usize) -> u64 {
    let before = client.retry().instant();
    client.wait(units, "").unwrap();
    (client.retry().instant() - before).as_secs()
}

#[test]
fn a_reply_that_asks_for_a_pause_stops_all_requests_and_another_one_does_not() {
    // The columns: the reply; the units of its request; the pause that the reply asks for; how long
    // other requests wait after it; whether a smaller request can help.
    for (reply, units, asked, pause, slow) in [
        ("503 x", 1, None, 0, false),
        ("503 x\nretry-after: 5", 1, Some(5), 5, false),
        ("503 x\nratelimit-reset: 7", 1, None, 0, false),
        ("429 x\nratelimit-reset: 7", 1, Some(7), 7, false),
        (
            "429 x\nretry-after: 5\nratelimit-reset: 7",
            1,
            Some(5),
            5,
            false,
        ),
        ("429 x", 1, None, 10, false),
        ("429 x", 0, None, 0, false),
        ("502 x", 1, None, 0, true),
        ("504 x", 1, None, 0, true),
        ("504 x\nretry-after: 5", 0, Some(5), 5, false),
    ] {
        let (client, url) = site(&[reply]);
        let failed = failed(&client, &call(&url, units));
        let expected = (asked.map(Duration::from_secs), slow);
        assert_eq!((failed.asked, failed.slow), expected, "{reply} {units}");
        assert_eq!(waits(&client, 0), pause, "{reply} {units}");
    }
}

#[test]
fn a_request_that_is_refused_with_429_does_not_count() {
    let (client, url) = site(&["429 x\nretry-after: 1", "503 x"]);
    failed(&client, &call(&url, 1));
    assert_eq!(waits(&client, 1), 1);
    failed(&client, &call(&url, 1));
    assert_eq!(waits(&client, 1), 10);
}

#[test]
fn a_host_that_answered_once_exists() {
    let (client, url) = site(&["503 x"]);
    let call = call(&url, 0);
    let lost = || {
        let mut e = passing();
        (e.unsent, e.no_such_host) = (true, true);
        e
    };
    let error = client.failed(&call, lost()).unwrap_err();
    assert_eq!(Status::of(&error), Status::Refused);
    failed(&client, &call);
    let again = client.failed(&call, lost()).unwrap();
    assert_eq!(again.status, Status::TryLater);
}

#[test]
fn only_a_request_that_was_sent_and_timed_out_may_be_too_large() {
    for (timed_out, unsent, slow) in [
        (true, false, true),
        (true, true, false),
        (false, false, false),
        (false, true, false),
    ] {
        let mut e = passing();
        (e.unsent, e.timed_out) = (unsent, timed_out);
        let failed = e.into_failed().unwrap();
        assert_eq!((failed.slow, failed.sent), (slow, !unsent));
    }
}

#[test]
fn a_refusal_says_what_was_said_and_what_to_do() {
    let of = |status, said, hint| {
        let failure = anyhow::Error::from(refusal("GET /x", status, said, hint));
        (Status::of(&failure), failure.to_string())
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(of(404, "", ""), (Status::Refused, text("GET /x: HTTP 404")));
    assert_eq!(
        of(401, "no", "log in"),
        (Status::Auth, text("GET /x: HTTP 401, no: log in"))
    );
    assert_eq!(
        of(403, "", "ask"),
        (Status::Auth, text("GET /x: HTTP 403: ask"))
    );
}
