//! Limits of the data that a service can put on the disk and into memory.

use crate::site::Site;

fn fetch(faults: &[&str], status: i32) -> (Site, String) {
    let site = Site::new();
    for fault in faults {
        site.sim.fault(fault);
    }
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let ran = site.fetch(&plan).args(["--tries", "2"]).run().ends(status);
    (site, ran.stderr())
}

#[test]
fn a_body_far_larger_than_its_export_is_cut_off() {
    let (site, said) = fetch(&["metadata=size=1000", "data=bloat=70000000"], 69);
    assert!(
        said.contains("(1000 bytes)") && said.contains("the body is longer than 67109864 bytes"),
        "{said}"
    );
    assert_eq!(site.files(), ["ledger.ndjson"]);
    assert_eq!(site.sim.stats().requests["data"], 1, "not tried again");
}

#[test]
fn a_disk_that_cannot_hold_a_page_is_said_before_the_download() {
    let (site, said) = fetch(&["metadata=size=1152921504606846976"], 74);
    assert!(
        said.contains("needs about 1152921504606846976 bytes") && said.contains("bytes free"),
        "{said}"
    );
    assert_eq!(site.sim.stats().requests["data"], 0);
}

#[test]
fn an_export_of_unknown_size_is_fetched() {
    let (site, _) = fetch(&["metadata=size=0"], 0);
    assert_eq!(site.files().len(), 2);
}
