//! All files of the library, and which file defines a name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Import, Source};

#[derive(Debug, Default)]
pub struct Tree {
    pub sources: Vec<Source>,
    /// Which file a module is in.
    modules: BTreeMap<Vec<String>, usize>,
}

/// The meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// In this crate: the path from its root.
    Here(Vec<String>),
    /// In another crate, in std, or a name that the file itself brings along.
    Elsewhere(Vec<String>),
}

/// A name, and where a file has it from.
pub struct Reference {
    pub meaning: Meaning,
    pub line: usize,
}

/// An import between two files, with the line that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub line: usize,
}

impl Tree {
    /// The files below `lib/`.
    pub fn read(root: &Path) -> Tree {
        // A file of tests, declared after `#[cfg(test)]`, is no code.
        let mut files = rust_files(&root.join("lib"));
        files.retain(|path| !path.ends_with("tests.rs"));
        let read = |path: &PathBuf| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            Source::new(name, &fs::read_to_string(path).unwrap())
        };
        Tree::new(files.iter().map(read).collect())
    }

    pub fn of(files: &[(&str, &str)]) -> Tree {
        let sources = files.iter().map(|(file, text)| Source::new(file, text));
        Tree::new(sources.collect())
    }

    fn new(sources: Vec<Source>) -> Tree {
        let mut modules = BTreeMap::new();
        for (index, source) in sources.iter().enumerate() {
            modules.insert(source.module.clone(), index);
            for inline in &source.inline_modules {
                modules.insert(inline.clone(), index);
            }
        }
        Tree { sources, modules }
    }

    pub fn find(&self, file: &str) -> Option<usize> {
        self.sources.iter().position(|source| source.file == file)
    }

    /// Everything that a file imports or names by its path.
    pub fn references(&self, index: usize) -> Vec<Reference> {
        let source = &self.sources[index];
        let imports = source.imports.iter().map(|import| Reference {
            meaning: self.import(index, import),
            line: import.line,
        });
        let paths = source.paths.iter().map(|path| Reference {
            meaning: self.meaning(index, &path.scope, &path.path, 0),
            line: path.line,
        });
        imports.chain(paths).collect()
    }

    fn import(&self, index: usize, import: &Import) -> Meaning {
        let meaning = self.meaning_but(index, &import.scope, &import.path, Some(&import.name), 0);
        let add = |mut path: Vec<String>| {
            if import.name == "*" {
                path.push("*".to_owned());
            }
            path
        };
        match meaning {
            Meaning::Here(path) => Meaning::Here(add(path)),
            Meaning::Elsewhere(path) => Meaning::Elsewhere(add(path)),
        }
    }

    fn meaning(&self, index: usize, scope: &[String], path: &[String], depth: usize) -> Meaning {
        self.meaning_but(index, scope, path, None, depth)
    }

    /// Follows the imports of the file, but for the one that brings in `without`.
    fn meaning_but(
        &self,
        index: usize,
        scope: &[String],
        path: &[String],
        without: Option<&str>,
        depth: usize,
    ) -> Meaning {
        let Some(first) = path.first().filter(|_| depth < 8) else {
            return Meaning::Elsewhere(path.to_vec());
        };
        let from = |base: &[String], skip: usize| {
            Meaning::Here(base.iter().chain(&path[skip..]).cloned().collect())
        };
        match first.as_str() {
            "crate" => return from(&[], 1),
            "self" => return from(scope, 1),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                return from(&scope[..scope.len().saturating_sub(ups)], ups);
            }
            _ => {}
        }
        let source = &self.sources[index];
        let mut imports = source
            .imports
            .iter()
            .filter(|import| import.scope == *scope);
        let named = |import: &&Import| import.name == *first && without != Some(first.as_str());
        if let Some(import) = imports.clone().find(named) {
            let base = self.meaning_but(index, scope, &import.path, Some(first), depth + 1);
            let extend = |mut base: Vec<String>| {
                base.extend_from_slice(&path[1..]);
                base
            };
            return match base {
                Meaning::Here(base) => Meaning::Here(extend(base)),
                Meaning::Elsewhere(base) => Meaning::Elsewhere(extend(base)),
            };
        }
        let child: Vec<String> = scope.iter().chain([first]).cloned().collect();
        let is_item = |module: &[String]| {
            let holder = self
                .modules
                .get(module)
                .map(|holder| &self.sources[*holder]);
            holder.is_some_and(|holder| {
                let mut items = holder.items.iter();
                items.any(|item| item.is_in(module) && item.name == *first)
            })
        };
        if self.modules.contains_key(&child) || is_item(scope) {
            return from(scope, 0);
        }
        let glob = imports.find_map(|import| {
            let whole = import.name == "*" && without.is_none();
            match whole.then(|| self.meaning_but(index, scope, &import.path, Some("*"), depth + 1))
            {
                Some(Meaning::Here(base)) => {
                    let inner: Vec<String> = base.iter().chain([first]).cloned().collect();
                    (self.modules.contains_key(&inner) || is_item(&base)).then_some(base)
                }
                _ => None,
            }
        });
        match glob {
            Some(base) => from(&base, 0),
            None => Meaning::Elsewhere(path.to_vec()),
        }
    }

    /// The file that defines what a path of this crate names, through re-exports;
    /// nothing for a module and for what another crate defines.
    pub fn definer(&self, path: &[String]) -> Option<usize> {
        self.definer_within(path, 0)
    }

    fn definer_within(&self, path: &[String], depth: usize) -> Option<usize> {
        let known = |length: &usize| self.modules.contains_key(&path[..*length]);
        let length = (1..=path.len()).take_while(known).last().unwrap_or(0);
        // A function may have the name of the module that it comes from.
        let lengths = [length, length.saturating_sub(1)];
        let mut found = lengths
            .iter()
            .take(if length == path.len() { 2 } else { 1 })
            .map(|length| self.definer_in(&path[..*length], &path[*length..], depth));
        found.find_map(|found| found)
    }

    /// The file that a name of a module is from.
    fn definer_in(&self, module: &[String], rest: &[String], depth: usize) -> Option<usize> {
        let index = *self.modules.get(module)?;
        let name = rest.first().filter(|_| depth < 8)?;
        let source = &self.sources[index];
        let mut items = source.items.iter();
        if name == "*" {
            return Some(index).filter(|_| items.any(|item| item.is_in(module) && item.is_pub));
        }
        if items.any(|item| item.is_in(module) && item.name == *name) {
            return Some(index);
        }
        let imports = source.imports.iter();
        let here = imports.filter(|import| import.scope == module);
        here.filter(|import| import.name == *name || import.name == "*")
            .find_map(|import| {
                let without = Some(import.name.as_str());
                let meaning = self.meaning_but(index, module, &import.path, without, 0);
                let Meaning::Here(mut target) = meaning else {
                    return None;
                };
                let skip = usize::from(import.name != "*");
                target.extend_from_slice(&rest[skip..]);
                self.definer_within(&target, depth + 1)
            })
    }

    /// Which files import which: a re-export is none, unless the file uses the name.
    pub fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (from, source) in self.sources.iter().enumerate() {
            let mut seen = BTreeSet::new();
            let passed_on = passed_on(source);
            for (at, reference) in self.references(from).iter().enumerate() {
                let Meaning::Here(path) = &reference.meaning else {
                    continue;
                };
                if passed_on.contains(&at) {
                    continue;
                }
                let to = self.definer(path).filter(|to| *to != from);
                if let Some(to) = to.filter(|to| seen.insert(*to)) {
                    let line = reference.line;
                    edges.push(Edge { from, to, line });
                }
            }
        }
        edges
    }
}

/// The imports that a file only re-exports, by their number.
fn passed_on(source: &Source) -> BTreeSet<usize> {
    let used: BTreeSet<&str> = used_words(source).collect();
    let imports = source.imports.iter().enumerate();
    imports
        .filter(|(_, import)| import.is_public && !used.contains(import.name.as_str()))
        .map(|(at, _)| at)
        .collect()
}

/// The words of a file outside of its imports and declarations of modules.
pub fn used_words(source: &Source) -> impl Iterator<Item = &str> {
    let mut imports = false;
    let mut before = "";
    source.tokens.iter().filter_map(move |token| {
        let text = token.text.as_str();
        imports = (imports && before != ";") || (text == "use" && before != ".");
        let is_used = !imports && !matches!(before, "." | "mod") && token.is_word();
        before = text;
        is_used.then_some(text)
    })
}

/// The Rust files below a directory, in the order of their names.
pub fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

#[test]
fn a_name_is_found_in_the_file_that_defines_it() {
    let tree = Tree::of(&[
        (
            "lib/a.rs",
            "pub mod b; mod c; pub use c::{D, E as F, c}; use std::fs;",
        ),
        (
            "lib/a/b.rs",
            "use super::D; use crate::a::{self, *}; fn x() { a::F::y(); fs::z(); a::c() }",
        ),
        (
            "lib/a/c.rs",
            "pub struct D; pub enum E { G } pub use std::io::Error; pub fn c() {}",
        ),
    ]);
    let names: Vec<String> = tree
        .references(1)
        .iter()
        .map(|one| match &one.meaning {
            Meaning::Here(path) => format!("{} in {:?}", path.join("::"), tree.definer(path)),
            Meaning::Elsewhere(path) => format!("{} elsewhere", path.join("::")),
        })
        .collect();
    assert_eq!(
        names,
        [
            "a::D in Some(2)",
            "a in None",
            "a::* in None",
            "a::F::y in Some(2)",
            "fs::z elsewhere",
            "a::c in Some(2)",
        ]
    );
    let edges: Vec<(usize, usize)> = tree.edges().iter().map(|e| (e.from, e.to)).collect();
    assert_eq!(edges, [(1, 2)]);
}
