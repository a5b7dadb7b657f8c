//! The declarations, imports and names of a source file.

use super::syntax::{Visibility, face, header, path_at, use_tree, visibility, words};
use super::tokens::{Token, live, starts};

/// One file of the library.
#[derive(Debug, Default)]
pub struct Source {
    /// `lib/net/http.rs`
    pub file: String,
    /// `["net", "http"]`; nothing for `lib.rs`.
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    pub imports: Vec<Import>,
    pub paths: Vec<PathUse>,
    pub items: Vec<Item>,
    /// Modules within this file, test modules left out.
    pub inline_modules: Vec<Vec<String>>,
}

/// One name that a `use` brings in.
#[derive(Clone, Debug)]
pub struct Import {
    /// The module that the `use` is in.
    pub scope: Vec<String>,
    pub path: Vec<String>,
    /// Its name here; `*` for all of a module.
    pub name: String,
    pub is_public: bool,
    pub line: usize,
}

/// `a::b::c` in a type, an expression, a pattern or an attribute.
#[derive(Clone, Debug)]
pub struct PathUse {
    pub scope: Vec<String>,
    pub path: Vec<String>,
    pub line: usize,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub scope: Vec<String>,
    pub kind: String,
    pub name: String,
    /// `pub`, and not `pub(crate)` or `pub(super)`.
    pub is_pub: bool,
    pub line: usize,
    pub place: Place,
    /// The words of its public face: parameters, results, public fields, bounds.
    pub signature: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Module,
    Type,
    TraitImplementation,
    Function,
}

/// The item of an open brace.
enum Block {
    Module,
    Type,
    TraitImplementation,
    Other,
}

impl Item {
    /// Whether it is an item of this module, and not a method or within a function.
    pub fn is_in(&self, module: &[String]) -> bool {
        self.place == Place::Module && self.scope == module
    }
}

const ITEMS: [&str; 8] = [
    "fn", "struct", "enum", "trait", "type", "const", "static", "union",
];

impl Source {
    pub fn new(file: &str, text: &str) -> Source {
        let mut source = Source {
            file: file.to_owned(),
            module: module_of(file),
            tokens: live(text),
            ..Source::default()
        };
        source.read();
        source
    }

    /// The first part of its path: `net`; nothing for `lib.rs`.
    pub fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    fn read(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        let mut scope = self.module.clone();
        let mut blocks: Vec<Block> = Vec::new();
        let mut next = Block::Other;
        let mut at = 0;
        while at < tokens.len() {
            let word = tokens[at].text.as_str();
            let before = at.checked_sub(1).map_or(";", |i| tokens[i].text.as_str());
            let begins = matches!(before, ";" | "{" | "}" | "]" | "unsafe");
            let follows = tokens.get(at + 1).is_some_and(Token::is_word);
            match word {
                "use" if begins || before == "pub" || before == ")" => {
                    at = self.read_use(&tokens, at, &scope);
                    continue;
                }
                "mod" if follows && tokens[at + 2].text == "{" => {
                    scope.push(tokens[at + 1].text.clone());
                    self.inline_modules.push(scope.clone());
                    next = Block::Module;
                }
                "impl" if begins => {
                    let header = header(&tokens[at..]);
                    let of_trait = header.iter().any(|token| token.text == "for");
                    next = if of_trait {
                        Block::TraitImplementation
                    } else {
                        Block::Type
                    };
                    let line = tokens[at].line;
                    if of_trait {
                        let face = words(header);
                        self.item(&scope, "impl", "", false, line, Place::Module, face);
                    }
                }
                "{" => blocks.push(std::mem::replace(&mut next, Block::Other)),
                "}" => {
                    if let Some(Block::Module) = blocks.pop() {
                        scope.pop();
                    }
                }
                _ if ITEMS.contains(&word)
                    && follows
                    && !matches!(before, "<" | "," | "*" | "." | "'")
                    && !(word == "const" && tokens[at + 1].text == "fn") =>
                {
                    let place = match blocks.last() {
                        None | Some(Block::Module) => Place::Module,
                        Some(Block::Type) => Place::Type,
                        Some(Block::TraitImplementation) => Place::TraitImplementation,
                        Some(Block::Other) => Place::Function,
                    };
                    let face = face(&tokens[at..], word);
                    let name = tokens[at + 1].text.clone();
                    let is_pub = visibility(&tokens[..at]) == Visibility::Public;
                    let line = tokens[at].line;
                    self.item(&scope, word, &name, is_pub, line, place, face);
                    if word == "trait" {
                        next = Block::Type;
                    }
                }
                _ => {}
            }
            let is_path = tokens[at].is_word() && !matches!(before, "::" | ".");
            if is_path && starts(&tokens[at + 1..], &["::"]) {
                self.paths.push(PathUse {
                    scope: scope.clone(),
                    path: path_at(&tokens[at..]),
                    line: tokens[at].line,
                });
            }
            at += 1;
        }
        self.tokens = tokens;
    }

    #[allow(clippy::too_many_arguments)]
    fn item(
        &mut self,
        scope: &[String],
        kind: &str,
        name: &str,
        is_pub: bool,
        line: usize,
        place: Place,
        signature: Vec<String>,
    ) {
        self.items.push(Item {
            scope: scope.to_vec(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            is_pub,
            line,
            place,
            signature,
        });
    }

    /// Reads from `use` to the token after its `;`.
    fn read_use(&mut self, tokens: &[Token], at: usize, scope: &[String]) -> usize {
        let length = tokens[at..].iter().position(|token| token.text == ";");
        let end = at + length.unwrap_or(tokens.len() - at - 1);
        let mut names = Vec::new();
        use_tree(&tokens[at + 1..end], &[], &mut names);
        let is_public = visibility(&tokens[..at]) != Visibility::Private;
        for (path, name) in names {
            self.imports.push(Import {
                scope: scope.to_vec(),
                path,
                name,
                is_public,
                line: tokens[at].line,
            });
        }
        end + 1
    }
}

/// `lib/net/http.rs` is `net::http`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_prefix("lib/").unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    match path {
        "lib" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

#[test]
fn a_use_tree_is_all_its_names() {
    let source = Source::new(
        "lib/a/b.rs",
        "pub(crate) use super::{self, c::{self, D as E}, f::*};\n\
         fn g(x: impl Read) { use std::fs; fs::write(h::i::<u8>()) }",
    );
    let imports: Vec<String> = source
        .imports
        .iter()
        .map(|one| format!("{} = {}", one.name, one.path.join("::")))
        .collect();
    assert_eq!(
        imports,
        [
            "super = super",
            "c = super::c",
            "E = super::c::D",
            "* = super::f",
            "fs = std::fs"
        ]
    );
    assert!(source.imports[0].is_public && !source.imports[4].is_public);
    let paths: Vec<String> = source.paths.iter().map(|one| one.path.join("::")).collect();
    assert_eq!(paths, ["fs::write", "h::i"]);
}

#[test]
fn items_know_their_place_and_their_public_face() {
    let source = Source::new(
        "lib/a.rs",
        "pub struct B { pub c: D, e: F, pub(crate) g: H }\n\
         impl B { pub const fn i(&self) -> J { const K: u8 = 1; } }\n\
         impl L for B { type M = N; fn o() {} }\n\
         mod p { pub(crate) enum Q { R(S) } }",
    );
    let items: Vec<String> = source
        .items
        .iter()
        .map(|one| {
            let face = one.signature.join(" ");
            format!(
                "{} {} {} {:?}: {face}",
                one.is_pub, one.kind, one.name, one.place
            )
        })
        .collect();
    assert_eq!(
        items,
        [
            "true struct B Module: c D".replace("c D", "pub c D"),
            "true fn i Type: self J".to_owned(),
            "false const K Function: u8".to_owned(),
            "false impl  Module: impl L for B".to_owned(),
            "false type M TraitImplementation: N".to_owned(),
            "false fn o TraitImplementation: ".to_owned(),
            "false enum Q Module: R S".to_owned(),
        ]
    );
    assert_eq!(source.items[6].scope, ["a", "p"]);
}
