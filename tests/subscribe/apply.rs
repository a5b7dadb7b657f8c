//! `apply`: a file against what the service has.

use serde_json::Value;

use super::site::{Site, entry};
use crate::harness::Ran;
use crate::raw_service::{json, reply};

fn statuses(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let records = ran.records();
    let lines = records.iter();
    lines
        .map(|line| (text(&line["message_type"]), text(&line["status"])))
        .collect()
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned()))
        .collect()
}

#[test]
fn what_is_wanted_comes_in_the_order_of_the_file_and_then_what_is_deleted() {
    let site = Site::new();
    for kind in ["audit", "dialog_start", "dialog_end"] {
        site.one("create", kind, "a").run().ends(0);
    }
    let file = site.table("dialog_step", "a")
        + &site.table("dialog_start", "b")
        + &site.table("dialog_end", "a");
    site.write("subscriptions.toml", &file);
    let all = expected(&[
        ("dialog_step", "created"),
        ("dialog_start", "updated"),
        ("dialog_end", "same"),
        ("audit", "deleted"),
    ]);
    let before = site.clients();
    let dry = site
        .program("apply subscriptions.toml --dry-run --prune")
        .run()
        .ends(0);
    assert_eq!(statuses(&dry), all);
    assert_eq!(site.clients(), before);
    let refused = site
        .program("apply subscriptions.toml --prune")
        .run()
        .ends(2);
    assert!(
        refused.stderr().contains("add --yes"),
        "{}",
        refused.stderr()
    );
    let ran = site
        .program("apply subscriptions.toml --report report")
        .run()
        .ends(0);
    assert_eq!(statuses(&ran), all[..3]);
    assert_eq!(site.clients().len(), 4);
    let report: Value =
        serde_json::from_slice(&std::fs::read(site.path("report")).unwrap()).unwrap();
    assert_eq!(
        (&report["created"], &report["same"]),
        (&Value::from(1), &Value::from(1))
    );
    let ran = site
        .program("apply subscriptions.toml --prune --yes")
        .run()
        .ends(0);
    assert_eq!(ran.records().len(), 4);
    assert!(ran.stderr().contains("may be lost"), "{}", ran.stderr());
    let client = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    assert_eq!(
        site.clients(),
        [
            client("dialog_end", "a"),
            client("dialog_start", "b"),
            client("dialog_step", "a")
        ]
    );
    let puts_and_deletes = site.sim.stats();
    assert_eq!(puts_and_deletes.requests["sub_update"], 1);
    assert_eq!(
        puts_and_deletes.requests["sub_delete"], 1,
        "never to change"
    );
    assert!(site.ledger().contains(&entry("update", "a", "b")));
    site.program("apply subscriptions.toml --skip-code 99")
        .run()
        .ends(99);
}

#[test]
fn all_receivers_are_probed_before_anything_is_sent() {
    let site = Site::with(|asked| match asked.target.as_str() {
        "/oauth2/token" => json(r#"{"access_token":"a.b.c"}"#),
        "/push/acme/dialog_end" => reply("401 Unauthorized", &[], "{}"),
        _ => json("{}"),
    });
    site.write(
        "subscriptions.toml",
        &(site.table("dialog_start", "a") + &site.table("dialog_end", "a")),
    );
    let ran = site.program("apply subscriptions.toml").run().ends(77);
    assert!(
        ran.stderr().contains("acme dialog_end: probing"),
        "{}",
        ran.stderr()
    );
    assert_eq!(
        (site.creates(), site.receiver.asked("/push/").len()),
        (0, 2)
    );
}

#[test]
fn one_that_is_refused_does_not_stop_the_others_and_nothing_is_pruned() {
    let site = Site::new();
    site.one("create", "audit", "a").run().ends(0);
    site.write(
        "subscriptions.toml",
        &(site.table("dialog_start", "a") + &site.table("dialog_end", "a")),
    );
    site.sim.fault("sub_create@2=400");
    let ran = site
        .program("apply subscriptions.toml --prune --yes")
        .run()
        .ends(69);
    assert_eq!(statuses(&ran), expected(&[("dialog_end", "created")]));
    let kinds: Vec<String> = site.clients().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["audit", "dialog_end"]);
}

#[test]
fn a_reader_that_leaves_stops_no_change() {
    let site = Site::new();
    site.one("create", "audit", "a").run().ends(0);
    // The name is longer than all buffers, so that the first line meets the closed pipe.
    let long = site.table("dialog_start", "a").replace(
        "name = \"acme_dialog_start\"",
        &format!("name = \"{}\"", "n".repeat(200_000)),
    );
    site.write(
        "subscriptions.toml",
        &(long + &site.table("dialog_end", "a")),
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = site
        .program("apply subscriptions.toml --prune --yes")
        .with(|command| {
            command.stdout(writer);
        })
        .ends(0);
    assert!(ran.stderr().contains("may be lost"), "{}", ran.stderr());
    let kinds: Vec<String> = site.clients().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["dialog_end", "dialog_start"]);
    assert_eq!(site.ledger().len(), 4);
}

#[test]
fn a_file_that_cannot_be_used_is_2_before_anything_is_asked() {
    let site = Site::new();
    let good = site.table("dialog_end", "a");
    for (text, why) in [
        ("", "no [[subscription]]"),
        (&*good.repeat(2), "twice"),
        (
            &*good.replace("secret_env = \"RECEIVER_SECRET\"", "secret = \"x\""),
            "unknown field",
        ),
        (
            &*good.replace("http://127.0.0.1", "http://in.example"),
            "use https",
        ),
    ] {
        site.write("subscriptions.toml", text);
        let ran = site.program("apply subscriptions.toml").run().ends(2);
        assert!(ran.stderr().contains(why), "{}", ran.stderr());
    }
    site.program("apply missing.toml").run().ends(2);
    assert!(site.sim.stats().recent.is_empty());
}

#[test]
fn an_api_that_is_spelled_otherwise_is_met_by_the_profile() {
    let site = Site::new();
    site.one("create", "dialog_end", "a").run().ends(0);
    site.write(
        "own.toml",
        "[sub_list]\npath = \"/exports-api/v1/subs?group={group}\"\n",
    );
    let ran = site
        .program("list --group acme --api-profile own.toml")
        .run()
        .ends(69);
    assert!(ran.stderr().contains("[sub_…]"), "{}", ran.stderr());
    site.write("own.toml", "[sub_reply]\nclient_id = [\"/nowhere\"]\n");
    site.write("subscriptions.toml", &site.table("dialog_end", "b"));
    let ran = site
        .program("apply subscriptions.toml --api-profile own.toml")
        .run()
        .ends(0);
    assert!(ran.stderr().contains("taken as equal"), "{}", ran.stderr());
    assert_eq!(statuses(&ran), expected(&[("dialog_end", "same")]));
}
