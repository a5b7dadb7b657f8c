//! What there is to ask, without a network.

use crate::harness::program;

#[test]
fn the_catalogue_needs_no_network_and_no_credentials() {
    let lines = |args: &[&str]| {
        let ran = program("ocp-metrics").arg("catalogue").args(args).run();
        ran.ends(0).records()
    };
    let v3 = lines(&[]);
    assert_eq!(v3.len(), 8 + 1 + 7 + 5 + 3 + 7);
    let of = |name: &str| {
        let found = v3.iter().find(|line| line["metric"] == name);
        found.unwrap_or_else(|| panic!("{name}")).clone()
    };
    let sessions = of("session.initiated");
    assert_eq!(sessions["additive"], false);
    assert_eq!(sessions["source"], "realtime");
    assert_eq!(of("duration10sec")["additive"], "unknown");
    assert!(of("dialogs")["several_per_call"].is_null());
    let keys: Vec<&String> = sessions.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 9);
    let v2 = lines(&["--api", "v2"]);
    let is_realtime = |line: &&serde_json::Value| line["source"] == "realtime";
    assert_eq!(v2.iter().filter(is_realtime).count(), 9 + 1);
    assert_eq!(v2[0]["filters"][0], "miniapp_name");
}
