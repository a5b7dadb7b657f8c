//! The lines of the schema report.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::before::Before;
use super::location::First;
use super::tree::{NULL, PATHS, PathNode, Stats, TYPES, Tree};
use super::type_survey::TypeSurvey;

/// The number of records from which DuckDB infers columns.
const SAMPLE: u64 = 20_480;

/// A line of the report: the facts about one path.
#[derive(Debug, Serialize)]
pub(super) struct PathLine<'a> {
    message_type: Option<&'a str>,
    path: &'a str,
    records: u64,
    types: Types,
    beyond_2_53: u64,
    beyond_int64: u64,
    null_share: f64,
    missing_share: f64,
    max_length: usize,
    first_seen: Option<&'a First>,
    late: bool,
    same_but_case: Vec<&'a str>,
    new: bool,
    new_types: Vec<&'a str>,
    /// The types of the values at this path, in this run and in earlier runs.
    ever: Vec<&'a str>,
    #[serde(flatten)]
    whole: Option<Whole<'a>>,
}

/// The facts about whole records of one type. They are in the line of the path `""`.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    over_16_mib: u64,
    first_over_16_mib: Option<&'a First>,
    invalid: u64,
    first_invalid: Option<&'a First>,
    values_left_out: u64,
}

/// The number of values at a path, by their type.
#[derive(Debug, Serialize)]
struct Types {
    string: u64,
    integer: u64,
    number: u64,
    boolean: u64,
    null: u64,
    object: u64,
    array: u64,
}

impl PathLine<'_> {
    /// Names this path, in a few words, if the path is new. If only types at this path are new,
    /// names the path and these types. `None` if nothing is new.
    pub(super) fn news(&self) -> Option<String> {
        let kind = self.message_type.unwrap_or("without a type");
        let path = if self.path.is_empty() {
            "as a whole"
        } else {
            self.path
        };
        match &self.new_types[..] {
            _ if !self.new => None,
            [] => Some(format!("{kind} {path}")),
            types => Some(format!("{kind} {path} as {}", types.join(" and "))),
        }
    }
}

/// All lines of the report, sorted by type of record and path. Includes paths that only earlier
/// reports have.
pub(super) fn lines<'a>(
    kinds: &'a HashMap<String, TypeSurvey>,
    before: &'a Before,
) -> Vec<PathLine<'a>> {
    let mut lines = BTreeMap::new();
    for (name, kind) in kinds {
        for (node, same_but_case) in kind.tree.nodes.iter().zip(namesakes(&kind.tree)) {
            let key = (name.as_str(), node.path.as_str());
            lines.insert(key, line(name, kind, node, same_but_case, before));
        }
    }
    let mut room: HashMap<&str, usize> = HashMap::new();
    for ((name, path), ever) in &before.known {
        let taken = || kinds.get(name).map_or(0, |kind| kind.tree.nodes.len());
        let room = room
            .entry(name)
            .or_insert_with(|| (PATHS + 1).saturating_sub(taken()));
        let key = (name.as_str(), path.as_str());
        if *room > 0 && !lines.contains_key(&key) {
            *room -= 1;
            lines.insert(key, remembered(name, path, ever));
        }
    }
    lines.into_values().collect()
}

fn line<'a>(
    name: &'a str,
    kind: &'a TypeSurvey,
    node: &'a PathNode,
    same_but_case: Vec<&'a str>,
    before: &'a Before,
) -> PathLine<'a> {
    let stats = &node.stats;
    let (present, all) = match node.elements {
        None => (stats.records, kind.records),
        Some(elements) => (stats.values, kind.tree.nodes[elements].stats.values),
    };
    let share = |part: u64| match all {
        0 => 0.0,
        all => (part as f64 / all as f64).clamp(0.0, 1.0),
    };
    let known = before.known.get(&(name.to_owned(), node.path.clone()));
    let ever = known.map_or(&[][..], Vec::as_slice);
    let is_known = |name: &str| ever.iter().any(|ever| ever == name);
    let now = TYPES.iter().zip(stats.types);
    let now = now.filter_map(|(name, count)| (count > 0).then_some(*name));
    let fresh: Vec<&str> = now.filter(|name| !is_known(name)).collect();
    let is_new = before.is_there && !fresh.is_empty();
    PathLine {
        message_type: Some(name).filter(|name| !name.is_empty()),
        path: &node.path,
        records: stats.records,
        types: Types::of(stats),
        beyond_2_53: stats.beyond_2_53,
        beyond_int64: stats.beyond_int64,
        null_share: share(stats.types[NULL]),
        missing_share: share(all.saturating_sub(present)),
        max_length: stats.max_length,
        first_seen: stats.first.as_ref(),
        late: stats
            .first
            .as_ref()
            .is_some_and(|first| first.record > SAMPLE),
        same_but_case,
        new: is_new,
        new_types: match known {
            Some(_) if is_new => fresh.clone(),
            _ => Vec::new(),
        },
        ever: ever.iter().map(String::as_str).chain(fresh).collect(),
        whole: node.path.is_empty().then(|| kind.whole()),
    }
}

/// The line for a path that no record of this run had.
fn remembered<'a>(name: &'a str, path: &'a str, ever: &'a [String]) -> PathLine<'a> {
    PathLine {
        message_type: Some(name).filter(|name| !name.is_empty()),
        path,
        records: 0,
        types: Types::of(&Stats::default()),
        beyond_2_53: 0,
        beyond_int64: 0,
        null_share: 0.0,
        missing_share: 1.0,
        max_length: 0,
        first_seen: None,
        late: false,
        same_but_case: Vec::new(),
        new: false,
        new_types: Vec::new(),
        ever: ever.iter().map(String::as_str).collect(),
        whole: None,
    }
}

impl TypeSurvey {
    fn whole(&self) -> Whole<'_> {
        Whole {
            over_16_mib: self.too_large,
            first_over_16_mib: self.first_too_large.as_ref(),
            invalid: self.invalid,
            first_invalid: self.first_invalid.as_ref(),
            values_left_out: self.tree.left_out,
        }
    }
}

impl Types {
    fn of(stats: &Stats) -> Types {
        let [string, integer, number, boolean, null, object, array] = stats.types;
        Types {
            string,
            integer,
            number,
            boolean,
            null,
            object,
            array,
        }
    }
}

/// For each path, the other paths under the same parent whose keys differ only in upper and lower
/// case.
fn namesakes(tree: &Tree) -> Vec<Vec<&str>> {
    let mut namesakes = vec![Vec::new(); tree.nodes.len()];
    for node in &tree.nodes {
        let mut same: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (name, child) in &node.names {
            same.entry(name.to_lowercase()).or_default().push(*child);
        }
        for group in same.values().filter(|group| group.len() > 1) {
            for child in group {
                let others = group.iter().filter(|other| *other != child);
                let mut paths: Vec<_> = others.map(|other| &*tree.nodes[*other].path).collect();
                paths.sort_unstable();
                namesakes[*child] = paths;
            }
        }
    }
    namesakes
}
