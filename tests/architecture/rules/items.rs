//! Rules of names: `pub` items, types, files.

use std::collections::{BTreeMap, BTreeSet};

use super::{Violation, table, violation};
use crate::architecture::source::{Place, Source};
use crate::architecture::tree::Tree;

/// A `pub` item has a user in another room, a test, a benchmark or a program.
pub fn unused(tree: &Tree, outside: &BTreeSet<String>) -> Vec<Violation> {
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in &tree.sources {
        for token in source.tokens.iter().filter(|token| token.is_word()) {
            users.entry(&token.text).or_default().insert(source.room());
        }
    }
    let faces: BTreeSet<&str> = tree
        .sources
        .iter()
        .flat_map(|source| &source.items)
        .filter(|item| {
            item.is_pub || item.kind == "impl" || item.place == Place::TraitImplementation
        })
        .flat_map(|item| item.signature.iter().map(String::as_str))
        .collect();
    let mut found = Vec::new();
    for source in &tree.sources {
        for item in source.items.iter().filter(|item| item.is_pub) {
            let name = item.name.as_str();
            let is_type = matches!(item.kind.as_str(), "struct" | "enum" | "trait" | "type");
            let others = users.get(name).into_iter().flatten();
            let elsewhere = others.filter(|room| **room != source.room()).count() > 0;
            let is_needed =
                elsewhere || outside.contains(name) || (is_type && faces.contains(name));
            if !is_needed {
                let text = format!("no other room uses the {} {name}: pub(crate)?", item.kind);
                found.push(violation(source, item.line, text));
            }
        }
    }
    found
}

/// A name of a type means one thing.
pub fn names(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Violation> {
    let mut types: BTreeMap<&str, Vec<(&Source, usize)>> = BTreeMap::new();
    for source in &tree.sources {
        for item in &source.items {
            let is_type = matches!(item.kind.as_str(), "struct" | "enum" | "trait" | "type");
            if is_type && item.place == Place::Module {
                types
                    .entry(&item.name)
                    .or_default()
                    .push((source, item.line));
            }
        }
    }
    let mut found = Vec::new();
    for (name, places) in types.iter().filter(|(_, places)| places.len() > 1) {
        if allowed.iter().any(|(known, _)| known == name) {
            continue;
        }
        for (at, (source, line)) in places.iter().enumerate() {
            let (other, _) = places[usize::from(at == 0)];
            let text = format!("{name} is a type of {} as well", other.file);
            found.push(violation(source, *line, text));
        }
    }
    for (name, _) in allowed {
        if types.get(name).is_none_or(|places| places.len() < 2) {
            let text = format!("{name} is one type or none: take it off the table");
            found.push(table(text));
        }
    }
    found
}

/// A program's file is one expression; a module `x` is `x.rs`, with `x/` beside it.
pub fn shape(files: &[(String, String)]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, text) in files {
        let mut report = |text: &str| {
            found.push(Violation {
                file: file.clone(),
                line: 1,
                text: text.to_owned(),
            });
        };
        if file.ends_with("/mod.rs") {
            report("a module x is spelled x.rs and x/");
        }
        if file.starts_with("bins/") {
            let lines = text.lines().count();
            let body = text.split_once("fn main()").map_or("", |(_, body)| body);
            if lines > 12 || body.contains(';') || body.matches('{').count() != 1 {
                report("a program's file is one expression, in at most 12 lines");
            }
        }
    }
    found
}
