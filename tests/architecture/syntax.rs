//! The parts of Rust's grammar that the rules look at.

use super::tokens::{Token, end_of_group, starts};

/// Adds the names of a tree such as `a::{b, c::{self, D as E}, f::*}`.
pub fn use_tree(tokens: &[Token], prefix: &[String], names: &mut Vec<(Vec<String>, String)>) {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "::" => {}
            "{" => {
                let inner = &tokens[at + 1..end_of_group(tokens, at) - 1];
                for branch in branches(inner) {
                    use_tree(branch, &path, names);
                }
                return;
            }
            "*" => {
                names.push((path, "*".to_owned()));
                return;
            }
            "as" => {
                names.push((path, tokens[at + 1].text.clone()));
                return;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if let Some(name) = path.last().cloned() {
        names.push((path, name));
    }
}

/// The parts between the commas outside of brackets.
pub fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "(" | "[" | "{" => at = end_of_group(tokens, at),
            "," => {
                parts.push(&tokens[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(&tokens[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// The words of a path, as far as they are joined by `::` alone.
pub fn path_at(tokens: &[Token]) -> Vec<String> {
    let mut path = vec![tokens[0].text.clone()];
    let mut rest = &tokens[1..];
    while starts(rest, &["::"]) && rest.get(1).is_some_and(Token::is_word) {
        path.push(rest[1].text.clone());
        rest = &rest[2..];
    }
    path
}

#[derive(PartialEq, Eq)]
pub enum Visibility {
    Private,
    Inner,
    Public,
}

/// What stands before an item: `pub`, `pub(crate)`, or neither.
pub fn visibility(before: &[Token]) -> Visibility {
    let mut texts = before.iter().rev().map(|token| token.text.as_str());
    let mut text = texts.next();
    while matches!(text, Some("const" | "unsafe" | "async")) {
        text = texts.next();
    }
    match text {
        Some("pub") => Visibility::Public,
        Some(")") => {
            let group = texts.position(|text| text == "(");
            match (group, texts.next()) {
                (Some(_), Some("pub")) => Visibility::Inner,
                _ => Visibility::Private,
            }
        }
        _ => Visibility::Private,
    }
}

/// As far as the `{` or `;`.
pub fn header(tokens: &[Token]) -> &[Token] {
    let end = tokens
        .iter()
        .position(|token| matches!(token.text.as_str(), "{" | ";"));
    &tokens[..end.unwrap_or(tokens.len())]
}

pub fn words(tokens: &[Token]) -> Vec<String> {
    let words = tokens.iter().filter(|token| token.is_word());
    words.map(|token| token.text.clone()).collect()
}

/// The words that a user of the item has to know: a private type among them would
/// not compile.
pub fn face(tokens: &[Token], kind: &str) -> Vec<String> {
    let head = header(tokens);
    let mut face = words(&head[2.min(head.len())..]);
    let body = head.len();
    if tokens.get(body).is_none_or(|token| token.text != "{") {
        return face;
    }
    let body = &tokens[body + 1..end_of_group(tokens, body) - 1];
    match kind {
        "enum" | "trait" => face.extend(words(body)),
        "struct" => {
            let fields = branches(body).into_iter();
            let public = fields.filter_map(|field| {
                let at = field.iter().position(|token| token.text == "pub")?;
                (field.get(at + 1)?.text != "(").then_some(&field[at..])
            });
            face.extend(public.flat_map(words));
        }
        _ => {}
    }
    face
}
