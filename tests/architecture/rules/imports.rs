//! Who imports whom: the direction, circles, and the files of a flow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Violation, violation};
use crate::architecture::tree::{Edge, Meaning, Tree};

/// A room imports only rooms in rows below its own.
pub fn direction(tree: &Tree, rows: &[&[&str]]) -> Vec<Violation> {
    let row = |room: &str| rows.iter().position(|row| row.contains(&room));
    let mut found = Vec::new();
    for (index, source) in tree.sources.iter().enumerate() {
        let room = source.room();
        if room.is_empty() || room == "lib" {
            continue;
        }
        let Some(own) = row(room) else {
            found.push(violation(
                source,
                1,
                format!("{room} is in no row of the table"),
            ));
            continue;
        };
        let mut seen = BTreeSet::new();
        for reference in tree.references(index) {
            let Meaning::Here(path) = reference.meaning else {
                continue;
            };
            let Some(other) = path.first().filter(|other| *other != room) else {
                continue;
            };
            // A room that does not exist is the compiler's to report.
            let wrong = row(other).is_some_and(|other| other <= own);
            if wrong && seen.insert(path.join("::")) {
                let text = format!("{room} is not above {other}: {}", path.join("::"));
                found.push(violation(source, reference.line, text));
            }
        }
    }
    found
}

/// No file imports itself through others.
pub fn circles(tree: &Tree) -> Vec<Violation> {
    let edges = tree.edges();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for edge in &edges {
        let Some(back) = shortest(&edges, edge.to, edge.from) else {
            continue;
        };
        let mut files: Vec<usize> = back.iter().map(|edge| edge.to).collect();
        files.push(edge.to);
        files.sort_unstable();
        if !seen.insert(files) {
            continue;
        }
        let circle = [std::slice::from_ref(edge), &back].concat();
        let circle: Vec<String> = circle
            .iter()
            .map(|edge| format!("{}:{}", tree.sources[edge.from].file, edge.line))
            .collect();
        let source = &tree.sources[edge.from];
        let text = format!("circle: {} -> {}", circle.join(" -> "), source.file);
        found.push(violation(source, edge.line, text));
    }
    found
}

/// The fewest imports that lead from one file to another.
fn shortest(edges: &[Edge], from: usize, to: usize) -> Option<Vec<Edge>> {
    let mut reached: BTreeMap<usize, Option<&Edge>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front().filter(|at| *at != to) {
        for edge in edges.iter().filter(|edge| edge.from == at) {
            reached.entry(edge.to).or_insert_with(|| {
                queue.push_back(edge.to);
                Some(edge)
            });
        }
    }
    let mut path = Vec::new();
    let mut at = to;
    while let Some(edge) = *reached.get(&at)? {
        path.push(edge.clone());
        at = edge.from;
    }
    path.reverse();
    Some(path)
}

/// The files that a flow passes: each imported by one before it.
pub fn flow(tree: &Tree, title: &str, files: &[String]) -> Vec<String> {
    let edges = tree.edges();
    let mut found = Vec::new();
    if files.len() > 15 {
        found.push(format!("{title}: {} files, at most 15", files.len()));
    }
    let mut before: Vec<usize> = Vec::new();
    for file in files {
        let Some(index) = tree.find(file) else {
            found.push(format!("{title}: {file} does not exist"));
            continue;
        };
        let is_imported = |from: &usize| {
            let mut edges = edges.iter();
            edges.any(|edge| edge.from == *from && edge.to == index)
        };
        if before.contains(&index) {
            found.push(format!("{title}: {file} is there twice"));
        } else if !before.is_empty() && !before.iter().any(is_imported) {
            found.push(format!("{title}: {file} is imported by none before it"));
        }
        before.push(index);
    }
    found
}
