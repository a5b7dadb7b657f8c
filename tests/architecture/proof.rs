//! Each rule finds what breaks it, in sources made for that.

use std::collections::BTreeSet;

use super::rules::{self, Effect, Violation};
use super::tree::Tree;

fn shown(found: &[Violation]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn an_import_of_a_room_above_or_beside_is_found() {
    let tree = Tree::of(&[
        (
            "lib/lib.rs",
            "pub mod top; pub mod left; pub mod right; mod new;",
        ),
        ("lib/top.rs", "use crate::left::x; // crate::none\n"),
        (
            "lib/left.rs",
            "pub fn x() {\n    crate::right::y() }\n#[cfg(test)] mod tests { use crate::top; }",
        ),
        ("lib/right.rs", "pub mod z; pub fn y() {}"),
        (
            "lib/right/z.rs",
            "use super::super::top as t;\nfn a() { t::b(); super::y() }",
        ),
        ("lib/new.rs", ""),
    ]);
    let rows: &[&[&str]] = &[&["top"], &["left", "right"]];
    assert_eq!(
        shown(&rules::direction(&tree, rows)),
        [
            "lib/left.rs:2: left is not above right: right::y",
            "lib/right/z.rs:1: right is not above top: top",
            "lib/right/z.rs:2: right is not above top: top::b",
            "lib/new.rs:1: new is in no row of the table",
        ]
    );
}

#[test]
fn a_circle_of_files_is_found() {
    let tree = Tree::of(&[
        (
            "lib/a.rs",
            "mod b; mod c; pub use b::B;\nuse c::f; pub struct A;",
        ),
        ("lib/a/b.rs", "pub struct B;"),
        ("lib/a/c.rs", "use super::B;\nuse super::A; pub fn f() {}"),
    ]);
    let found = shown(&rules::circles(&tree));
    assert_eq!(
        found,
        ["lib/a.rs:2: circle: lib/a.rs:2 -> lib/a/c.rs:2 -> lib/a.rs"]
    );
    let three = Tree::of(&[
        ("lib/a.rs", "use crate::b::B; pub struct A;"),
        ("lib/b.rs", "pub struct B(crate::c::C);"),
        ("lib/c.rs", "pub struct C; use super::a; fn f(_: a::A) {}"),
    ]);
    let found = shown(&rules::circles(&three));
    assert_eq!(
        found,
        ["lib/a.rs:1: circle: lib/a.rs:1 -> lib/b.rs:1 -> lib/c.rs:1 -> lib/a.rs"]
    );
}

#[test]
fn a_re_export_is_no_import() {
    let tree = Tree::of(&[
        ("lib/a.rs", "mod b; mod c; pub use b::B;"),
        ("lib/a/b.rs", "use super::c::C; pub struct B;"),
        ("lib/a/c.rs", "pub struct C; use crate::a::Z;"),
    ]);
    assert!(rules::circles(&tree).is_empty());
    let used = Tree::of(&[
        ("lib/a.rs", "mod b; pub use b::B; pub struct A(B);"),
        ("lib/a/b.rs", "pub struct B(super::A);"),
    ]);
    assert_eq!(rules::circles(&used).len(), 1);
}

#[test]
fn an_effect_outside_of_its_owner_is_found() {
    let tree = Tree::of(&[
        (
            "lib/a.rs",
            "use std::fs;\nuse std::time as t;\nfn f() { fs::write();\n t::Instant::now(); fs::read(); }",
        ),
        (
            "lib/b.rs",
            "fn f(x: File) { x.sync_all();\n crate::a::now() }",
        ),
        (
            "lib/os/c.rs",
            "fn f(x: File) { std::fs::write(); x.sync_all() }",
        ),
    ]);
    let effects = [
        Effect {
            name: "disk",
            signs: &["std::fs::write", ".sync_all"],
            owners: &["lib/os/"],
        },
        Effect {
            name: "clock",
            signs: &["std::time::Instant::now", "crate::a::now"],
            owners: &[],
        },
    ];
    assert_eq!(
        shown(&rules::effects(&tree, &effects, &[])),
        [
            "lib/a.rs:3: disk: std::fs::write",
            "lib/a.rs:4: clock: std::time::Instant::now",
            "lib/b.rs:1: disk: .sync_all",
            "lib/b.rs:2: clock: crate::a::now",
        ]
    );
    let allowed = [
        ("lib/a.rs", "std::fs::write", "why"),
        ("lib/b.rs", ".sync_all", "why"),
        ("lib/b.rs", "crate::a::now", "why"),
        ("lib/b.rs", "std::fs::write", "why"),
    ];
    assert_eq!(
        shown(&rules::effects(&tree, &effects, &allowed)),
        [
            "lib/a.rs:4: clock: std::time::Instant::now",
            "tests/architecture.rs:1: lib/b.rs has no std::fs::write",
        ]
    );
}

#[test]
fn a_second_user_of_a_crate_is_found() {
    let tree = Tree::of(&[
        ("lib/a.rs", "mod zip; use zip::Own; use far::Thing;"),
        ("lib/a/zip.rs", "use ::zip::Archive;"),
        ("lib/b.rs", "fn f() {\n zip::open() }"),
    ]);
    let dependencies = ["zip", "far", "new"].map(str::to_owned).into();
    let owners: &[(&str, &[&str])] = &[
        ("zip", &["lib/a/"]),
        ("far", &["*", "lib/b.rs"]),
        ("old", &["*"]),
    ];
    assert_eq!(
        shown(&rules::crates(&tree, &dependencies, owners)),
        [
            "tests/architecture.rs:1: lib/b.rs does not need the crate far",
            "tests/architecture.rs:1: the crate new has no owner",
            "lib/b.rs:2: the crate zip belongs to lib/a/",
            "tests/architecture.rs:1: no dependency is called old",
        ]
    );
}

#[test]
fn a_public_item_that_only_its_room_uses_is_found() {
    let tree = Tree::of(&[
        (
            "lib/a.rs",
            "pub fn used() -> Face {}\npub fn alone() {}\npub(crate) fn inner() {}",
        ),
        (
            "lib/a/b.rs",
            "pub struct Face;\npub struct Hidden;\nimpl Hidden { pub fn tested() { alone() } }",
        ),
        ("lib/c.rs", "fn f() { crate::a::used() }"),
    ]);
    assert_eq!(
        shown(&rules::unused(
            &tree,
            &BTreeSet::from(["tested".to_owned()])
        )),
        [
            "lib/a.rs:2: no other room uses the fn alone: pub(crate)?",
            "lib/a/b.rs:2: no other room uses the struct Hidden: pub(crate)?",
        ]
    );
}

#[test]
fn a_second_type_of_one_name_is_found() {
    let tree = Tree::of(&[
        ("lib/a.rs", "struct State; struct Args;"),
        (
            "lib/b.rs",
            "struct Args;\nenum State { X } impl I for J { type Item = u8; }",
        ),
        ("lib/c.rs", "impl I for K { type Item = u8; }"),
    ]);
    assert_eq!(
        shown(&rules::names(&tree, &[("Args", ""), ("Gone", "")])),
        [
            "lib/a.rs:1: State is a type of lib/b.rs as well",
            "lib/b.rs:2: State is a type of lib/a.rs as well",
            "tests/architecture.rs:1: Gone is one type or none: take it off the table",
        ]
    );
}

#[test]
fn a_program_that_does_something_is_found() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = [
        file("bins/a.rs", "fn main() -> ExitCode {\n    x::main()\n}\n"),
        file(
            "bins/b.rs",
            "fn main() -> ExitCode {\n    let y = 1;\n    x::main(y)\n}\n",
        ),
        file("lib/c/mod.rs", ""),
    ];
    assert_eq!(
        shown(&rules::shape(&files)),
        [
            "bins/b.rs:1: a program's file is one expression, in at most 12 lines",
            "lib/c/mod.rs:1: a module x is spelled x.rs and x/",
        ]
    );
}

#[test]
fn a_flow_that_jumps_turns_back_or_is_long_is_found() {
    let tree = Tree::of(&[
        ("lib/a.rs", "use crate::b::B;"),
        ("lib/b.rs", "pub struct B;"),
        ("lib/c.rs", "pub struct C;"),
    ]);
    let flow = |files: &[&str]| {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        rules::flow(&tree, "x", &files)
    };
    assert!(flow(&["lib/a.rs", "lib/b.rs"]).is_empty());
    assert_eq!(
        flow(&["lib/a.rs", "lib/c.rs"]),
        ["x: lib/c.rs is imported by none before it"]
    );
    assert_eq!(
        flow(&["lib/a.rs", "lib/b.rs", "lib/a.rs"]),
        ["x: lib/a.rs is there twice"]
    );
    assert_eq!(flow(&["lib/d.rs"]), ["x: lib/d.rs does not exist"]);
    assert_eq!(flow(&["lib/a.rs"; 16])[0], "x: 16 files, at most 15");
}
