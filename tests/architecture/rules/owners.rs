//! What only its owners do, and which crates only they name.

use std::collections::BTreeSet;

use super::{Violation, table, violation};
use crate::architecture::tree::{Meaning, Tree};

/// Something that only a few files may do.
pub struct Effect {
    pub name: &'static str,
    /// Paths, and methods after a dot.
    pub signs: &'static [&'static str],
    /// Files, or directories that end in `/`.
    pub owners: &'static [&'static str],
}

/// The clock, the environment and the disk are touched only by those who own them, and
/// by the entries of a table: file, sign, reason.
pub fn effects(tree: &Tree, effects: &[Effect], allowed: &[(&str, &str, &str)]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut stale = allowed.to_vec();
    for (index, source) in tree.sources.iter().enumerate() {
        let mut signs: Vec<(String, usize)> = tree
            .references(index)
            .into_iter()
            .map(|reference| match reference.meaning {
                Meaning::Here(path) => (format!("crate::{}", path.join("::")), reference.line),
                Meaning::Elsewhere(path) => (path.join("::"), reference.line),
            })
            .collect();
        for (token, next) in source.tokens.iter().zip(source.tokens.iter().skip(1)) {
            if token.text == "." {
                signs.push((format!(".{}", next.text), next.line));
            }
        }
        for effect in effects {
            if is_within(&source.file, effect.owners) {
                continue;
            }
            for (sign, line) in &signs {
                let is_allowed =
                    |entry: &&(&str, &str, &str)| entry.0 == source.file && entry.1 == sign;
                if !effect.signs.iter().any(|known| is_sign(sign, known)) {
                    continue;
                }
                if let Some(entry) = allowed.iter().find(is_allowed) {
                    stale.retain(|one| one != entry);
                } else {
                    let text = format!("{}: {sign}", effect.name);
                    found.push(violation(source, *line, text));
                }
            }
        }
    }
    let stale = stale.iter();
    found.extend(stale.map(|(file, sign, _)| table(format!("{file} has no {sign}"))));
    found
}

/// Whether `std::fs::write` or what lies below it, as `std::fs::File::create`.
fn is_sign(sign: &str, known: &str) -> bool {
    let rest = sign.strip_prefix(known);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub fn is_within(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| match place.strip_suffix('/') {
        Some(room) => file.starts_with(place) || file == format!("{room}.rs"),
        None => file == *place,
    })
}

/// Each outside crate is named only by its owners, who all need it.
pub fn crates(
    tree: &Tree,
    dependencies: &BTreeSet<String>,
    owners: &[(&str, &[&str])],
) -> Vec<Violation> {
    let mut found = Vec::new();
    for name in dependencies {
        let Some((_, places)) = owners.iter().find(|(owned, _)| owned == name) else {
            found.push(table(format!("the crate {name} has no owner")));
            continue;
        };
        let mut needed = BTreeSet::new();
        for (index, source) in tree.sources.iter().enumerate() {
            let mut lines = tree.references(index).into_iter().filter_map(|reference| {
                let Meaning::Elsewhere(path) = reference.meaning else {
                    return None;
                };
                (path.first() == Some(name)).then_some(reference.line)
            });
            let Some(line) = lines.next() else { continue };
            match places
                .iter()
                .find(|place| is_within(&source.file, &[place]))
            {
                Some(place) => drop(needed.insert(*place)),
                None if places.contains(&"*") => {}
                None => {
                    let text = format!("the crate {name} belongs to {}", places.join(", "));
                    found.push(violation(source, line, text));
                }
            }
        }
        let stale = places.iter().filter(|place| {
            let outside = **place == "*" || !place.starts_with("lib/");
            !outside && !needed.contains(**place)
        });
        found.extend(stale.map(|place| table(format!("{place} does not need the crate {name}"))));
    }
    let gone = owners
        .iter()
        .filter(|(name, _)| !dependencies.contains(*name));
    found.extend(gone.map(|(name, _)| table(format!("no dependency is called {name}"))));
    found
}
