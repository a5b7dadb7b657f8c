//! The rules of ARCHITECTURE.md, read from the sources: what a room may import,
//! who owns the clock, the disk and each outside crate, and where a flow passes.

mod proof;
mod rules;
mod source;
mod syntax;
mod tokens;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::iter;
use std::path::Path;
use std::sync::OnceLock;

use rules::{Effect, Violation};
use tree::{Tree, rust_files};

/// The rooms, top to bottom. A room imports only rooms in rows below its own.
const ROWS: &[&[&str]] = &[
    &["programs"],
    &["unzip", "receive"],
    &["lake"],
    &["ocp", "voicegain", "dialpad", "filter"],
    &["cdr"],
    &["export", "schema"],
    &["cli"],
    &["bucket"],
    &["net"],
    &["os", "format"],
    &["error", "time", "json"],
];

/// What only its owners do; everybody else gets it as a parameter.
const EFFECTS: &[Effect] = &[
    Effect {
        name: "the clock is a parameter",
        signs: &[
            "std::time::Instant::now",
            "std::time::SystemTime",
            "std::time::UNIX_EPOCH",
            "chrono::Utc::now",
            "chrono::Local",
        ],
        owners: &["lib/os/clock.rs", "lib/os/signals.rs", "lib/time/"],
    },
    Effect {
        name: "programs pass the wall clock on",
        signs: &["crate::time::Timestamp::now"],
        owners: &["lib/os/", "lib/cli/run.rs", "lib/programs/"],
    },
    Effect {
        name: "only os sleeps, so that a signal ends the wait",
        signs: &["std::thread::sleep", "std::thread::park_timeout"],
        owners: &["lib/os/"],
    },
    Effect {
        name: "environment and temporary directory are parameters",
        signs: &[
            "std::env::var",
            "std::env::var_os",
            "std::env::vars",
            "std::env::vars_os",
            "std::env::args",
            "std::env::args_os",
            "std::env::temp_dir",
            "tempfile::tempdir",
            "tempfile::tempfile",
            "tempfile::spooled_tempfile",
            "tempfile::NamedTempFile::new",
            "tempfile::SpooledTempFile::new",
            "std::env::current_dir",
            "std::env::set_current_dir",
        ],
        owners: &["lib/cli/run.rs"],
    },
    Effect {
        name: "only os writes to the disk",
        signs: &[
            "std::fs::write",
            "std::fs::copy",
            "std::fs::rename",
            "std::fs::hard_link",
            "std::fs::create_dir",
            "std::fs::create_dir_all",
            "std::fs::remove_file",
            "std::fs::remove_dir",
            "std::fs::remove_dir_all",
            "std::fs::set_permissions",
            "std::fs::DirBuilder::new",
            "std::fs::OpenOptions::new",
            "std::fs::File::create",
            "std::fs::File::create_new",
            "std::fs::File::options",
            ".sync_all",
            ".sync_data",
            ".persist",
            ".persist_noclobber",
            ".set_len",
            ".set_permissions",
        ],
        owners: &["lib/os/"],
    },
];

/// What a file does all the same: file, what, why.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "lib/filter/expr/library/time.rs",
    "chrono::Local",
    "jq's localtime is the zone of the machine; the time itself comes in",
)];

/// Types of one name, where the module makes plain at the call which is meant.
const SAME_NAMES: &[(&str, &str)] = &[("Args", "clap's arguments of one program or subcommand")];

/// Who names an outside crate: a file, a room, or `*` for all.
const CRATES: &[(&str, &[&str])] = &[
    ("anyhow", &["*"]),
    ("clap", &["*"]),
    ("log", &["*"]),
    ("serde", &["*"]),
    ("serde_json", &["*"]),
    (
        "base64",
        &[
            "lib/bucket/dialect.rs",
            "lib/export/rejects.rs",
            "lib/filter/expr/library/format.rs",
            "lib/net/http.rs",
            "lib/net/proxy.rs",
            "lib/ocp/claims.rs",
            "lib/receive/access/",
        ],
    ),
    ("bytes", &["lib/receive/"]),
    ("chrono", &["lib/time/", "lib/filter/expr/library/time.rs"]),
    ("clap_complete", &["lib/cli/args.rs"]),
    ("clap_mangen", &["lib/cli/args.rs"]),
    ("crc32fast", &["lib/format/zip/", "lib/os/checked_line.rs"]),
    ("csv", &["lib/format/csv.rs"]),
    ("csv_core", &["lib/format/csv.rs"]),
    ("flate2", &["lib/format/zip/", "lib/format/gzip.rs"]),
    ("glob", &["lib/unzip/"]),
    ("hifijson", &["lib/filter/expr/"]),
    ("http_body_util", &["lib/receive/server/"]),
    ("hyper", &["lib/receive/server/"]),
    ("hyper_util", &["lib/receive/server/"]),
    ("ipnet", &["lib/receive/access/"]),
    ("jsonwebtoken", &["lib/receive/access/"]),
    ("listenfd", &["lib/os/sockets.rs"]),
    ("md5", &["lib/os/digest.rs"]),
    ("ring", &["lib/os/digest.rs", "lib/receive/access/"]),
    ("tokio", &["lib/receive/server/"]),
    (
        "tokio_rustls",
        &["lib/receive/server/", "lib/programs/ocp_receive/"],
    ),
    // Named in Cargo.toml for its version alone.
    ("idna_adapter", &[]),
    ("indicatif", &["lib/cli/progress_line.rs"]),
    ("jaq_core", &["lib/filter/expr/"]),
    ("jaq_json", &["lib/filter/expr/"]),
    ("jaq_std", &["lib/filter/expr/"]),
    ("jiff", &["lib/bucket/signing.rs", "lib/time/zone.rs"]),
    ("jsonl", &["lib/json/lines.rs"]),
    (
        "memchr",
        &[
            "lib/json/",
            "lib/os/",
            "lib/dialpad/",
            "lib/filter/",
            "lib/unzip/",
        ],
    ),
    ("onig", &["lib/filter/expr/library/regex.rs"]),
    ("mimalloc", &["bins/callpipe.rs", "bins/cdr-filter.rs"]),
    (
        "percent_encoding",
        &[
            "lib/bucket/signing.rs",
            "lib/net/proxy.rs",
            "lib/ocp/profile/request.rs",
        ],
    ),
    (
        "plotters",
        &[
            "lib/ocp/metrics/plot/picture.rs",
            "lib/ocp/metrics/plot/picture/",
        ],
    ),
    ("rusqlite", &["lib/receive/store/"]),
    ("rusty_s3", &["lib/bucket/"]),
    ("rustls", &["lib/net/failure.rs"]),
    ("rustix", &["lib/os/", "lib/cli/"]),
    ("safe_arch", &["lib/json/fields/skipper.rs"]),
    ("sha2", &["lib/os/digest.rs"]),
    ("signal_hook", &["lib/os/"]),
    ("simdutf8", &["lib/unzip/", "lib/filter/"]),
    ("tempfile", &["lib/os/", "lib/cli/output.rs"]),
    ("strsim", &["lib/ocp/profile/file.rs"]),
    (
        "toml",
        &[
            "lib/ocp/profile/",
            "lib/ocp/subscriptions/wanted.rs",
            "lib/receive/access/",
        ],
    ),
    ("ureq", &["lib/net/"]),
    (
        "url",
        &["lib/net/", "lib/os/redaction.rs", "lib/receive/access/"],
    ),
    ("wide", &["lib/json/fields/skipper.rs"]),
    ("zip", &["lib/format/zip/"]),
    ("zstd", &["lib/format/zstandard.rs"]),
];

const PAGE: &str = include_str!("../ARCHITECTURE.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::read(root()))
}

/// The Rust files of `directories` but those of other packages: name and text.
fn read(directories: &[&str]) -> Vec<(String, String)> {
    let files = directories
        .iter()
        .flat_map(|name| rust_files(&root().join(name)));
    files
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap();
            (
                name.to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

/// Fails with one line for each place that breaks the rule.
#[track_caller]
fn none(rule: &str, found: &[Violation]) {
    let lines: Vec<String> = found.iter().map(|one| format!("{rule} {one}")).collect();
    assert!(
        lines.is_empty(),
        "{} break a rule:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    none("direction", &rules::direction(tree(), ROWS));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    none("circle", &rules::circles(tree()));
}

#[test]
fn clock_environment_and_disk_are_touched_by_their_owners_alone() {
    none("effect", &rules::effects(tree(), EFFECTS, ALLOWED));
}

#[test]
fn an_outside_crate_has_one_owner() {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let of_processors = manifest["target"].as_table().unwrap().values();
    let dependencies = iter::once(&manifest["dependencies"])
        .chain(of_processors.map(|target| &target["dependencies"]))
        .flat_map(|table| table.as_table().unwrap().keys())
        .map(|name| name.replace('-', "_"))
        .collect();
    none("crate", &rules::crates(tree(), &dependencies, CRATES));
}

#[test]
fn what_is_public_is_used_outside_of_its_room() {
    // The other tests run the programs.
    let outside: BTreeSet<String> = read(&["tests", "bins", "scripts"])
        .iter()
        .filter(|(file, text)| !file.contains("architecture") && text.contains("callpipe::"))
        .flat_map(|(_, text)| tokens::all(text))
        .filter(tokens::Token::is_word)
        .map(|token| token.text)
        .collect();
    none("public", &rules::unused(tree(), &outside));
}

#[test]
fn a_type_name_means_one_thing() {
    none("name", &rules::names(tree(), SAME_NAMES));
}

#[test]
fn programs_are_one_expression_and_modules_are_spelled_one_way() {
    none("shape", &rules::shape(&read(&["bins", "lib", "tests"])));
}

#[test]
fn the_page_draws_the_rows_that_are_checked() {
    let rooms = section(PAGE, "## Rooms");
    let drawn: Vec<Vec<&str>> = rows(rooms)
        .map(|row| quoted(row[0]).map(|room| room.trim_end_matches(".rs").trim_end_matches('/')))
        .map(Iterator::collect)
        .collect();
    assert_eq!(drawn, ROWS);
}

#[test]
fn each_flow_passes_few_files_and_none_twice() {
    let flows = section(PAGE, "## Flows");
    let mut wrong = Vec::new();
    let mut count = 0;
    for flow in flows.split("\n### ").skip(1) {
        let title = flow.lines().next().unwrap();
        let files: Vec<String> = rows(flow)
            .map(|row| quoted(row[0]).next().unwrap().to_owned())
            .collect();
        assert!(files.len() > 3, "{title}: {files:?}");
        wrong.extend(rules::flow(tree(), title, &files));
        count += 1;
    }
    assert_eq!(count, 3);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut pages = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap();
    pages.extend(docs.map(|entry| entry.unwrap().path()));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for path in quoted(&text) {
            let known = ["lib/", "bins/", "tests/", "scripts/", "docs/"];
            let is_path = known.iter().any(|start| path.starts_with(start));
            if is_path && !path.contains([' ', '*', '<']) {
                assert!(root().join(path).exists(), "{}: {path}", page.display());
            }
        }
    }
}

/// From a heading to the next of its level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("{heading}\n")).expect(heading);
    let body = &page[start + heading.len()..];
    &body[..body.find("\n## ").unwrap_or(body.len())]
}

/// The cells of a table's rows, without its head.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    lines
        .skip_while(|line| !line.starts_with("|--"))
        .skip(1)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// What stands in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
