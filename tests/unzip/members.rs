//! Lines of members, in their order, as they are in the ZIP.

use std::fs;

use proptest::prelude::*;

use super::{unzip, unzip_shell};
use crate::harness::{scratch, shell};
use crate::zips::{Member, zip};

#[test]
fn members_leave_in_order_and_only_a_missing_newline_is_added() {
    let dir = scratch();
    let members = [
        Member::stored("exports/_/", ""),
        Member::new("z/no-newline.json", "{\"a\":1}\n{\"a\":2}"),
        Member::new("crlf.json", "{\"a\":3}\r\n{\"a\":4}\r\n"),
        Member::new("bom.json", "\u{feff}{\"a\":5}\n"),
        Member::new("blank.json", "\n {\"a\":6} \n\n\n{\"a\":7}\n  "),
        Member::new("empty.json", ""),
        Member::new("no-directory/", "{\"d\":1}\n"),
        Member::stored("stored.json", "{\"a\":8}\n"),
        Member::new("descriptor.json", "{\"a\":9}\n").descriptor(),
        Member::new("../../ελ.json", "{\"a\":\"ελ\"}"),
    ];
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .arg("x.zip")
        .run()
        .ends(0);
    let expected = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\r\n{\"a\":4}\r\n{\"a\":5}\n\
        \n {\"a\":6} \n\n\n{\"a\":7}\n  \n{\"d\":1}\n{\"a\":8}\n{\"a\":9}\n{\"a\":\"ελ\"}\n";
    assert_eq!(ran.stdout(), expected);
    assert_eq!(ran.stderr(), "");
}

#[test]
fn a_byte_order_mark_does_not_leave_and_is_counted() {
    let dir = scratch();
    let members = [
        Member::new("a.json", "\u{feff}{\"a\":1}\n{\"a\":2}\n\u{feff}{\"a\":3}"),
        Member::new("b.json", "\u{feff}"),
        Member::new("c.json", "\u{feff}\n\u{feff}{\"a\":4}\nbad\n"),
    ];
    let files = [("x.zip", zip(&members))];
    let args = [
        "--report=report",
        "--rejects=bad",
        "--max-bad=1",
        "-q",
        "x.zip",
    ];
    unzip(dir.path(), &files)
        .args(args)
        .prints("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n\n{\"a\":4}\n");
    let report = fs::read_to_string(dir.path().join("report")).unwrap();
    assert!(report.contains("\"boms\":5,"), "{report}");
    let bad = fs::read_to_string(dir.path().join("bad")).unwrap();
    assert!(bad.contains("\"line\":3,\"offset\":15,"), "{bad}");
}

#[test]
fn members_of_one_name_are_all_printed() {
    let dir = scratch();
    let members = [1, 2].map(|n| Member::new("same.json", format!("{{\"n\":{n}}}\n")));
    unzip(dir.path(), &[("x.zip", zip(&members))])
        .arg("x.zip")
        .prints("{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn what_other_writers_make_is_read() {
    let script = "
import struct, sys, zipfile, zlib
unicode_path = struct.pack('<HHBI', 0x7075, 5 + 7, 1, zlib.crc32(b'd_.json')) + 'é.json'.encode()
with zipfile.ZipFile(sys.stdout.buffer, 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('a.json', b'{\"a\":1}\\n')
    for name in ['b.json', 'c.json']:
        with z.open(name, 'w', force_zip64=True) as f: f.write(b'{\"b\":1}')
    renamed = zipfile.ZipInfo('d_.json')
    renamed.extra = unicode_path
    z.writestr(renamed, b'{\"d\":1}\\n')
";
    let dir = scratch();
    fs::write(dir.path().join("make.py"), script).unwrap();
    shell("python3 make.py >x.zip").dir(dir.path()).prints("");
    unzip_shell(
        dir.path(),
        "unzip-jsonl <x.zip
         cat x.zip | unzip-jsonl --with-source --member 'é.json'",
    )
    .prints(
        "{\"a\":1}\n{\"b\":1}\n{\"b\":1}\n{\"d\":1}\n\
         {\"source\":\"stdin\",\"member\":\"é.json\",\"line\":1,\"record\":{\"d\":1}}\n",
    );
}

#[test]
fn member_takes_those_that_match_across_directories() {
    let dir = scratch();
    let members = ["x/dialog_end/1.json", "x/dialog_step/2.json", "audit.json"]
        .map(|name| Member::new(name, format!("{{\"m\":\"{name}\"}}")));
    let files = [("x.zip", zip(&members))];
    unzip(dir.path(), &files)
        .args([
            "--member",
            "*dialog_end*",
            "--member",
            "a?dit.json",
            "x.zip",
        ])
        .prints("{\"m\":\"x/dialog_end/1.json\"}\n{\"m\":\"audit.json\"}\n");
    unzip(dir.path(), &files)
        .args(["--member", "*.csv", "--skip-code", "99", "x.zip"])
        .fails(99, "unzip-jsonl: --member *.csv: no member matches\n");
    unzip(dir.path(), &files)
        .args(["--member", "[", "x.zip"])
        .fails(
            2,
            "unzip-jsonl: invalid value '[' for '--member <GLOB>': [..]\n\n\
         For more information, try '--help'.\n",
        );
    unzip(dir.path(), &files)
        .args(["--member", "{audit,x*}.json", "x.zip"])
        .fails(
            2,
            "unzip-jsonl: invalid value '{audit,x*}.json' for '--member <GLOB>': braces have no \
             meaning in a glob: repeat --member, or write [{]\n\n\
             For more information, try '--help'.\n",
        );
}

#[test]
fn with_source_wraps_each_record_with_its_place() {
    let dir = scratch();
    let members = [Member::new(
        "d/\"q\".json",
        "\u{feff}{\"a\":1.10}\r\n\n {\"a\":2}",
    )];
    let ran = unzip(dir.path(), &[("x.zip", zip(&members))])
        .args(["--with-source", "x.zip"])
        .run()
        .ends(0);
    let place = r#"{"source":"x.zip","member":"d/\"q\".json","line":"#;
    assert_eq!(
        ran.stdout(),
        format!("{place}1,\"record\":{{\"a\":1.10}}}}\n{place}3,\"record\":{{\"a\":2}}}}\n")
    );
    assert_eq!(ran.stderr(), "");
}

#[test]
fn with_source_says_where_a_zip_of_an_export_ends() {
    let dir = scratch();
    let record = [Member::new("a.json", "{\"a\":1}\n{\"a\":2}\n")];
    let recording = [Member::new("b.wav", "RIFF")];
    let mut damaged = zip(&record);
    let at = damaged
        .windows(6)
        .position(|name| name == b"a.json")
        .unwrap()
        + 8;
    damaged[at] ^= 0xff;
    let files = [
        ("1.zip", zip(&record)),
        ("2.zip", zip(&[])),
        ("3.zip", zip(&recording)),
        ("4.zip", damaged),
    ];
    const EXPORT: &str = r#""group":"g","types":["t"],"from":"2026-11-01T00:00:00Z","to":"2026-11-01T01:00:00Z","export_id":"e""#;
    let named = |n: u8| {
        format!("{{{EXPORT},\"page_number\":{n},\"pages\":4,\"path\":\"{n}.zip\",\"mine\":1}}\n")
    };
    let end = |n: u8, records: u8| {
        format!(
            "{{\"source\":\"{n}.zip\",\"records\":{records},\"export\":{{{EXPORT},\"page_number\":{n},\"pages\":4}}}}"
        )
    };
    let ends = |input: &str, more: &[&str]| -> Vec<String> {
        let ran = unzip(dir.path(), &files).args(more).stdin(input).run();
        let lines = ran.stdout();
        let lines = lines.lines().filter(|line| line.contains("\"export\":"));
        lines.map(str::to_owned).collect()
    };
    let all: String = (1..=4).map(named).collect();
    for threads in ["1", "3"] {
        let more = ["--with-source", "--threads", threads];
        // A recording that was skipped, and what is damaged, are not all of their ZIPs.
        assert_eq!(ends(&all, &more), [end(1, 2), end(2, 0)]);
        let more = [&more[..], &["--wav-dir", "w"]].concat();
        assert_eq!(ends(&all, &more), [end(1, 2), end(2, 0), end(3, 0)]);
    }
    // Nor are ZIPs of which --member chose a part. Files of a lake have lines of their own.
    for more in [
        &["--with-source", "--member", "*"][..],
        &["--with-source", "--layout", "duckdb", "--out-dir", "lake"],
        &[],
    ] {
        assert_eq!(ends(&named(1), more), [""; 0], "{more:?}");
    }
    let of_none = format!("{{{EXPORT},\"pages\":0}}");
    assert_eq!(
        ends(&of_none, &["--with-source"]),
        [format!(
            "{{\"source\":null,\"records\":0,\"export\":{of_none}}}"
        )]
    );
    unzip(dir.path(), &files).stdin(&of_none).prints("");
    // A ZIP of which only the path is known, and one without a line.
    unzip(dir.path(), &files)
        .args(["--with-source"])
        .stdin("{\"path\":\"2.zip\"}\n")
        .prints("");
    unzip(dir.path(), &files)
        .args(["--with-source", "2.zip"])
        .prints("");
}

#[test]
fn a_line_may_be_longer_than_any_buffer() {
    let dir = scratch();
    let long = format!("{{\"a\":\"{}\"}}", "é".repeat(10 << 20));
    let text = format!("{{\"first\":1}}\n{long}\n{{\"last\":1}}");
    let ran = unzip(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", &text)]))],
    )
    .arg("x.zip")
    .run()
    .ends(0);
    assert!(ran.stdout() == text + "\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_record_comes_out_once(
        members in prop::collection::vec(("[a-z.~/]{1,12}", prop::collection::vec("\\{[a-z\u{e9}]{0,40}\\}", 0..6), any::<bool>()), 0..8),
    ) {
        let dir = scratch();
        let mut expected = String::new();
        let members: Vec<Member> = members
            .into_iter()
            .map(|(name, lines, ends)| {
                let mut text = lines.join("\n");
                expected += &text;
                if !text.is_empty() {
                    expected.push('\n');
                    text += if ends { "\n" } else { "" };
                }
                Member::new(&format!("{name}.json"), text)
            })
            .collect();
        let ran = unzip(dir.path(), &[("x.zip", zip(&members))]).arg("x.zip").run().ends(0);
        prop_assert_eq!(ran.stdout(), expected);
        prop_assert_eq!(ran.stderr(), "");
    }
}
