//! One subscription: create, list, show, update, delete.

use serde_json::json;

use super::site::{SECRET, Site, entry};
use crate::raw_service::{json as ok, reply};

#[test]
fn it_is_created_once_shown_without_its_secret_updated_and_deleted() {
    let site = Site::new();
    let ran = site.one("create", "dialog_end", "a").run().ends(0);
    let line = &ran.records()[0];
    let id = line["subscription_id"].as_str().unwrap().to_owned();
    let url = format!("{}/push/acme/dialog_end", site.receiver.url());
    assert_eq!(
        *line,
        json!({"subscription_id": id, "group": "acme", "message_type": "dialog_end",
            "name": "acme_dialog_end", "callback_url": url, "client_id": "a", "status": "created"})
    );
    assert_eq!(site.sim.feeds()[0].settings.client_secret, SECRET);
    let again = site.one("create", "dialog_end", "a");
    let again = again.args(["--skip-code", "99"]).run().ends(99);
    assert_eq!(again.records()[0]["status"], "same");
    assert_eq!(site.creates(), 1);

    let listed = site.program("list --group acme").run().ends(0);
    assert_eq!(listed.records()[0]["delivery"]["batch"], 50);
    let shown = site.program("show").arg(&id).run().ends(0);
    assert_eq!(shown.stdout(), listed.stdout());
    assert!(!shown.stdout().contains("secret"), "{}", shown.stdout());

    let other = site.one("create", "dialog_end", "b").run().ends(69);
    assert!(
        other.stderr().contains("another client id: update it"),
        "{}",
        other.stderr()
    );
    let updated = site.one("update", "dialog_end", "b").run().ends(0);
    assert_eq!(updated.records()[0]["status"], "updated");
    assert_eq!(updated.records()[0]["subscription_id"], *id);
    let feed = &site.sim.feeds()[0];
    assert_eq!(
        (
            feed.settings.client_id.as_str(),
            feed.old.as_ref().unwrap().client_id.as_str()
        ),
        ("b", "a")
    );
    // A secret cannot be compared: an update is sent though nothing else changed.
    site.one("update", "dialog_end", "b")
        .env("RECEIVER_SECRET", "another")
        .run()
        .ends(0);
    assert_eq!(site.sim.feeds()[0].settings.client_secret, "another");
    // What the service shows and we do not know was sent back.
    let listed = site.program("list --group acme").run().ends(0);
    assert_eq!(
        listed.records()[0]["delivery"],
        json!({"method": "http", "batch": 50})
    );

    let kept = site.program("delete").arg(&id).run().ends(2);
    assert!(kept.stderr().contains("use update"), "{}", kept.stderr());
    let deleted = site.program("delete --yes").arg(&id).run().ends(0);
    let window = &deleted.records()[0];
    assert_eq!(
        (&window["group"], &window["types"]),
        (&json!("acme"), &json!(["dialog_end"]))
    );
    assert_eq!(window["reason"], "deleted");
    let time =
        |key: &str| chrono::DateTime::parse_from_rfc3339(window[key].as_str().unwrap()).unwrap();
    let hours = (time("to") - time("from")).num_hours();
    assert!((30..=31).contains(&hours), "{hours}");
    assert!(site.sim.feeds().is_empty());
    assert_eq!(
        site.ledger(),
        [
            entry("create", "-", "a"),
            entry("update", "a", "b"),
            entry("update", "b", "b"),
            entry("delete", "b", "-")
        ]
    );
    site.program("list --group acme")
        .args(["--skip-code", "99"])
        .fails(99, "");
}

#[test]
fn what_is_not_there_is_69_and_what_is_not_allowed_77() {
    let site = Site::new();
    let ran = site.one("update", "dialog_end", "a").run().ends(69);
    assert!(ran.stderr().contains("create it"), "{}", ran.stderr());
    site.program("show nobody").run().ends(69);
    site.program("delete --yes nobody").run().ends(69);
    let ran = site.program("list --group others").run().ends(77);
    assert!(ran.stderr().contains("account manager"), "{}", ran.stderr());
    site.program("list --group acme")
        .env("OCP_PAT", "wrong")
        .run()
        .ends(77);
    assert!(site.ledger().is_empty());
}

#[test]
fn a_dry_run_shows_the_request_without_its_secret_and_changes_nothing() {
    let site = Site::new();
    let ran = site
        .one("create", "dialog_end", "a")
        .arg("--dry-run")
        .run()
        .ends(0);
    let said = ran.stdout();
    assert!(said.starts_with("POST http://127.0.0.1:"), "{said}");
    assert!(said.contains(r#""client_secret":"[redacted]""#), "{said}");
    assert!(!said.contains(SECRET));
    assert!(site.sim.stats().recent.is_empty());
    site.one("create", "dialog_end", "a").run().ends(0);
    let ran = site
        .one("update", "dialog_end", "b")
        .arg("--dry-run")
        .run()
        .ends(0);
    assert!(ran.stdout().starts_with("PUT "), "{}", ran.stdout());
    assert!(ran.stdout().contains(r#""batch":50"#), "{}", ran.stdout());
    let id = &site.sim.feeds()[0].id;
    let ran = site.program("delete --dry-run").arg(id).run().ends(0);
    assert!(ran.stdout().starts_with("DELETE "), "{}", ran.stdout());
    assert_eq!(site.clients(), [("dialog_end".to_owned(), "a".to_owned())]);
}

#[test]
fn a_receiver_that_fails_its_probe_is_never_subscribed() {
    let site = Site::with(|asked| match asked.target.as_str() {
        "/oauth2/token" => ok(r#"{"access_token":"a.b.c"}"#),
        _ => reply("204 No Content", &[], ""),
    });
    let ran = site.one("create", "dialog_end", "a").run().ends(69);
    assert!(ran.stderr().contains("the callback"), "{}", ran.stderr());
    assert_eq!(site.creates(), 0);
    site.one("create", "dialog_end", "a")
        .arg("--no-probe")
        .run()
        .ends(0);
    assert!(site.one("update", "dialog_end", "b").run().status() == 69);
    assert_eq!(site.clients(), [("dialog_end".to_owned(), "a".to_owned())]);
}

#[test]
fn the_secret_is_nowhere_to_be_read() {
    let site = Site::new();
    site.write("secret", &format!("{SECRET}\n"));
    let mut said = String::new();
    for place in [
        ["--secret-file", "secret"],
        ["--secret-command", "cat secret"],
    ] {
        let args = site.one("create", "dialog_end", "a");
        let wrong = args.args(place).run().ends(2);
        assert!(
            wrong.stderr().contains("cannot be used with"),
            "{}",
            wrong.stderr()
        );
    }
    for (command, client) in [("create", "a"), ("update", "b")] {
        let ran = site
            .one(command, "dialog_end", client)
            .args(["-vv", "--report", "report"])
            .run()
            .ends(0);
        said += &(ran.stdout() + &ran.stderr());
        said += &std::fs::read_to_string(site.path("report")).unwrap();
    }
    said += &site
        .one("create", "dialog_end", "a")
        .arg("--print-config")
        .run()
        .stdout();
    said += &std::fs::read_to_string(site.path("subscriptions.ndjson")).unwrap();
    assert!(
        said.contains("sub") && !said.contains(SECRET) && !said.contains("a.b.c"),
        "{said}"
    );
    let missing = site
        .one("create", "audit", "a")
        .env("RECEIVER_SECRET", "")
        .run()
        .ends(2);
    assert!(
        missing.stderr().contains("RECEIVER_SECRET is not set"),
        "{}",
        missing.stderr()
    );
}
