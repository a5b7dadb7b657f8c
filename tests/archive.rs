//! Archives that are damaged, hostile or huge, through unzip-jsonl and through
//! the check that export-fetch makes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use callpipe::error::Status;
use callpipe::format::zip::{Summary, ZipLimits, verify};
use proptest::prelude::*;

use crate::harness::{memory, program, scratch};
use crate::unzip::unzip;
use crate::zips::{Member, zip};

fn good(n: u32) -> Member {
    Member::new(&format!("{n}.json"), format!("{{\"n\":{n}}}\n"))
}

type Listed = (String, u32, u64);

/// What `verify` says of these bytes: the members, or the status and the words.
fn verified(bytes: &[u8]) -> Result<Vec<Listed>, (Status, String)> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut members = Vec::new();
    let each = |m: &callpipe::format::zip::Member| members.push((m.name.clone(), m.crc32, m.size));
    match verify(&file, &ZipLimits::default(), each) {
        Ok(summary) => {
            let bytes = members.iter().map(|(_, _, size)| size).sum();
            let seen = Summary {
                members: members.len() as u64,
                bytes,
            };
            assert_eq!(summary, seen);
            Ok(members)
        }
        Err(e) => Err((Status::of(&e), format!("{e:#}"))),
    }
}

#[track_caller]
fn is_refused(bytes: &[u8], words: &str) {
    let (status, text) = verified(bytes).unwrap_err();
    assert_eq!((status, text.as_str()), (Status::BadInput, words));
}

/// The rest passes, the member is named, the status is 65; and `verify` agrees.
#[track_caller]
fn only_it_is_refused(member: Member, words: &str) {
    let dir = scratch();
    let bytes = zip(&[good(1), member, good(3)]);
    fs::write(dir.path().join("x.zip"), &bytes).unwrap();
    let end = "unzip-jsonl: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n";
    unzip(dir.path(), &[]).arg("x.zip").run().check(
        65,
        "{\"n\":1}\n{\"n\":3}\n",
        &format!("unzip-jsonl: x.zip:bad.json: {words}\n{end}"),
    );
    is_refused(&bytes, &format!("member bad.json: {words}"));
}

fn bad() -> Member {
    Member::new("bad.json", "{\"bad\":0}\n")
}

#[test]
fn a_member_that_cannot_be_inflated_ends_only_itself() {
    only_it_is_refused(bad().encrypted(), "encrypted, which is not supported");
    for (method, name) in [(12, "bzip2"), (14, "lzma"), (93, "zstd"), (9, "deflate64")] {
        let words = format!(
            "compression method {method} ({name}) is not supported, only stored and deflate are"
        );
        only_it_is_refused(bad().method(method), &words);
    }
    only_it_is_refused(
        bad().crc(0xdead_beef),
        "its checksum is 17f67e73, the directory says deadbeef",
    );
    only_it_is_refused(bad().cut(5), "its compressed data are cut off");
    only_it_is_refused(
        Member::stored("bad.json", "\u{7}\u{7}{}").method(8),
        "its compressed data are damaged",
    );
}

#[test]
fn a_size_that_the_directory_denies_is_not_believed() {
    only_it_is_refused(
        bad().size(9),
        "it holds more than the 9 bytes that the directory says",
    );
    only_it_is_refused(bad().size(11), "it holds 10 bytes, the directory says 11");
    let stored = || Member::stored("bad.json", "{\"bad\":0}\n");
    only_it_is_refused(stored().size(9), "it holds 10 bytes, the directory says 9");
    only_it_is_refused(
        stored().size(11),
        "it holds 10 bytes, the directory says 11",
    );
}

#[test]
fn a_member_has_one_name_and_bytes_of_its_own() {
    only_it_is_refused(
        bad().local_name("other.json"),
        "its own header has the name other.json",
    );
    only_it_is_refused(
        bad().local_name("1.json").at(0),
        "its own header has the name 1.json",
    );
    only_it_is_refused(bad().at(7), "there is no member where the directory says");
    only_it_is_refused(
        bad().at(u32::MAX - 1),
        "there is no member where the directory says",
    );
    for size in [11, u32::MAX - 1] {
        let last = Member::stored("bad.json", "{\"bad\":0}\n").compressed_size(size);
        is_refused(
            &zip(&[good(1), last]),
            "member bad.json: its data reach beyond the members' part of the file",
        );
    }
    let twice = zip(&[good(1), good(1).at(0)]);
    is_refused(&twice, "member 1.json: its data overlap another member's");
}

#[test]
fn a_large_damaged_member_says_how_many_lines_have_left() {
    let dir = scratch();
    let line = "{\"a\":\"0123456789012345678901234567890123456789\"}\n";
    let lines = 200_000;
    let large = Member::new("bad.json", line.repeat(lines)).crc(1);
    fs::write(dir.path().join("x.zip"), zip(&[large, good(2)])).unwrap();
    let ran = unzip(dir.path(), &[]).arg("x.zip").run().ends(65);
    let left = ran.lines().len() - 1;
    assert_eq!(
        ran.stderr(),
        format!(
            "unzip-jsonl: x.zip:bad.json: its checksum is 80bb997d, the directory says 00000001; \
             {left} of its lines were printed before\n\
             unzip-jsonl: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n"
        )
    );
    assert_eq!(ran.stdout(), line.repeat(left) + "{\"n\":2}\n");
}

#[test]
fn what_is_no_sound_zip_is_named_and_the_others_are_read() {
    let dir = scratch();
    let whole = zip(&[good(1)]);
    let mut gzip = b"\x1f\x8b\x08".to_vec();
    gzip.resize(100, 7);
    for (name, bytes) in [
        ("cut.zip", &whole[..whole.len() - 30]),
        ("empty.zip", b""),
        ("page.zip", b"<html>Sign in</html>"),
        ("x.gz", &gzip),
        ("good.zip", &whole),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let names = ["cut.zip", "empty.zip", "page.zip", "x.gz", "good.zip"];
    unzip(dir.path(), &[]).args(names).run().check(
        65,
        "{\"n\":1}\n",
        "unzip-jsonl: cut.zip: cut off: it begins as a ZIP and has no valid directory at its end\n\
         unzip-jsonl: empty.zip: empty, not a ZIP\n\
         unzip-jsonl: page.zip: not a ZIP\n\
         unzip-jsonl: x.gz: not a ZIP\n\
         unzip-jsonl: 4 bad records, 0 allowed (--max-bad); --rejects FILE keeps them\n",
    );
    unzip(dir.path(), &[])
        .args([".", "none.zip", "good.zip"])
        .run()
        .check(
            74,
            "{\"n\":1}\n",
            "unzip-jsonl: .: is a directory\n\
         unzip-jsonl: none.zip: No such file or directory (os error 2)\n\
         unzip-jsonl: 2 of 3 ZIPs could not be read\n",
        );
}

fn read(dir: &Path, bytes: &[u8]) -> (i32, String, String) {
    let files = [("x.zip", bytes.to_vec())];
    let ran = unzip(dir, &files).arg("x.zip").run();
    (ran.status(), ran.stdout(), ran.stderr())
}

#[test]
fn members_that_no_directory_lists_are_missed() {
    let dir = scratch();
    let two = [zip(&[good(1)]), zip(&[good(2)])].concat();
    let (status, stdout, stderr) = read(dir.path(), &two);
    assert_eq!((status, stdout.as_str()), (65, "{\"n\":2}\n"));
    assert!(stderr.contains("two ZIPs in one file?"), "{stderr}");

    // As a writer does that counts members in 16 bits.
    for declared in [0_u8, 1] {
        let mut miscounted = zip(&[good(1), good(2)]);
        let end = miscounted.len() - 22;
        miscounted[end + 8] = declared;
        miscounted[end + 10] = declared;
        let (status, _, stderr) = read(dir.path(), &miscounted);
        assert_eq!(status, 65, "{stderr}");
        assert_eq!(verified(&miscounted).unwrap_err().0, Status::BadInput);
    }
}

#[test]
fn bytes_around_an_archive_are_overlooked_but_never_verified() {
    let dir = scratch();
    let whole = zip(&[good(1)]);
    for bytes in [
        [b"#!/bin/sh\n".to_vec(), whole.clone()].concat(),
        [whole.clone(), vec![0; 100]].concat(),
    ] {
        let (status, stdout, _) = read(dir.path(), &bytes);
        assert_eq!((status, stdout.as_str()), (0, "{\"n\":1}\n"));
        assert_eq!(verified(&bytes).unwrap_err().0, Status::BadInput);
    }
    is_refused(&[whole, vec![0; 100]].concat(), "100 bytes follow its end");
    assert_eq!(verified(&zip(&[])).unwrap(), []);
}

#[test]
fn limits_refuse_by_their_flag() {
    let dir = scratch();
    let silence = Member::stored("zero.json", format!("{{{}}}", " ".repeat(11 << 20)));
    let bomb = Member::new("zero.json", format!("{{{}}}", " ".repeat(11 << 20)));
    fs::write(dir.path().join("x.zip"), zip(&[bomb, good(2)])).unwrap();
    fs::write(dir.path().join("stored.zip"), zip(&[silence])).unwrap();
    for (flag, value, words) in [
        (
            "--max-ratio",
            "100",
            "zero.json: 11534338 bytes from [..], over --max-ratio 100",
        ),
        (
            "--max-member-size",
            "11M",
            "zero.json: 11534338 bytes when inflated, over --max-member-size 11M",
        ),
        (
            "--max-zip-size",
            "1024",
            "zero.json: with it the ZIP holds 11534338 bytes when inflated, over --max-zip-size 1K",
        ),
    ] {
        let end = "unzip-jsonl: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n";
        let run = unzip(dir.path(), &[]).args([flag, value, "x.zip"]).run();
        run.check(
            65,
            "{\"n\":2}\n",
            &format!("unzip-jsonl: x.zip:{words}\n{end}"),
        );
    }
    unzip(dir.path(), &[])
        .args(["--max-members", "1", "x.zip"])
        .run()
        .check(
            65,
            "",
            "unzip-jsonl: x.zip: 2 members, over --max-members 1\n[..]\n",
        );
    let ran = unzip(dir.path(), &[])
        .args(["--max-ratio=1", "stored.zip"])
        .run();
    assert_eq!(ran.ends(0).stderr(), "");
    program("unzip-jsonl").arg("--max-member-size=1X").fails(
        2,
        "unzip-jsonl: invalid value '1X' for '--max-member-size <SIZE>': not a size such as [..]\n\n[..]\n",
    );
}

/// For any number and order of members, and with a member of 32 MiB.
#[test]
fn memory_does_not_grow_with_the_archive() {
    let dir = scratch();
    let line = format!("{{\"a\":\"{}\"}}\n", "0123456789".repeat(100));
    let big = line.repeat(33_000);
    fs::write(dir.path().join("big.zip"), zip(&[Member::new("m", &*big)])).unwrap();
    let make = "
import random, sys, zipfile
with zipfile.ZipFile('many.zip', 'w') as z:
    for i in range(70_000): z.writestr(f'exports/date=2025-11-13-05/{i:010}.json', '{}\\n')
    random.Random(1).shuffle(z.filelist)
";
    let python = program("python3").dir(dir.path());
    python.args(["-I", "-S", "-c", make]).run().ends(0);
    for (threads, mib) in [("--threads=1", 16), ("--threads=2", 24)] {
        let mut child = unzip(dir.path(), &[])
            .args([threads, "many.zip", "big.zip"])
            .spawn();
        let (seen, peak) = memory::read(&mut child, 70_000 * 3 + big.len());
        assert!(seen.ends_with(big.as_bytes()));
        assert!(peak <= mib << 10, "{threads}: {peak} KiB");
    }
}

fn sample() -> Vec<u8> {
    zip(&[
        good(1),
        Member::stored("dir/", ""),
        Member::stored("stored.json", "{\"s\":1}"),
        good(2).descriptor(),
        good(2),
    ])
}

#[test]
fn verify_lists_every_member_even_of_one_name() {
    let seen = verified(&sample()).unwrap();
    let names: Vec<_> = seen.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["1.json", "stored.json", "2.json", "2.json"]);
    assert_eq!(
        seen[2],
        ("2.json".to_owned(), crc32fast::hash(b"{\"n\":2}\n"), 8)
    );
    assert_eq!(seen[2], seen[3]);
}

#[test]
fn a_zip_that_is_cut_anywhere_is_never_verified() {
    let whole = sample();
    for length in 0..whole.len() {
        let (status, text) = verified(&whole[..length]).unwrap_err();
        assert_eq!(status, Status::BadInput, "at {length}: {text}");
    }
}

#[test]
fn a_cut_zip_that_ends_in_another_is_not_taken_for_it() {
    let inner = zip(&[good(1)]);
    let outer = zip(&[good(7), Member::stored("inner.zip", &inner)]);
    let cut = outer.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let cut = outer[..cut]
        .windows(4)
        .rposition(|w| w == b"PK\x05\x06")
        .unwrap()
        + 22;
    assert_eq!(verified(&outer[..cut]).unwrap_err().0, Status::BadInput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_flipped_byte_changes_what_is_verified(at in 0_usize..600, flip in 1_u8..) {
        let whole = sample();
        let mut bytes = whole.clone();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        match verified(&bytes) {
            Ok(seen) => prop_assert_eq!(seen, verified(&whole).unwrap()),
            Err((status, text)) => prop_assert_eq!(status, Status::BadInput, "{}", text),
        }
    }
}

#[test]
fn a_directory_is_no_file_to_verify() {
    let e = verify(&File::open("/").unwrap(), &ZipLimits::default(), |_| ()).unwrap_err();
    assert_eq!(Status::of(&e), Status::Io, "{e:#}");
}
