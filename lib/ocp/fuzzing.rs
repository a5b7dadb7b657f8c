//! Fuzz targets: replies of OCP, ledgers and API profiles.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::bucket::file_or_object::FileOrObject;
use crate::export::window::Window;
use crate::net::http::Url;
use crate::ocp::export_request::ExportRequest;
pub(crate) use crate::ocp::fetch::fuzzing::plan;
use crate::ocp::keycloak;
use crate::ocp::ledger::{History, Ledger};
pub(crate) use crate::ocp::metrics::fuzzing::metrics_reply;
use crate::ocp::profile::{Profile, Role, Subject};
use crate::ocp::subscriptions::profile::SubscriptionProfile;
use crate::os::clock::Clock;
use crate::os::files;
use crate::time::Timestamp;

const API: &str = "https://ocp.example.com/";

fn a_request() -> Option<ExportRequest> {
    let hour = |number: i64| Timestamp::from_millis(number * 3_600_000);
    Some(ExportRequest {
        group: "g".to_owned(),
        types: BTreeSet::from(["a".to_owned()]),
        window: Window::new(hour(490_000), hour(490_001))?,
    })
}

/// Reads the bytes as a reply to a request for an export, a subscription or a token.
pub(crate) fn reply(bytes: &[u8], _: &Path) {
    keycloak::fuzz_reply(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (Ok(profile), Ok(subscriptions)) = (Profile::load(None), SubscriptionProfile::load(None))
    else {
        return;
    };
    profile.error_text(text);
    profile.is_busy(409, text);
    let (Ok(value), Some(request)) = (serde_json::from_str::<Value>(text), a_request()) else {
        return;
    };
    subscriptions.listed(&value);
    let listed = profile.listed(&value).into_iter().flatten();
    for one in listed.chain([&value]) {
        profile.export_id(one);
        profile.state(one).map(|state| profile.meaning(&state));
        profile.metadata_of(one);
        assert!(
            !(profile.matches(one, &request) && profile.contradicts(one, &request)),
            "{one}"
        );
    }
}

/// Checks that a ledger can be read if and only if no line is damaged, and that a ledger that was
/// opened once can be opened again.
pub(crate) fn ledger(bytes: &[u8], directory: &Path) {
    let path = directory.join("ledger");
    if files::write_atomic(&path, bytes).is_err() {
        return;
    }
    let place = FileOrObject::File(path.clone());
    let read = History::read(bytes, &place);
    let scanned = History::scan(bytes, &place);
    let is_whole = matches!(&scanned, Ok((_, _, damaged)) if damaged.is_empty());
    assert_eq!(read.is_ok(), is_whole);
    let clock = Clock::manual(Timestamp::from_millis(0));
    if Ledger::open(&path, API, clock.clone()).is_ok() {
        let again = Ledger::open(&path, API, clock).map(|_| ());
        assert!(again.is_ok(), "{again:?}");
    }
}

/// Checks that, with any valid profile, the request of each role goes to the host of the API.
pub(crate) fn profile(bytes: &[u8], directory: &Path) {
    let path = directory.join("profile");
    if files::write_atomic(&path, bytes).is_err() {
        return;
    }
    let _ = SubscriptionProfile::load(Some(&path));
    let (Ok(profile), Ok(base)) = (Profile::load(Some(&path)), Url::parse(API)) else {
        return;
    };
    let Some(request) = a_request() else { return };
    for role in [
        Role::Create,
        Role::List,
        Role::Status,
        Role::Metadata,
        Role::Data,
    ] {
        let subject = Subject {
            export_id: "a/..",
            page: Some((1, 100)),
            ..Subject::create(&request)
        };
        let sent = profile.request(role, &base, subject);
        assert_eq!(sent.url.origin(), base.origin());
    }
    let _ = profile.differences();
}
