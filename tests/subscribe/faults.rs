//! Replies that are lost, and runs that are killed between a change and its note.

use super::site::{Site, entry};

#[test]
fn a_lost_reply_to_a_create_is_adopted_and_not_sent_twice() {
    for fault in [
        "sub_create@1=lost",
        "sub_create@1=garbage",
        "sub_create@1=cut",
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        let ran = site.one("create", "dialog_end", "a").run().ends(0);
        assert_eq!(ran.records()[0]["status"], "created", "{fault}");
        assert!(ran.records()[0]["subscription_id"].is_string());
        assert_eq!(site.creates(), 1, "{fault}");
        assert_eq!(site.ledger(), [entry("adopt", "-", "a")]);
    }
}

#[test]
fn a_create_that_never_arrived_is_sent_again() {
    let site = Site::new();
    site.sim.fault("sub_create@1=503");
    let ran = site.one("create", "dialog_end", "a").run().ends(0);
    assert_eq!(ran.records()[0]["status"], "created");
    assert_eq!((site.creates(), site.sim.feeds().len()), (2, 1));
    assert_eq!(site.ledger(), [entry("create", "-", "a")]);
}

#[test]
fn a_create_that_is_lost_while_the_list_lags_is_read_from_the_409() {
    let site = Site::new();
    site.sim.fault("sub_create@1=lost");
    site.sim.fault("sub_list@1-2=list-empty");
    let ran = site.one("create", "dialog_end", "a").run().ends(0);
    assert_eq!(ran.records()[0]["status"], "created");
    assert_eq!((site.creates(), site.sim.feeds().len()), (2, 1));
}

#[test]
fn one_that_exists_is_read_from_a_409_or_a_400() {
    for fault in ["sub_list@1=list-empty", "sub_list@2=list-empty"] {
        let site = Site::new();
        site.one("create", "dialog_end", "a")
            .arg("--no-probe")
            .run()
            .ends(0);
        site.sim.reset();
        site.one("create", "dialog_end", "a")
            .arg("--no-probe")
            .run()
            .ends(0);
        site.sim.fault(fault);
        let ran = site.one("create", "dialog_end", "a").run().ends(0);
        assert_eq!(ran.records()[0]["status"], "same", "{fault}");
        assert_eq!(site.one("create", "dialog_end", "b").run().status(), 69);
    }
}

#[test]
fn an_update_and_a_delete_are_repeated_until_they_are_answered() {
    let site = Site::new();
    site.one("create", "dialog_end", "a").run().ends(0);
    site.sim.fault("sub_update@1=lost");
    site.sim.fault("sub_update@2=503,retry-after=0");
    site.one("update", "dialog_end", "b").run().ends(0);
    assert_eq!(site.clients()[0].1, "b");
    let id = site.sim.feeds()[0].id.clone();
    site.sim.fault("sub_delete@1=lost");
    site.program("delete --yes").arg(&id).run().ends(0);
    assert!(site.sim.feeds().is_empty());
    assert_eq!(site.ledger().last(), Some(&entry("delete", "b", "-")));
}

#[test]
fn a_service_that_stays_away_is_75_and_one_that_refuses_69() {
    for (fault, status) in [
        ("sub_list=503", 75),
        ("sub_list=404", 69),
        ("sub_create=400", 69),
        ("sub_create=503", 75),
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        site.one("create", "dialog_end", "a").run().ends(status);
        assert!(site.ledger().is_empty(), "{fault}");
    }
}

#[test]
fn a_change_whose_note_was_lost_is_noted_by_the_next_run() {
    let site = Site::new();
    site.one("create", "dialog_end", "a").run().ends(0);
    let before = std::fs::read(site.path("subscriptions.ndjson")).unwrap();
    site.one("update", "dialog_end", "b").run().ends(0);
    // Killed after the service had changed it.
    std::fs::write(site.path("subscriptions.ndjson"), before).unwrap();
    site.one("create", "dialog_end", "b").run().ends(0);
    site.one("create", "dialog_end", "b").run().ends(0);
    assert_eq!(
        site.ledger(),
        [entry("create", "-", "a"), entry("adopt", "a", "b")]
    );
}

#[test]
fn killed_at_any_moment_the_next_run_has_one_subscription_of_each_type() {
    for delay in [0, 5, 10, 15, 20, 30, 40, 60] {
        let site = Site::new();
        let text: String = ["dialog_start", "dialog_step", "dialog_end"]
            .map(|kind| site.table(kind, "a"))
            .concat();
        site.write("subscriptions.toml", &text);
        let mut child = site.program("apply subscriptions.toml").spawn();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = site.program("apply subscriptions.toml").run().ends(0);
        assert_eq!(ran.records().len(), 3);
        assert_eq!(site.sim.feeds().len(), 3);
        assert_eq!(site.ledger().len(), 3, "{:?}", site.ledger());
    }
}
