//! Rows as lines of text and as pictures.

use std::fs;

use crate::harness::{Program, program};
use crate::metrics::site::Site;

fn plot(site: &Site, args: &str) -> Program {
    program("ocp-metrics")
        .dir(site.dir.path())
        .args(["plot"])
        .args(args.split_whitespace())
}

fn rows(site: &Site) {
    site.run("realtime dialogs --by channel --from -8h -o rt.ndjson", 0);
    site.run("batch dialogs --from -2d -o day.ndjson", 0);
}

#[test]
fn the_rows_of_a_run_are_drawn_in_every_form() {
    let site = Site::new();
    rows(&site);
    let args = "--metric dialogs_completed --width 80 rt.ndjson";
    let text = plot(&site, args).run().ends(0).stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("to 2026-11-05T16:05:00Z. A column is "),
        "{text}"
    );
    for (line, channel) in lines[lines.len() - 2..].iter().zip(["chat", "omIVR"]) {
        assert!(
            line.starts_with(&format!("dialogs_completed channel={channel} ")),
            "{text}"
        );
        // What is younger than the settling time may still grow; the rest may not.
        let last = line.rfind(['▂', '▃', '▄', '▅', '▆', '▇', '█']).unwrap();
        assert!(line[last..].contains(['⡀', '⡄', '⡆', '⡇']), "{text}");
        assert!(!line[..last].contains(['⡀', '⡄', '⡆', '⡇']), "{text}");
        assert!(line.chars().count() <= 80, "{text}");
    }
    let narrow = args.replace("--width 80", "");
    let narrow = plot(&site, &narrow).env("COLUMNS", "40").run().ends(0);
    for line in narrow.lines() {
        assert!(line.chars().count() <= 40, "{line}");
    }
    let page = plot(&site, "--format html rt.ndjson day.ndjson -o plot.html");
    page.run().ends(0);
    let page = fs::read_to_string(site.path("plot.html")).unwrap();
    assert!(page.contains("dialogs_completed channel=chat") && page.contains("stroke-width=\"2\""));
    let picture = plot(&site, "--format svg --metric dialogs day.ndjson")
        .run()
        .ends(0)
        .stdout();
    assert!(
        picture.starts_with("<svg ") && picture.ends_with("</svg>\n"),
        "{picture}"
    );
    assert!(picture.contains("by hour, min "), "{picture}");
}

#[test]
fn a_pipe_is_read_and_nothing_to_draw_is_said() {
    let site = Site::new();
    rows(&site);
    let rows = fs::read(site.path("day.ndjson")).unwrap();
    let piped = plot(&site, "--filter group=acme")
        .stdin(rows.clone())
        .run()
        .ends(0);
    assert!(piped.stdout().contains("\ndialogs "), "{}", piped.stdout());
    let none = plot(&site, "--metric dialog --skip-code 99")
        .stdin(rows)
        .run()
        .ends(99);
    assert_eq!(none.stdout(), "");
    assert!(
        none.stderr().contains(" rows matches the filters"),
        "{}",
        none.stderr()
    );
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let site = Site::new();
    rows(&site);
    let many = plot(&site, "--max-series 1 rt.ndjson")
        .run()
        .ends(2)
        .stderr();
    assert!(
        many.contains("series are more than --max-series 1")
            && many.contains("dialogs_completed 2"),
        "{many}"
    );
    let no_row = plot(&site, "")
        .stdin("{\"metric\":\"dialogs\"}\n")
        .run()
        .ends(65)
        .stderr();
    assert!(
        no_row.contains("stdin:1: not a row of ocp-metrics: missing field"),
        "{no_row}"
    );
    let no_file = plot(&site, "day.ndjson absent.ndjson")
        .run()
        .ends(74)
        .stderr();
    assert!(no_file.contains("opening absent.ndjson"), "{no_file}");
    plot(&site, "--from monday day.ndjson").run().ends(2);
}
